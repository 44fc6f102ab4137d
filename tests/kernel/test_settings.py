"""What is written in the environment becomes the setting's value, in its type."""

from dataclasses import Field, fields
from pathlib import Path

import pytest

from remit.kernel.errors import InvalidInput
from remit.settings import Settings, load

TYPED = [item for item in fields(Settings) if isinstance(item.default, bool | int | float)]


@pytest.mark.parametrize("item", TYPED, ids=lambda item: item.name)
def test_a_default_that_is_written_out_is_the_same_value(item: Field[object], tmp_path: Path) -> None:
    environ = {"REMIT_HOME": str(tmp_path), f"REMIT_{item.name.upper()}": str(item.default)}
    settings, _ = load(environ=environ, folder=tmp_path, user_file=tmp_path / "none.toml")
    found = getattr(settings, item.name)
    assert (type(found), found) == (type(item.default), item.default)


@pytest.mark.parametrize("name", [item.name for item in TYPED if isinstance(item.default, bool)])
def test_a_switch_can_be_turned_off_and_nothing_else_is_taken_for_off(name: str, tmp_path: Path) -> None:
    (tmp_path / "remit.toml").write_text(f"{name} = false\n", encoding="utf-8")
    home, none = {"REMIT_HOME": str(tmp_path)}, tmp_path / "none.toml"
    settings, _ = load(environ=home, folder=tmp_path, user_file=none)
    assert getattr(settings, name) is False
    with pytest.raises(InvalidInput, match="true or false"):
        load(environ={**home, f"REMIT_{name.upper()}": "never"}, folder=tmp_path, user_file=none)
