"""The table of requirements: every id once, a known status, and tests that exist behind every claim."""

import ast
import re
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
            functions = {
                node.name
                for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            }
            assert name.split("[")[0].rpartition("::")[2] in functions, f"{identifier}: {file} has no {name}"
        for target in re.findall(r"\]\(([^)#]+)", doc):
            assert (PAGE.parent / target).exists(), f"{identifier}: no page {target}"
