"""The table of requirements: every id once, a known status, and tests that exist behind every claim."""

import ast
import re
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = REPOSITORY / "docs" / "coverage.md"

#: How many requirements each family has; ids count up from 1.
FAMILIES = {
    "MSN": 12,
    "RES": 7,
    "LIM": 4,
    "POL": 6,
    "CRT": 5,
    "APR": 3,
    "SEC": 5,
    "FET": 1,
    "AUD": 5,
    "LLM": 7,
    "ACC": 3,
}
FAMILIES |= {
    "API": 8,
    "BLD": 5,
    "PLY": 3,
    "TRD": 1,
    "RSC": 1,
    "CIN": 1,
    "OBS": 5,
    "INC": 1,
    "DAT": 1,
    "OPS": 3,
    "NEW": 6,
}


@cache
def names_in(file: Path) -> frozenset[str]:
    """Functions and classes of a file."""
    tree = ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    return frozenset(
        node.name for node in tree if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    )


def rows() -> list[tuple[str, ...]]:
    """id, what, status, tests, doc."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if re.match(r"\| [A-Z]+-\d+ ", line)]
    return [tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines]


def test_every_requirement_has_exactly_one_line() -> None:
    wanted = sorted(f"{family}-{number}" for family, count in FAMILIES.items() for number in range(1, count + 1))
    assert sorted(row[0] for row in rows()) == wanted
    assert all(len(row) == 5 for row in rows())


def test_every_status_is_known_and_every_claim_has_a_test_and_a_page() -> None:
    for identifier, _what, status, tests, doc in rows():
        assert status in {"done", "partly", "not yet"}, f"{identifier}: {status}"
        if status == "not yet":
            assert not tests, f"{identifier} names a test but claims nothing"
        else:
            assert tests, f"{identifier} claims {status} and names no test"
            assert doc, f"{identifier} claims {status} and names no page"
            assert ("Missing: " in doc) == (status == "partly"), f"{identifier} is {status} and says {doc}"


def test_every_named_test_and_page_exists() -> None:
    for identifier, _what, _status, tests, doc in rows():
        for named in tests.replace("`", "").split():
            assert named.startswith("tests/"), f"{identifier}: {named} is no test"
            file, _, name = named.partition("::")
            path = REPOSITORY / file
            assert path.is_file(), f"{identifier}: no file {file}"
            assert name.split("[")[0].rpartition("::")[2] in names_in(path), f"{identifier}: {file} has no {name}"
        for target in re.findall(r"\]\(([^)#]+)", doc):
            assert (PAGE.parent / target).exists(), f"{identifier}: no page {target}"


# ----------------------------------------------------------------------------------------------------- docs/security.md

#: How many requirements of levels 1 and 2 each section of OWASP's ASVS 5.0.0 has; in all of them they come first.
ASVS = {
    1: (2, 9, 11, 3, 2),
    2: (3, 3, 4, 1),
    3: (0, 2, 4, 6, 5, 0, 2),
    4: (3, 1, 2, 4),
    5: (1, 3, 2, 3),
    6: (3, 12, 4, 4, 5, 3, 0, 4),
    7: (3, 4, 2, 5, 2, 2),
    8: (2, 3, 1, 1),
    9: (3, 4),
    10: (2, 2, 4, 11, 5, 2, 3),
    11: (2, 3, 3, 4, 1, 1),
    12: (3, 2, 4),
    13: (1, 5, 2, 5),
    14: (2, 4, 3),
    15: (3, 3, 7),
    16: (1, 5, 4, 3, 3),
    17: (1, 4, 2),
}


def asvs() -> list[tuple[str, ...]]:
    """ids, levels, what, how it stands, what shows it."""
    page = (REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8")
    lines = [line for line in page.splitlines() if re.match(r"\| \d+\.\d+\.\d+", line)]
    return [tuple(cell.strip() for cell in line.strip().strip("|").split("|")) for line in lines]


def test_every_requirement_of_asvs_has_its_row_and_the_page_counts_right() -> None:
    wanted = {
        f"{chapter}.{section}.{number}"
        for chapter, sections in ASVS.items()
        for section, most in enumerate(sections, 1)
        for number in range(1, most + 1)
    }
    found = [(each, row[3]) for row in asvs() for each in row[0].split(", ")]
    assert len(found) == len({each for each, _ in found})
    assert wanted <= {each for each, _ in found}
    stands = [how for each, how in found if each in wanted]
    told = tuple(stands.count(how) for how in ("met", "partly", "not met", "does not apply"))
    assert sum(told) == len(wanted)
    page = " ".join((REPOSITORY / "docs" / "security.md").read_text(encoding="utf-8").split())
    assert f"({len(wanted)})" in page
    assert "Met are {}, partly {}, not met {}; {} do not apply.".format(*told) in page


def test_every_row_of_asvs_names_tests_that_exist_or_a_page_or_a_reason() -> None:
    for ids, levels, _what, stands, how in asvs():
        assert set(levels.split(", ")) <= {"1", "2", "3"}, ids
        named = re.findall(r"`([\w/]+\.py)(?:::(\w+))?`", how)
        tests = [file for file, _ in named if (REPOSITORY / "tests" / file).is_file()]
        for file, name in named:
            assert file in tests or (not name and (REPOSITORY / "src" / "remit" / file).is_file()), f"{ids}: no {file}"
            assert not name or name in names_in(REPOSITORY / "tests" / file), f"{ids}: {file} has no {name}"
        if stands == "met":
            assert tests or "](" in how, f"{ids} is met and nothing shows it"
        else:
            assert stands in {"partly", "not met", "does not apply"}, ids
            assert len(how) > 10, f"{ids} gives no reason"
