"""Every way to get an intake wrong that we thought of: refused, with its code, its line and a word that helps."""

from pathlib import Path

import pytest

from remit.packs.build.intake import InvalidDocument, read_intake

BROKEN = Path(__file__).parent / "broken"


def _refused(data: bytes, name: str) -> InvalidDocument:
    with pytest.raises(InvalidDocument) as caught:
        read_intake(data, name=name)
    return caught.value


@pytest.mark.parametrize("path", sorted(BROKEN.glob("*.yaml")), ids=lambda path: path.stem)
def test_broken_file_is_refused_at_its_place(path: Path) -> None:
    expected = path.read_text().split("\n", 1)[0].removeprefix("# expect ")
    code, line, word = expected.split(" ", 2)
    error = _refused(path.read_bytes(), path.name)
    told = [f"{problem.code} {problem.line}: {problem}" for problem in error.found]
    hits = [problem for problem in error.found if problem.code == code]
    assert hits, told
    assert hits[0].line == int(line), told
    assert word in str(hits[0]), told
    assert error.place == error.found[0].place
    assert error.place.startswith(f"{path.name}:")
    assert len(error.found) == 1, told
    assert all(problem.hint for problem in error.found)
