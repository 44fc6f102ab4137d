"""Every way to get an intake wrong that we thought of: refused, with its code, its line and a word that helps."""

import copy
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


HEAD = b"metadata: {appName: Broken}\nrequirements:\n  features:\n"
BOMB = b"a: &a [x, x, x, x, x, x, x, x, x, x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (next_, next_, b", ".join([b"*%c" % last] * 10))
    for last, next_ in zip(b"abcdefgh", b"bcdefghi", strict=True)
)
MEBI = 1024 * 1024

GENERATED = {
    "not UTF-8": (HEAD + b"    - id: caf\xe9\n", "x.yaml", "build.encoding", 4, "0xe9"),
    "UTF-16": ("metadata: {}".encode("utf-16"), "x.yaml", "build.encoding", 1, "UTF-16"),
    "raw NUL": (HEAD + b"    - id: a\x00b\n", "x.yaml", "build.control_character", 4, "U+0000"),
    "empty": (b"", "x.yaml", "build.empty", 1, "empty"),
    "comments only": (b"# nothing\n\n", "x.yaml", "build.empty", 1, "empty"),
    "a single word": (b"hello\n", "x.yaml", "build.wrong_type", 1, "single value"),
    "1 MB string": (HEAD + b"    - id: " + b"x" * 1_000_000 + b"\n", "x.yaml", "build.too_long", 4, "1,000,000"),
    "beyond 1 MiB": (HEAD + b"# " + b"x" * MEBI, "x.yaml", "build.too_large", 1, "bytes"),
    "YAML bomb": (BOMB, "x.yaml", "build.too_large", 5, "100,000"),
    "deep YAML": (b"metadata: " + b"[" * 400 + b"]" * 400, "x.yaml", "build.too_deep", 1, "32"),
    "deep block YAML": (b"- " * 2_000 + b"x\n", "x.yaml", "build.too_deep", 1, "32"),
    "deep JSON": (b'{"metadata":\n' + b"[" * 400 + b"]" * 400 + b"}", "x.json", "build.too_deep", 2, "32"),
    "very deep JSON": (b'{"metadata":\n' + b"[" * 300_000 + b"]" * 300_000 + b"}", "x.json", "build.too_deep", 2, "32"),
    "many values": (b"metadata: [" + b"1," * 150_000 + b"]", "x.yaml", "build.too_large", 1, "100,000"),
    "long tag": (b"metadata: !" + b"x" * 100_000 + b" 1\n", "x.yaml", "build.yaml_tag", 1, "not allowed"),
    "a thousand unknown features": (
        HEAD
        + b"".join(
            b"    - {id: feature-number-%04d, name: F, dependencies: [feature-numbex-%04d],"
            b" dataModel: {entities: [{name: Entity%d, fields: [{name: a, type: int}]}]}}\n" % (number, number, number)
            for number in range(1_000)
        ),
        "x.yaml",
        "build.unknown_feature",
        4,
        "Did you mean `feature-number-0000`?",
    ),
    "JSON trailing comma": (b'{"metadata":\n{"appName": "x",}}', "x.json", "build.syntax", 2, "comma"),
    "JSON comment": (b'{\n// no\n"metadata": {}}', "x.json", "build.syntax", 2, "not JSON"),
    "JSON duplicate key": (
        b'{"metadata": {"appName": "x",\n  "appName": "y"}}',
        "x.json",
        "build.duplicate_key",
        2,
        "twice",
    ),
    "JSON NaN": (b'{"metadata":\n{"appName": NaN}}', "x.json", "build.not_finite", 2, "NaN"),
    "JSON huge integer": (
        b'{"metadata":\n{"appName": ' + b"9" * 5_000 + b"}}",
        "x.json",
        "build.number_range",
        2,
        "5000",
    ),
    "JSON float overflow": (b'{"metadata":\n{"appName": 1e999}}', "x.json", "build.not_finite", 2, "large"),
    "JSON lone surrogate": (
        b'{"metadata":\n{"appName": "\\ud800"}}',
        "x.json",
        "build.control_character",
        2,
        "U+D800",
    ),
    "JSON list": (b"[]", "x.json", "build.wrong_type", 1, "a list"),
    "JSON nothing": (b"  ", "x.json", "build.empty", 1, "empty"),
    "JSON in a nameless file": (b'{"metadata":\n{"appName": 1}}', "stdin", "build.wrong_type", 2, "quotes"),
}


@pytest.mark.parametrize("case", GENERATED)
@pytest.mark.timeout(5)
def test_broken_text_is_refused_at_its_place(case: str) -> None:
    data, name, code, line, word = GENERATED[case]
    error = _refused(data, name)
    told = [f"{problem.code} {problem.line}: {problem!s:.300}" for problem in error.found]
    hits = [problem for problem in error.found if problem.code == code]
    assert hits, told
    assert hits[0].line == line, told
    assert word in str(hits[0]), told
    assert all(len(str(problem)) < 2_000 for problem in error.found)


def test_all_problems_are_told_at_once_in_the_order_of_the_file() -> None:
    data = HEAD + b"".join(
        b"    - {id: f%d, name: F, dataModel: {entities: [{name: E%d, fields: [{name: a, type: int, min: 2, max: 1},"
        b" {name: class, type: email, example: nobody}]}]}}\n" % (number, number)
        for number in range(5)
    )
    error = _refused(data, "many.yaml")
    assert [problem.code for problem in error.found] == ["build.bounds", "build.reserved_name", "build.email"] * 5
    assert [problem.line for problem in error.found] == sorted(problem.line for problem in error.found)
    assert error.problems[0].startswith("many.yaml:4:")
    assert "requirements.features[0].dataModel.entities[0].fields[0].min" in error.problems[0]


def test_problems_are_bounded() -> None:
    fields = b", ".join(b"{name: a%d, type: int, min: 2, max: 1}" % number for number in range(120))
    data = HEAD + b"    - {id: f, name: F, dataModel: {entities: [{name: E, fields: [" + fields + b"]}]}}\n"
    error = _refused(data, "many.yaml")
    assert len(error.found) == 50
    assert error.problems[-1] == "... and 70 more"
    assert "119 more problems" in error.message


def test_every_cycle_is_named() -> None:
    edges = {"a": "b", "b": "a", "c": "d", "d": "c", "e": "e"}
    data = HEAD + b"".join(
        b"    - {id: %s, name: F, dependencies: [%s],\n"
        b"       dataModel: {entities: [{name: T%s, fields: [{name: a, type: int}]}]}}\n"
        % (name.encode(), before.encode(), name.encode())
        for name, before in edges.items()
    )
    error = _refused(data, "cycles.yaml")
    assert [problem.what.split(": ")[1] for problem in error.found] == ["a -> b -> a", "c -> d -> c", "e -> e"]


def test_the_error_is_a_usage_error_with_exit_code_2() -> None:
    error = _refused(b"", "x.yaml")
    assert error.row.exit == 2
    assert error.code == "build.empty"
    assert error.place == "x.yaml:1:1"
    assert "examples/intakes" in error.hint
    again = copy.copy(error)
    assert (again.found, again.problems, again.place) == (error.found, error.problems, error.place)
