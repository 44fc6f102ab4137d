import functools
import hashlib
import random
import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest
import re2

from remit.kernel.errors import InvalidInput
from remit.redact import pack
from remit.redact.pack import SOURCE, chosen, kinds, lint, parsed, shipped
from remit.redact.pattern import head, parse, width, written
from remit.redact.rules import Rule, shape

from .samples import RULES, sample, tree

DATA = resources.files("remit.redact") / "data"
PACK = tomllib.loads((DATA / "gitleaks.toml").read_text("utf-8"))
NOTICE = (Path(__file__).parents[2] / "NOTICE").read_text("utf-8")


def test_the_pack_is_carried_unedited_with_its_licence() -> None:
    assert hashlib.sha256((DATA / "gitleaks.toml").read_bytes()).hexdigest() == SOURCE.sha256
    licence = (DATA / "gitleaks.LICENSE").read_text("utf-8")
    assert licence.startswith("MIT License\n\nCopyright (c) 2019 Zachary Rice\n")
    assert "MIT" in SOURCE.licence
    told = " ".join(NOTICE.split())
    for each in (SOURCE.sha256, SOURCE.commit[:12], "src/remit/redact/data/gitleaks.toml", "Zachary Rice"):
        assert each in told


def test_every_rule_of_the_pack_is_used_or_named_as_left_out() -> None:
    ours = [tomllib.loads((DATA / f"{name}.toml").read_text("utf-8")) for name in ("own", "overlay")]
    rows = [row for table in ours for row in table["rules"]]
    left_out = {name for row in rows for name in row.get("replaces", ())}
    left_out |= {row["id"] for row in rows if row.get("disabled")}
    without_text = {row["id"] for row in PACK["rules"] if "regex" not in row}
    used = {rule.id for rule in shipped()}
    assert len(PACK["rules"]) == 222
    assert {row["id"] for row in PACK["rules"]} - used <= left_out | without_text
    assert without_text == {"pkcs12-file"}


def test_every_rule_is_bounded_or_has_a_head() -> None:
    lint(shipped())
    for rule in shipped():
        bounds = shape(rule)
        assert bounds.most is not None or bounds.head, rule.id


def test_names_are_fit_for_masks() -> None:
    assert len(set(kinds())) == len(kinds()) > 200
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", kind) for kind in kinds())
    assert {"api-key", "aws-access-key", "jwt", "github-token", "bearer-token", "private-key"} <= set(kinds())


def test_a_tier_holds_those_before_it() -> None:
    certain, likely = set(chosen(1, personal=False)), set(chosen(2, personal=False))
    assert certain < likely
    assert {rule.tier for rule in likely - certain} == {2}
    assert not any(rule.personal for rule in likely)


@functools.cache
def latin() -> re2.Options:
    options = re2.Options()
    options.encoding = re2.Options.Encoding.LATIN1
    return options


@pytest.mark.parametrize("row", [row for row in PACK["rules"] if "regex" in row], ids=lambda row: row["id"])
def test_what_is_written_back_matches_what_go_would(row: dict[str, str]) -> None:
    """RE2 reads the pack's patterns as they are: what we make of one finds the same, in RE2 and in ``re``."""
    rng = random.Random(row["id"])
    node = parse(row["regex"])
    as_written = re2.compile(row["regex"].encode(), latin())
    ours = re2.compile(written(node, end=r"\z").encode(), latin())
    plain = re.compile(written(node, end=r"\Z").encode())
    for _ in range(6):
        text = sample(node, rng)
        text = b"\x0bkey " + text + rng.choice([b"", b"\n", b'"', b" ", b"\x0b"]) + text.swapcase() + b"\n"
        expected = [match.span() for match in as_written.finditer(text)]
        assert [match.span() for match in ours.finditer(text)] == expected
        assert [match.span() for match in plain.finditer(text)] == expected


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"a(?i)b|c", b"aB AB C", [(0, 2), (6, 7)]),
        (r"(?:(?i)a)b", b"Ab AB", [(0, 2)]),
        (r"(?i:a(?-i)b)c", b"Abc ABc", [(0, 3)]),
        (r"[[:alnum:]_]+", b"ab_1-", [(0, 4)]),
        (r"[^\s]+$", b"ab\n", []),
        (r"b\z", b"ab\n", []),
        (r"\s", b"\x0b \t", [(1, 2), (2, 3)]),
        (r"[\S]", b"\x0b ", [(0, 1)]),
        (r"{{[ \t]*x}}", b"{{ x}}", [(0, 6)]),
        (r"a{,2}", b"a{,2}", [(0, 5)]),
        (r"[a-]+[]x]", b"a-]", [(0, 3)]),
        (r"(?s)a.b", b"a\nb", [(0, 3)]),
        (r"a.b", b"a\nb", []),
        (r"(?m)^b$", b"a\nb\nc", [(2, 3)]),
        (r"\x41\x{42}", b"AB", [(0, 2)]),
        ("é", "né".encode(), [(1, 3)]),
        (r"(?i)k", "Kk\u212a".encode(), [(0, 1), (1, 2)]),
    ],
)
def test_a_pattern_means_the_same_everywhere(pattern: str, text: bytes, found: list[tuple[int, int]]) -> None:
    node = parse(pattern)
    plain = re.compile(written(node, end=r"\Z").encode())
    linear = re2.compile(written(node, end=r"\z").encode(), latin())
    assert [match.span() for match in plain.finditer(text)] == found
    assert [match.span() for match in linear.finditer(text)] == found


@pytest.mark.parametrize(
    "pattern",
    [
        *(r"a(?=b)", r"(?<!a)b", r"(?<=a)b", r"(a)\1", r"a++", r"(?>a)", r"\pL", r"\Qa\E", r"[é]", r"\x{100}", "("),
        *(")", "[a", "a{2,1}", "a{1001}", "*a", r"[[:nope:]]", r"[z-a]", "a\\"),
    ],
)
def test_what_engines_do_not_share_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInput) as told:
        parse(pattern)
    assert told.value.code == "redact.pattern"


@pytest.mark.parametrize(
    ("pattern", "least", "most", "start"),
    [
        (r"ab{2,5}\b", 3, 6, None),
        (r"(?:a|bcd)e?", 1, 4, None),
        (r"key=[a-z]{10,}", 14, None, r"key\x3d[a-z]{10}"),
        (r"token(?:-[a-z]+)*x", 6, None, "token"),
        (r"token(?:-[a-z]+){2}x", 10, None, r"token\x2d[a-z]"),
        (r"(?:first-[a-z]+|second)-x", 8, None, r"(?:first\x2d[a-z]|second)"),
    ],
)
def test_widths_and_heads(pattern: str, least: int, most: int | None, start: str | None) -> None:
    node = parse(pattern)
    assert width(node) == (least, most)
    if start is not None:
        assert written(head(node), end=r"\z").replace("=", r"\x3d") in {
            start,
            start.removeprefix("(?:").removesuffix(")"),
        }


def test_every_match_keeps_to_its_width_and_begins_with_its_head() -> None:
    rng = random.Random(7)
    for rule in RULES:
        bounds = shape(rule)
        starts = re.compile(bounds.head.replace(r"\z", r"\Z").encode()) if bounds.head else None
        for _ in range(3):
            found = re.search(written(tree(rule), end=r"\Z").encode(), b" " + sample(tree(rule), rng))
            if found is None:
                continue
            assert bounds.least <= found.end() - found.start() <= (bounds.most or 1 << 30)
            if starts is not None:
                begun = starts.match(found.string, found.start())
                assert begun is not None, rule.id
                assert begun.end() - begun.start() <= bounds.head_most


ROW = '[[rules]]\nid = "x"\nkeywords = ["x"]\n'


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (ROW + "regex = 'x[a-z]+'", "redact.unlimited"),
        (ROW + "regex = '[a-z]*secret'", "redact.unlimited"),
        (ROW + "regex = '.{0,10}x.*'", "redact.unlimited"),
        (ROW + "regex = 'secret[a-z]+'\nhead = 'secret[a-z]+'", "redact.unlimited"),
        (ROW + "regex = 'secret[a-z]+'\nhead = 'sec'", "redact.unlimited"),
        (ROW + "regex = 'x?'", "redact.pattern"),
        (ROW + "regex = '(?=x)x'", "redact.pattern"),
        (ROW + "regex = 'x{5}'\njudge = 'nobody'", "redact.judge"),
        (ROW + "regex = 'x{5}'\njudge = '_WORDY'", "redact.judge"),
        (ROW + "regex = 'x{5}'\ntier = 3", "redact.rule"),
        (ROW + "regex = 'x{5}'\nregexp = 'y'", "redact.rule"),
        (ROW, "redact.rule"),
        (ROW + "regex = 'x{5}'\n" + ROW + "regex = 'y'", "redact.rule"),
        (ROW + "regex = 'x{5}'\n[[rules.allowlists]]\nregexes = ['(']", "redact.pattern"),
    ],
)
def test_a_rule_that_cannot_be_kept_in_bounds_is_refused(text: str, code: str) -> None:
    with pytest.raises(InvalidInput) as told:
        parsed(text)
    assert told.value.code == code


def test_an_unlimited_rule_with_a_head_is_taken() -> None:
    (rule,) = parsed(ROW + "regex = 'secret[a-z]+'")
    assert (shape(rule).most, shape(rule).head, shape(rule).head_most) == (None, "secret[a-z]", 7)
    (rule,) = parsed(ROW + "regex = 's+ecret[a-z]+'\nhead = 's{1,9}ecret'\ntier = 2")
    assert (shape(rule).head_most, rule.tier) == (14, 2)


def test_the_overlay_amends_and_names_only_what_there_is() -> None:
    rows = [{"id": "a", "regex": "aaaaa", "keywords": ["a"]}, {"id": "b", "regex": "b"}, {"id": "c", "regex": "c"}]
    merged = pack.merged(rows, [{"id": "a", "tier": 2}, {"id": "b", "disabled": True}], replaced=frozenset({"c"}))
    assert [pack.rule_of(row) for row in merged] == [Rule("a", "a", "aaaaa", ("a",), tier=2), None]
    for changes, replaced in (([{"id": "d"}], ()), ([], ("d",))):
        with pytest.raises(InvalidInput, match="no rule 'd'"):
            pack.merged(rows, changes, replaced=frozenset(replaced))


def test_nothing_certain_is_excused_by_the_pack_for_everybody() -> None:
    generous = [
        each for rule in chosen(1, personal=False) for each in rule.allow if "abcdefghijklmnopqrstuvwxyz" in each.words
    ]
    assert generous == []
