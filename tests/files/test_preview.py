"""What an approver is shown of files that would be written."""

import os
from pathlib import Path

from remit.adapters.files.preview import MOST_BYTES, preview
from remit.adapters.files.writing import FilesAdapter
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.effects import WriteFiles
from remit.kernel.ports import Previewer

OWNER = Principal(ActorKind.USER, "ada")


async def test_a_diff_against_what_stands_there(tmp_path: Path) -> None:
    (tmp_path / "kept.txt").write_text("same\n")
    (tmp_path / "changed.txt").write_text("one\ntwo\nthree")
    (tmp_path / "gone.txt").write_text("bye\n")
    files = {"kept.txt": b"same\n", "changed.txt": b"one\n2\nthree", "new/a.txt": b"hello\n"}
    effect = WriteFiles(files, delete=("gone.txt", "never.txt"))
    adapter = FilesAdapter()
    assert isinstance(adapter, Previewer)
    seen = await adapter.preview(Action("a", effect, OWNER, OWNER, "w", directory=str(tmp_path)))
    assert seen.summary == "3 files written, 2 deleted."
    assert seen.diff.splitlines() == [
        "--- a/changed.txt",
        "+++ b/changed.txt",
        "@@ -1,3 +1,3 @@",
        " one",
        "-two",
        "+2",
        " three",
        "\\ No newline at end of file",
        "--- a/gone.txt",
        "+++ /dev/null",
        "@@ -1 +0,0 @@",
        "-bye",
        "--- /dev/null",
        "+++ b/new/a.txt",
        "@@ -0,0 +1 @@",
        "+hello",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["changed.txt", "gone.txt", "kept.txt"]


def test_nothing_is_followed_and_what_is_no_text_is_told_by_its_size(tmp_path: Path) -> None:
    secret = tmp_path / "outside"
    secret.write_text("secret")
    home = tmp_path / "step"
    home.mkdir()
    (home / "link").symlink_to(secret)
    (home / "folder").symlink_to(tmp_path)
    os.mkfifo(home / "pipe")
    (home / "big").write_bytes(b"x" * (MOST_BYTES + 10))
    changed = dict.fromkeys(("link", "folder/outside", "pipe", "big", "binary"), b"\0\1")
    text = preview(WriteFiles(changed), home).diff
    assert "secret" not in text
    assert text.count("a link is in the way") == 2
    assert "# big: not compared line by line" in text
    assert "# binary: not compared line by line, from nothing to 2 bytes" in text
    assert preview(WriteFiles({"a": b"b\n"}), None).diff.endswith("+b\n")
    huge = {f"f{number:03}": b"line\n" * 3000 for number in range(40)}
    assert "too long to be shown" in preview(WriteFiles(huge), None).summary
