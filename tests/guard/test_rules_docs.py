"""docs/rules.md lists exactly the variables that rules may read, with their types, and the shipped sets and names."""

import re
from pathlib import Path

from remit.guard.cel import Type
from remit.guard.rules.resolving import SETS
from remit.guard.rules.variables import COMMON, CRITICS, FINDINGS, KINDS, OF_KIND, evidence_types

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| `([\w.]+)` \| (\w+) \| (.+) \|$", re.MULTILINE)


def test_every_kind_has_its_variables_and_they_are_told() -> None:
    sections = dict(re.findall(r"^### (\w[\w ]*)\n(.*?)(?=^### |\Z)", PAGE, re.MULTILINE | re.DOTALL))
    assert set(sections) == {"every kind", *KINDS}
    for heading, variables in {"every kind": COMMON, **OF_KIND}.items():
        told = ROW.findall(sections[heading])
        assert told == [(each.name, each.type.value, each.meaning) for each in variables], heading


def test_variables_of_a_kind_begin_with_its_name() -> None:
    for kind, variables in OF_KIND.items():
        assert {each.name.partition(".")[0] for each in variables} == {kind}


def test_what_is_read_of_evidence_is_told() -> None:
    families = dict(re.findall(r"^\| `(known|evidence|findings|findings_of)\.[A-Z]+` \| (\w+) \|", PAGE, re.MULTILINE))
    assert {family: Type(kind) for family, kind in families.items()} == {
        name.partition(".")[0]: kind for name, kind in evidence_types(CRITICS, FINDINGS).items() if "." in name
    }
    critics = re.search(r"^Critics: (.*)\. Kinds of findings: (.*)\. It is read", PAGE, re.MULTILINE)
    assert critics is not None
    assert re.findall(r"`(\w+)`", critics[1]) == list(CRITICS)
    assert re.findall(r"`(\w+)`", critics[2]) == list(FINDINGS)


def test_every_shipped_set_is_told() -> None:
    assert set(SETS) <= set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
