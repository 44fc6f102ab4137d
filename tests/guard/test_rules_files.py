"""Rule files: what they may say, how bad ones are refused at their place; the shipped sets say what they must."""

from collections.abc import Callable
from pathlib import Path

import pytest

import remit.guard
from remit.cli.root import COMMANDS
from remit.guard.rules.addresses import address_of, listed
from remit.guard.rules.cases import cases_of, run_case
from remit.guard.rules.document import resolved_from
from remit.guard.rules.lint import remarks_on
from remit.guard.rules.marked import MOST_BYTES
from remit.guard.rules.reading import MOST_RULES
from remit.guard.rules.resolving import SETS, Ready, prepare, shipped, shipped_set
from remit.kernel.errors import InvalidInput

RULE = '{id: a.b, on: order, assert: "order.leverage <= 2.0", else: deny, message: no}'


def refused(text: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        prepare(text, name="r.yaml")
    return caught.value


def own(text: str) -> Ready:
    return prepare(text, name="r.yaml")


@pytest.mark.parametrize("name", SETS)
def test_the_tests_of_each_shipped_set_pass(name: str) -> None:
    cases = cases_of(shipped_set(name))
    assert len(cases) >= 2
    for case in cases:
        tried = run_case(case, shipped().book)
        assert tried.passed, f"{name}: {case.name}: {tried.as_json()}"


#: tests/guard/test_tool_rules.py breaks these.
TOO_LARGE_FOR_A_CASE = {"tool.size", "tool.depth"}


def test_every_shipped_rule_is_broken_by_a_shipped_test() -> None:
    broken = {
        each.rule.id
        for name in SETS
        for case in cases_of(shipped_set(name))
        for each in run_case(case, shipped().book).broken
    }
    assert broken | TOO_LARGE_FOR_A_CASE == {rule.id for rule in shipped().book.resolved.rules}


def test_the_shipped_numbers_are_those_of_the_ledger() -> None:
    resolved = shipped().book.resolved
    assert dict(resolved.limits) == {
        "approval_usd": 10.0,
        "position": 0.1,
        "leverage": 2.0,
        "daily_loss": 0.05,
        "fetch_depth": 3.0,
        "injection": 0.6,
        "tool_bytes": 1_048_576.0,
        "tool_depth": 32.0,
        "tool_url_data": 200.0,
    }
    assert resolved.lists["fetch.allow"] == {"wikipedia.org", "github.com"}
    assert resolved.lists["fetch.deny"] == {"facebook.com", "twitter.com"}


def test_shipped_rules_name_only_commands_that_exist() -> None:
    told = " ".join(rule.fix for rule in shipped().book.resolved.rules)
    assert "remit policy attest" in told
    assert "policy" in COMMANDS


def test_shipped_sets_are_in_the_package() -> None:
    folder = Path(remit.guard.__file__).parent / "sets"
    assert {path.stem for path in folder.glob("*.yaml")} == set(SETS)


def test_what_a_revision_keeps_reads_back_as_itself() -> None:
    resolved = shipped().book.resolved
    assert resolved_from(resolved.text()) == resolved


def test_a_file_that_names_no_sets_has_them_all() -> None:
    ids = {rule.id for rule in own(f"rules:\n  - {RULE}\n").book.resolved.rules}
    assert ids == {"a.b"} | {rule.id for rule in shipped().book.resolved.rules}
    assert {rule.id for rule in own(f"use: []\nrules:\n  - {RULE}\n").book.resolved.rules} == {"a.b"}


def test_numbers_lists_and_rules_of_the_sets_can_be_changed() -> None:
    resolved = own(
        "limits: {leverage: 1.5}\nwithout: [deploy.smoke]\n"
        "lists: {fetch.allow: [+python.org, -github.com], fetch.deny: [example.org]}\n"
    ).book.resolved
    assert resolved.limits["leverage"] == 1.5
    assert resolved.limits["position"] == 0.1
    assert "deploy.smoke" not in {rule.id for rule in resolved.rules}
    assert resolved.lists["fetch.allow"] == {"python.org", "wikipedia.org"}
    assert resolved.lists["fetch.deny"] == {"example.org"}


def test_kinds_may_be_written_with_their_verb_and_in_lists() -> None:
    rule = own(
        "use: []\nrules:\n  - {id: a.b, on: [order.submit, deploy], assert: 'hour < 9', else: warn, message: x}\n"
    ).book.resolved.rules[0]
    assert rule.on == ("order", "deploy")


def test_the_sum_of_the_rules_is_named_by_its_hash() -> None:
    one, two = own("use: []\nlimits: {}\n").book, own("# another comment\nuse: []\n").book
    assert one.revision(3) == f"3-{one.sha256[:12]}" == two.revision(3)
    assert own(f"use: []\nrules: [{RULE}]\n").book.sha256 != one.sha256


def _rule(**changed: str) -> str:
    parts = {"id": "a.b", "on": "order", "assert": "order.leverage <= 2.0", "else": "deny", "message": "no"} | changed
    body = "".join(f"    {key}: {value}\n" for key, value in parts.items() if value)
    return f"rules:\n  -\n{body}"


@pytest.mark.parametrize(
    ("text", "place", "what", "fix"),
    [
        (_rule(**{"assert": "order.levrage <= 2.0"}), "r.yaml:5:13", "order.levrage", "did you mean order.leverage?"),
        (_rule(**{"assert": "'order.leverage <= 2'"}), "r.yaml:5:29", "(double, int)", "write 2.0"),
        (_rule(**{"assert": "order.leverage"}), "r.yaml:5:13", "double", "compare it"),
        (_rule(when="order.mod == 'x'"), "r.yaml:8:11", "order.mod", "did you mean order.mode?"),
        (_rule(message="'at {order.price}'"), "r.yaml:7:", "{order.price}", "docs/rules.md"),
        (_rule(on="ordr"), "r.yaml:4:9", "no kind of action", "did you mean order?"),
        (_rule(on="order.place"), "r.yaml:4:9", "no kind of action", "did you mean order?"),
        (_rule(**{"else": "dney"}), "r.yaml:6:11", "else can't be", "did you mean deny?"),
        (_rule(id="A B"), "r.yaml:3:9", "is no id", "lower-case"),
        (_rule(message=""), "r.yaml:3:5", "lacks message", "add message"),
        (_rule(asert="true"), "r.yaml:8:5", "means nothing here", "did you mean assert?"),
        (_rule(id="trade.leverage"), "r.yaml:3:9", "is taken", "without: [trade.leverage]"),
        (f"rules:\n  - {RULE}\n  - {RULE}\n", "r.yaml:3:10", "is taken", "another id"),
        ("limits: {leverge: 1.0}\n", "r.yaml:1:10", "no rule reads the limit", "did you mean leverage?"),
        ("limits: {leverage: '1.0'}\n", "r.yaml:1:20", "must be a number", "such as 0.1"),
        ("limits: {leverage: .nan}\n", "r.yaml:1:20", "must be a number", "such as 0.1"),
        ("limits: {leverage: 1e999}\n", "r.yaml:1:20", "must be a number", "such as 0.1"),
        ("lists: {fetch.alow: [a.org]}\n", "r.yaml:1:9", "is no list", "fetch.allow"),
        ("lists: {fetch.allow: ['a b']}\n", "r.yaml:1:23", "is no domain", "example.org"),
        ("lists: {fetch.allow: [+a.org, b.org]}\n", "r.yaml:1:22", "mixes", "every entry"),
        ("use: [tradng]\n", "r.yaml:1:7", "no shipped set", "did you mean trading?"),
        ("without: [trade.levrage]\n", "r.yaml:1:11", "no set in use has a rule", "did you mean trade.leverage?"),
        ("use: [generic]\nwithout: [trade.leverage]\n", "r.yaml:2:11", "no set in use", "policy show"),
        ("critics: [Bias]\n", "r.yaml:1:11", "is no name", "lower-case"),
        ("rules: 7\n", "r.yaml:1:8", "must be a list", "rules: [...]"),
        ("rules: [7]\n", "r.yaml:1:9", "a rule is a mapping", "{id:"),
        ("- a\n", "r.yaml:1:1", "is a mapping", "rules:"),
        ("", "r.yaml:1:1", "is empty", "remit policy show --written"),
        ("a: [\n", "r.yaml:2:1", "no YAML", "indentation"),
        ("rules: &a []\nuse: *a\n", "r.yaml:1:8", "aliases", "write the value out"),
        ("use: !!python/object:os.system []\n", "r.yaml:1:6", "tags", "remove the tag"),
        ("use: []\nuse: []\n", "r.yaml:2:1", "twice", "remove one"),
        ("--- {}\n--- {}\n", "r.yaml:2:1", "more than one document", "remove"),
        ("[" * 200, "r.yaml:1:11", "nested deeper", "flatten"),
        ("? {a: 1}\n: 2\n", "r.yaml:1:3", "a key must be a word", "quotes"),
        ("use: [" + "a, " * 30_000 + "]", "r.yaml:1:", "more than 20000 values", "split"),
        ("#" * (MOST_BYTES + 1), "r.yaml:1:1", "larger than 256 KiB", "split"),
        (f"rules: [{', '.join([RULE] * (MOST_RULES + 1))}]", "r.yaml:1:", "more than 300 rules", "join"),
        ("rules: \x00\n", "r.yaml:1:1", "no YAML", "UTF-8"),
    ],
)
def test_a_bad_file_is_refused_at_its_place_with_its_fix(text: str, place: str, what: str, fix: str) -> None:
    error = refused(text)
    assert error.code == "rules.invalid"
    assert error.place is not None
    assert error.place.startswith(place)
    assert any(what in problem and fix in problem for problem in error.problems), error.problems
    assert what in error.message or len(error.problems) > 1


def test_every_fault_is_told_with_its_line_and_a_caret() -> None:
    text = "# \N{LATIN SMALL LETTER U WITH DIAERESIS}\nrules:\n" + "".join(
        f"  - id: a.b{number}\n    on: order\n    assert: >-\n      order.leverage <= 2.0 &&\n      {wrong} <= 0.1\n"
        "    else: deny\n    message: x\n"
        for number, wrong in enumerate(("order.position", "order.sise"))
    )
    error = refused(text)
    assert [problem.splitlines()[0].split(": ")[0] for problem in error.problems] == ["r.yaml:7:7", "r.yaml:14:7"]
    first = error.problems[0].splitlines()
    assert first[1].strip() == "order.position <= 0.1"
    assert first[2].index("^") == first[1].index("order.position")
    assert first[3] == "  fix: did you mean order.position_size?"


@pytest.mark.parametrize(
    "style",
    [
        lambda text: text,
        lambda text: f"'{text}'",
        lambda text: f'"{text}"',
        lambda text: f"|\n      {text}",
        lambda text: f">\n      {text}",
    ],
    ids=["plain", "single", "double", "literal", "folded"],
)
def test_the_caret_stands_under_the_word_however_the_text_is_quoted(style: Callable[[str], str]) -> None:
    text = _rule(**{"assert": style("order.leverage <= 2.0 && order.foo <= 1.0")})
    place = refused(text).place
    assert place is not None
    line, column = map(int, place.split(":")[1:])
    assert text.splitlines()[line - 1][column - 1 :].startswith("order.foo")


def test_a_slow_rule_is_refused_when_it_is_saved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("remit.guard.rules.resolving.SLOWEST_S", 0.0)
    error = refused(_rule(on="command", **{"assert": "'!command.line.matches(\"(x+x+)+y\")'"}))
    assert "can take" in error.message


@pytest.mark.parametrize(
    ("rules", "kind", "rule"),
    [
        ([("deny", "", "1 < 2")], "constant", "r.0"),
        ([("deny", "2 < 1", "hour > 8")], "constant", "r.0"),
        ([("deny", "tool.name == 'a' && tool.name == 'b'", "hour > 8")], "unreachable", "r.0"),
        ([("deny", "", "tool.name == 'a' && tool.name == 'b'")], "unreachable", "r.0"),
        ([("deny", "", "hour > 8 && hour < 18"), ("warn", "", "hour>8")], "shadowed", "r.1"),
        ([("warn", "", "hour > 8"), ("deny", "", "hour  >  8")], "shadowed", "r.0"),
        ([("deny", "", "hour > 8"), ("deny", "", "hour > 8")], "shadowed", "r.1"),
        ([("deny", "", "hour > 8"), ("deny", "weekday == 1", "hour > 8")], "shadowed", "r.1"),
    ],
)
def test_what_is_probably_not_meant_is_remarked(rules: list[tuple[str, str, str]], kind: str, rule: str) -> None:
    text = "use: []\nrules:\n" + "".join(
        f'  - {{id: r.{number}, on: tool, assert: "{asserts}", else: {otherwise}, message: x'
        + (f', when: "{when}"' if when else "")
        + "}\n"
        for number, (otherwise, when, asserts) in enumerate(rules)
    )
    ready = own(text)
    assert [(remark.kind, remark.rule) for remark in remarks_on(ready.document, ready.book)] == [(kind, rule)]


def test_rules_that_differ_are_not_remarked() -> None:
    ready = own(
        "use: []\nrules:\n"
        "  - {id: r.a, on: tool, assert: 'hour > 8', else: deny, message: x}\n"
        "  - {id: r.b, on: tool, assert: 'hour > 9', else: deny, message: x}\n"
        "  - {id: r.c, on: fetch, assert: 'hour > 8', else: deny, message: x}\n"
        "  - {id: r.d, on: tool, when: 'weekday > 5', assert: 'hour < 20', else: warn, message: x}\n"
    )
    assert remarks_on(ready.document, ready.book) == ()


LISTS = {
    "fetch.allow": frozenset({"wikipedia.org", "github.com"}),
    "fetch.deny": frozenset({"facebook.com", "bad.github.com"}),
    "fetch.sensitive": frozenset({"private.github.com"}),
}


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://github.com/x", "allow"),
        ("https://a.b.github.com:8443/x", "allow"),
        ("https://GITHUB.com./", "allow"),
        ("https://x.bad.github.com", "deny"),
        ("https://private.github.com", "sensitive"),
        ("https://github.com.evil.test/", "none"),
        ("https://notgithub.com/", "none"),
        ("https://xn--gthub-nsa.com/", "none"),
        ("https://g\N{LATIN SMALL LETTER DOTLESS I}thub.com/", "none"),
        ("https://[::1]/", "none"),
        ("https://127.0.0.1/", "none"),
    ],
)
def test_a_host_is_looked_up_from_its_own_name_to_the_top(url: str, where: str) -> None:
    address = address_of(url)
    assert address is not None
    assert listed(address.host, LISTS) == where


@pytest.mark.parametrize(
    "url",
    [
        "https://evil.test\\@github.com/",
        "https://user:" + "pw@github.com/",
        "https://github.com@evil.test/",
        "https://\N{FULLWIDTH LATIN SMALL LETTER G}ithub.com/",
        "https://github.com\t.evil.test/",
        "https://github .com/",
        "https:///path",
        "https://:80/",
        "github.com",
        "https://github.com:99999/",
        "https://[::1/",
        "https://git_hub..com/",
        "https://" + "a" * 300 + ".com/",
        "https://github.com/" + "x" * 10_000,
        "mailto:a@github.com",
        "https://github.com\r\nHost: evil.test",
    ],
)
def test_an_address_that_can_be_read_in_two_ways_has_no_host(url: str) -> None:
    assert address_of(url) is None
