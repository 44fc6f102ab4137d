import functools
import gc
import logging
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.redact import engine as engines
from remit.redact import logs
from remit.redact.confirm import Subject
from remit.redact.engine import Engine, engine, engine_name
from remit.redact.engine_hyperscan import HyperscanEngine
from remit.redact.engine_keywords import KeywordEngine
from remit.redact.pack import chosen, parsed
from remit.redact.redactor import Redactor
from remit.redact.rules import Rule

from .redact_tokens import MAKERS, jwt, pem
from .samples import RULES, clean, dense, hostile

PROVE = bool(os.environ.get("REMIT_PROVE"))
SOURCE = Path(__file__).parents[2] / "src"

LINEAR = KeywordEngine(RULES)
PLAIN = KeywordEngine(RULES, libraries=False)


@pytest.fixture(scope="module")
def quick() -> HyperscanEngine:
    return HyperscanEngine(LINEAR)


def test_the_engines_are_three() -> None:
    assert LINEAR.name == "re2+aho-corasick"
    assert PLAIN.name == "re+search"
    assert HyperscanEngine.name == "hyperscan"


def test_all_engines_find_the_same_in_dense_text(quick: HyperscanEngine) -> None:
    found = set[int]()
    for seed in range(3_000 if PROVE else 150):
        text = dense(random.Random(seed))
        expected = LINEAR.find(text)
        assert quick.find(text) == expected, seed
        assert PLAIN.find(text) == expected, seed
        found |= {index for index, _, _ in expected}
    assert len(found) > 100


def test_what_a_judge_turns_down_at_a_glance_is_what_it_turns_down(quick: HyperscanEngine) -> None:
    rand, found, looked = random.Random(11), 0, 0
    parts = [
        *(b"token", b'"tokens_in":90,', b"password=", b"secret: ", b'"', b"=", b",", b" ", b"api_key", b"tokens_micro"),
        *(b"key:=", b"x" * 12, b"token=" * 9, b"\n", b"->", b"'", b"hunter2", b"value_of_no_secret"),
        *(rand.randbytes(10).hex().encode() for _ in range(2)),
        *(jwt(rand).encode()[:number] for number in (12, 19, 20, 21, 40)),
    ]
    rule = next(each for each in RULES if each.judge == "certain")
    ready = LINEAR.ready(RULES.index(rule))
    for _ in range(20_000 if PROVE else 1_500):
        text = b"".join(rand.choice(parts) for _ in range(rand.randint(2, 30)))
        expected = LINEAR.find(text)
        assert quick.find(text) == expected, text
        found += any(index == RULES.index(rule) for index, _, _ in expected)
        looked += ready.hopeless(text, [match.end() for match in re.finditer(rb"[A-Za-z0-9+/_.~!@#%^&*=-]{12}", text)])
    assert found > 50
    assert looked > 50


def test_all_engines_find_the_same_in_code(quick: HyperscanEngine) -> None:
    size = 65_536
    for start in range(0, (20 if PROVE else 3) * size, size):
        text = clean()[start : start + size]
        expected = LINEAR.find(text)
        assert quick.find(text) == expected
        assert PLAIN.find(text) == expected


texts = st.lists(
    st.one_of(
        st.sampled_from([maker for makers in MAKERS.values() for maker in makers]).flatmap(
            lambda maker: st.integers(0, 50).map(lambda seed: maker(random.Random(seed))[1].encode())
        ),
        st.text(max_size=8).map(lambda text: text.encode("utf-8", "surrogatepass")),
        st.binary(max_size=8),
        st.sampled_from([key.encode() for rule in RULES for key in rule.keywords]),
        st.sampled_from([b"\r\n", b"\0", b"\n\n", b"=", b'"', b"'", b": ", b"://", b"\xff", b"[REDACTED:jwt:0a1b]"]),
    ),
    max_size=12,
).map(b"".join)


@settings(max_examples=10_000 if PROVE else 150, deadline=None)
@given(texts)
def test_all_engines_find_the_same_in_any_bytes(text: bytes) -> None:
    expected = LINEAR.find(text)
    assert engine(2, personal=False).warm() == "hyperscan"
    assert engine(2, personal=False).find(text) == expected
    assert PLAIN.find(text) == expected


LONG = """
[[rules]]
id = "open"
regex = '''(?i)\\bopen[a-z0-9]{2,}x(?:[;\\s]|$)'''
keywords = ["open"]

[[rules]]
id = "group"
regex = '''(?:^|[^a-z])((?:ab){2,4}c?)(?:[^a-z]|$)'''
keywords = ["ab"]

[[rules]]
id = "second"
regex = '''k(=)("[a-z]{3}")'''
keywords = ["k="]
secretGroup = 2

[[rules]]
id = "far"
regex = '''[0-9]{5}'''
keywords = ["code"]
"""


@functools.cache
def engines_of(rules: tuple[Rule, ...]) -> tuple[KeywordEngine, HyperscanEngine, KeywordEngine]:
    first = KeywordEngine(rules)
    return first, HyperscanEngine(first), KeywordEngine(rules, libraries=False)


def spans(text: bytes, rules: tuple[Rule, ...]) -> set[tuple[str, bytes]]:
    expected, *others = (each.find(text) for each in engines_of(rules))
    assert others == [expected, expected]
    return {(rules[index].id, text[start:end]) for index, start, end in expected}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"open" + b"a" * 5_000 + b"x;", {("open", b"open" + b"a" * 5_000 + b"x;")}),
        (b"openopenaax; openaax", {("open", b"openopenaax;"), ("open", b"openaax")}),
        (b"abab ababab", {("group", b"abab"), ("group", b"ababab")}),  # one blank between two serves both
        (b"abab;abab;abab", {("group", b"abab")}),
        (b'k="abc"', {("second", b'"abc"')}),
        (b"code 12345", {("far", b"12345")}),
        (b"CODE" + b" " * 256 + b"12345", set()),
        (b"CODE" + b" " * 252 + b"12345", {("far", b"12345")}),
        (b"12345 code", set()),
        (b"code 1234567890", {("far", b"12345"), ("far", b"67890")}),
    ],
)
def test_what_a_rule_means(text: bytes, found: set[tuple[str, bytes]]) -> None:
    assert spans(text, parsed(LONG)) == found


def test_what_vectorscan_misses_as_written_is_found() -> None:
    """A bounded repeat in front of a literal, matching nothing, after 21 other bytes: Vectorscan 5.4.12 says no."""
    rules = parsed("""
[[rules]]
id = "option"
regex = '''["']-[a-z]{0,30}pwd["'],["'][^\\s"']{5,200}["']'''
keywords = ["pwd"]
""")
    option = b"""'-pwd',"aaaaa\""""
    for size in range(80):
        assert spans(b" " * size + option, rules) == {("option", option)}


def seconds(find: Callable[[bytes], object], text: bytes) -> float:
    best = 9.0
    for _ in range(2):
        start = time.thread_time()
        find(text)
        best = min(best, time.thread_time() - start)
    return best


#: How much more than clean text of the same length hostile text may cost. A quadratic rule costs ten thousand times.
DEAREST = 150


def test_hostile_repeats_cost_no_more_than_so_much_clean_text(quick: HyperscanEngine) -> None:
    size = 16_384
    rng = random.Random(11)
    usual = max(seconds(LINEAR.find, clean()[at : at + size]) for at in (0, 500_000, 1_000_000))
    slow: list[tuple[str, bytes, int]] = []
    for rule in RULES if PROVE else rng.sample(RULES, 25):
        for text in hostile(rule, rng, size):
            quick.find(text[:500])
            LINEAR.find(text[:500])  # compiled, its automata begun
            took = max(seconds(quick.find, text), seconds(LINEAR.find, text))
            if took > DEAREST * usual:
                slow.append((rule.id, text[:60], round(took / usual)))
    assert slow == []


def test_eight_threads_scan_while_engines_are_swapped() -> None:
    rng = random.Random(3)
    pieces = [dense(rng) for _ in range(12)]
    expected = [KeywordEngine(chosen(1, personal=False)).find(text) for text in pieces]
    fresh = [Engine(1, personal=False)]
    wrong: list[object] = []
    names: set[str] = set()
    stop = threading.Event()

    def scan(number: int) -> None:
        turn = number
        try:
            while not stop.is_set():
                which = fresh[turn % len(fresh)]
                if which.find(pieces[turn % len(pieces)]) != expected[turn % len(pieces)]:
                    wrong.append("other spans")
                names.add(which.name)
                turn += 1
        except Exception as error:  # noqa: BLE001 - whatever a thread meets
            wrong.append(error)

    threads = [threading.Thread(target=scan, args=(number,)) for number in range(8)]
    for each in threads:
        each.start()
    for each in fresh:
        assert each.warm() == "hyperscan"
    time.sleep(0.2)
    stop.set()
    for each in threads:
        each.join()
    assert wrong == []
    assert names == {"hyperscan", "re2+aho-corasick"}


def test_a_scan_inside_a_scan_of_the_same_thread_is_one_more_scan(quick: HyperscanEngine) -> None:
    """Garbage may be collected while Hyperscan reports, and what it collects may log, which scans."""
    token = jwt(random.Random(1)).encode()
    expected = quick.find(token)
    inner: list[object] = []

    def collected(phase: str, _info: object) -> None:
        if phase == "start" and len(inner) < 50:
            inner.append(None)
            inner[-1] = quick.find(token)

    threshold = gc.get_threshold()
    gc.callbacks.append(collected)
    gc.set_threshold(1)
    try:
        for _ in range(20):
            assert quick.find(token * 3) is not None
    finally:
        gc.set_threshold(*threshold)
        gc.callbacks.remove(collected)
    assert inner
    assert all(each == expected for each in inner)


def test_a_process_that_reads_much_changes_over_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "WARM_AFTER", 100_000)
    fresh = Engine(1, personal=False)
    text = clean()[:50_000] + pem(random.Random(2)).encode()
    before = fresh.find(text)
    assert fresh.name == "re2+aho-corasick"
    fresh.find(text)
    end = time.monotonic() + 60
    while fresh.name != "hyperscan" and time.monotonic() < end:
        time.sleep(0.05)
    assert fresh.name == "hyperscan"
    assert fresh.find(text) == before
    assert before


class Unwell(Exception):
    """What a broken engine raises."""


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Redactor]:
    """A redactor whose engine raises in the middle of a scan, as a judge with a mistake in it would."""

    def unwell(_text: str, _start: int, _end: int) -> None:
        raise Unwell

    from remit.redact import judges, rules

    monkeypatch.setattr(judges, "unwell", unwell, raising=False)
    rules.judge.cache_clear()
    only = parsed(LONG.replace('id = "far"', 'id = "far"\njudge = "unwell"'))
    monkeypatch.setattr(engine(1, personal=False), "_find", HyperscanEngine(KeywordEngine(only)).find)
    yield Redactor(b"tests only: 16 bytes or more")
    rules.judge.cache_clear()


def test_a_scan_that_fails_is_never_taken_for_clean(broken: Redactor) -> None:
    text = "code 12345"
    for ask in (broken.scan, broken.mask, broken.clean, lambda each: broken.findings({"a": each.encode()})):
        with pytest.raises(Unwell):
            ask(text)
    with pytest.raises(Unwell):
        broken.mask_tree({"a": [text]})
    assert broken.mask("nothing to be judged") == "nothing to be judged"


def test_a_log_line_whose_scan_fails_is_not_shown(
    broken: Redactor, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine(2, personal=False), "_find", engine(1, personal=False)._find)
    handler = logging.StreamHandler(sys.stderr)
    log = logging.getLogger("unwell")
    log.addHandler(handler)
    undo = logs.install(broken)
    try:
        log.error("code 12345")
    finally:
        undo()
        log.removeHandler(handler)
    told = capsys.readouterr().err
    assert "[unscanned]" in told
    assert "12345" not in told


def python(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(SOURCE), "PATH": "/usr/bin:/bin"},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


SCAN = """
from remit.redact.redactor import Redactor
from remit.redact.engine import engine_name
token = "gh" + "p_" + "a1B2c3D4e5F6" * 3
made = Redactor(b"tests only: 16 bytes or more")
made.warm()
print(engine_name(), *((span.kind, span.start, span.end) for span in made.scan("x " + token + " y")))
"""


@pytest.mark.parametrize(
    ("missing", "name"),
    [
        ((), "hyperscan"),
        (("hyperscan",), "re2+aho-corasick"),
        (("hyperscan", "re2"), "re+aho-corasick"),
        (("hyperscan", "re2", "ahocorasick_rs"), "re+search"),
        (("re2", "ahocorasick_rs"), "hyperscan"),
    ],
)
def test_a_platform_without_the_libraries_finds_the_same_and_says_what_runs(
    missing: tuple[str, ...], name: str
) -> None:
    block = f"import sys\nfor each in {missing!r}: sys.modules[each] = None\n"
    assert python(block + SCAN) == f"{name} ('github-token', 2, 42)"


HEAVY = ("hyperscan", "re2", "ahocorasick_rs", "tomllib")


def test_importing_the_redactor_loads_no_engine_and_a_few_lines_no_hyperscan() -> None:
    loaded = f"print(*(each for each in {HEAVY!r} if each in sys.modules))"
    code = f"import sys\nfrom remit.redact.redactor import Redactor\nmade = Redactor(bytes(16))\n{loaded}"
    assert python(code) == ""
    told = python(f"{code}\nmade.mask('a line with a token: ' + 'x' * 4000)\n{loaded}")
    assert "hyperscan" not in told
    assert "tomllib" in told


def test_the_name_is_that_of_the_engine_in_use() -> None:
    assert engine_name() in {"hyperscan", "re2+aho-corasick"}


def test_offsets_are_bytes_in_every_encoding() -> None:
    token = jwt(random.Random(4)).encode()
    for before in (b"", b"\xff\xfe", "é€😀".encode(), b"\xed\xb3\xbf", b"\0\r\n"):
        found = LINEAR.find(before + b" " + token + b"\r\n")
        assert (len(before) + 1, len(before) + 1 + len(token)) in {each[1:] for each in found}
        assert Subject(before).text.encode("latin-1") == before
