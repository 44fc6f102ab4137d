"""Where a workspace may deploy from the console and the API: its own folders, those of all, never another's."""

from pathlib import Path

import pytest

from remit.kernel.errors import InvalidInput
from remit.serve.api.targets import offered, roots_of
from remit.settings import Settings, folders_of, load


def held(text: str, workspace: str, target: str, *, home: Path = Path("/var/remit")) -> bool:
    return roots_of(Settings(home, deploy_roots=text), workspace).hold(target)


NESTED = "/srv/staging, shop=/srv/shop, lab=/srv/staging/lab"


@pytest.mark.parametrize(
    ("text", "workspace", "target", "may"),
    [
        ("/srv, /opt/x", "any", "/srv/a", True),  # as ever: without names, every workspace
        ("/srv", "any", "/srv", True),
        ("/srv", "any", "/srvx", False),
        ("", "any", "/srv", False),
        (NESTED, "shop", "/srv/shop/a", True),
        (NESTED, "lab", "/srv/shop/a", False),
        (NESTED, "other", "/srv/shop", False),
        (NESTED, "lab", "/srv/staging/lab/site", True),
        (NESTED, "shop", "/srv/staging/lab/site", False),
        (NESTED, "shop", "/srv/staging/lab", False),
        (NESTED, "shop", "/srv/staging/shop", True),
        (NESTED, "shop", "/srv/staging", False),  # it holds another's
        (NESTED, "lab", "/srv/staging", True),
        ("/srv/x, lab=/srv/x", "other", "/srv/x", False),  # what is named for somebody is not everybody's
        ("/srv/x, lab=/srv/x", "lab", "/srv/x/y", True),
        ("a=/srv/x, b=/srv/x", "b", "/srv/x", True),  # of both
        ("a=/srv/x, b=/srv/x", "c", "/srv/x", False),
        ("a=/srv, b=/srv/b", "a", "/srv/b/c", False),
        ("b=/srv, a=/srv/b", "a", "/srv/b/c", True),  # the inner one counts
        ("a=/srv", "A", "/srv/b", False),
        ("a=/srv", "", "/srv/b", False),
        ("/srv/a=b", "x", "/srv/a=b/c", True),  # a folder's own sign
        ("a=/var", "a", "/var/remit/x", False),  # the home is never one
    ],
)
def test_whose_a_folder_is(text: str, workspace: str, target: str, may: object) -> None:
    assert held(text, workspace, target) is may


def test_a_link_into_anothers_folder_is_followed(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "lab").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "shop")
    text = f"lab={tmp_path / 'way'}, shop={tmp_path / 'shop'}"
    assert roots_of(Settings(tmp_path / "h", deploy_roots=text), "lab").folders == (str(tmp_path / "shop"),)
    text = f"{tmp_path}, shop={tmp_path / 'way'}"
    assert not roots_of(Settings(tmp_path / "h", deploy_roots=text), "lab").hold(str(tmp_path / "shop" / "x"))
    assert offered(roots_of(Settings(tmp_path / "h", deploy_roots=text), "lab")) == [str(tmp_path / "lab")]


@pytest.mark.parametrize("wrong", ["lab=srv", "lab=", "lab", "lab=/srv/../etc", "lab=/", "srv=x=/y", "=/srv"])
def test_what_names_no_folder_is_refused(tmp_path: Path, wrong: str) -> None:
    with pytest.raises(InvalidInput, match="deploy_roots"):
        load(environ={"REMIT_DEPLOY_ROOTS": wrong}, folder=tmp_path, user_file=tmp_path / "none")
    assert folders_of("a=/srv, /opt") == (("a", "/srv"), ("", "/opt"))
