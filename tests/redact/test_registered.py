"""Registered values: every form, whole words, rotation, many of them, from many threads.

``REMIT_PROVE=1`` tries 10,000 values over encodings and places, else 150.
"""

import base64
import html
import json
import os
import random
import shlex
import threading
import time
import unicodedata
from datetime import timedelta
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.kernel.errors import InvalidInput
from remit.redact.literals import Literals, Prefixes, _aho_corasick, _grams, _hyperscan, present
from remit.redact.redactor import Redactor
from remit.redact.span import MASK, Span
from remit.testing.clock import ManualClock

from .redact_tokens import ALNUM, draw

EXAMPLES = 10_000 if os.environ.get("REMIT_PROVE") == "1" else 150
KEY = b"tests only: 16 bytes or more"


def redactor(*values: str) -> Redactor:
    made = Redactor(KEY)
    for value in values:
        made.register(value)
    return made


def every(value: str, pattern: str) -> str:
    return "".join(pattern.format(ord(each)) for each in value)


def units(value: str) -> str:
    wide = value.encode("utf-16-be")
    return "".join(f"\\u{wide[at]:02x}{wide[at + 1]:02x}" for at in range(0, len(wide), 2))


def lower_escapes(text: str) -> str:
    head, *rest = text.split("%")
    return "%".join((head, *(part[:2].lower() + part[2:] for part in rest)))


#: How programs write a value: each gives text in which no other trace of it stands.
ENCODINGS = {
    "raw": lambda value: value,
    "hex": lambda value: value.encode().hex(),
    "HEX": lambda value: value.encode().hex().upper(),
    "base64": lambda value: base64.b64encode(value.encode()).decode(),
    "base64 after 1": lambda value: base64.b64encode(b"a" + value.encode() + b"z").decode(),
    "base64 after 2": lambda value: base64.b64encode(b"ab" + value.encode() + b"zy").decode(),
    "base64 url-safe": lambda value: base64.urlsafe_b64encode(b"abc" + value.encode()).decode(),
    "basic auth": lambda value: base64.b64encode(b"user:" + value.encode()).decode(),
    "percent": lambda value: quote(value, safe=""),
    "percent lower": lambda value: lower_escapes(quote(value, safe="")),
    "percent all": lambda value: "".join(f"%{byte:02X}" for byte in value.encode()),
    "form": quote_plus,
    "json": lambda value: json.dumps(value)[1:-1],
    "json plain": lambda value: json.dumps(value, ensure_ascii=False)[1:-1],
    "json slash": lambda value: json.dumps(value)[1:-1].replace("/", "\\/"),
    "json units": units,
    "json twice": lambda value: json.dumps(json.dumps(value))[3:-3],
    "repr": lambda value: repr(value)[1:-1],
    "repr of bytes": lambda value: repr(value.encode())[2:-1],
    "html": html.escape,
    "decimal entities": lambda value: every(value, "&#{};"),
    "hex entities": lambda value: every(value, "&#x{:x};"),
    "xml": lambda value: (
        value.encode("ascii", "xmlcharrefreplace").decode() if not set(value) & set("<>&\"'") else html.escape(value)
    ),
    "shell": lambda value: shlex.quote("$" + value)[2:-1],
    "utf-16 le": lambda value: value.encode("utf-16-le").decode("latin-1"),
    "utf-16 be": lambda value: value.encode("utf-16-be").decode("latin-1"),
    "powershell": lambda value: base64.b64encode(f"echo {value}".encode("utf-16-le")).decode(),
    "nfc": lambda value: unicodedata.normalize("NFC", value),
    "nfd": lambda value: unicodedata.normalize("NFD", value),
}

VALUES = st.text(
    alphabet=st.one_of(
        st.sampled_from(ALNUM + "/+-_.~!@#$%^&*'\"<>\\ "),
        st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp", "Cf", "Cn"]),
    ),
    min_size=8,
    max_size=40,
).filter(lambda value: len(set(value)) > 3 and len(value.strip()) >= 8 and value == value.strip())


@settings(max_examples=EXAMPLES, deadline=None)
@given(
    value=VALUES,
    encoding=st.sampled_from(sorted(ENCODINGS)),
    around=st.text(alphabet="ab \n\"'{}:=,é", max_size=12),
    raw_bytes=st.booleans(),
)
def test_a_value_is_found_in_every_encoding_wherever_it_stands(
    value: str, encoding: str, around: str, *, raw_bytes: bool
) -> None:
    try:
        made = redactor(value)
    except InvalidInput:
        return
    shown = ENCODINGS[encoding](value)
    text = f"{around}({shown}){around[::-1]}"
    spans = made.scan(text.encode() if raw_bytes else text)
    assert any(span.kind == "registered" for span in spans), (encoding, shown)
    masked = made.mask(text)
    assert shown not in masked
    assert value not in masked
    assert made.mask(masked) == masked


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_nothing_of_a_value_survives_in_any_encoding(encoding: str) -> None:
    value = "pä/ss 'wörd' <é>&\"12"
    text = f"({ENCODINGS[encoding](value)})"
    masked = redactor(value).mask(text)
    left = MASK.sub("", masked)
    most = {"basic auth": 12, "powershell": 20}.get(encoding, 8)  # with what stands in front of the value
    assert len(left) <= most, "no more than the characters of base64 that also depend on what stands around"


def test_masks_say_what_kind_of_value_they_cover() -> None:
    made = Redactor(KEY)
    told = made.register("correct-horse-1", kind="canary")
    assert (told.kind, told.whole_words, told.warning) == ("canary", False, None)
    masked = made.mask("x correct-horse-1 y")
    assert masked.startswith("x [REDACTED:canary:")
    assert made.scan("correct-horse-1") == [Span("canary", 0, 15)]
    assert made.mask(b"correct-horse-1".hex()) == masked[2:-2], "the suffix tells that it is the same value"


@pytest.mark.parametrize("kind", ["", "Kind", "two words", "a" * 41, "x]y"])
def test_a_kind_that_would_break_masks_is_refused(kind: str) -> None:
    with pytest.raises(InvalidInput) as told:
        Redactor(KEY).register("correct-horse-1", kind=kind)
    assert told.value.code == "redact.kind"


def test_a_short_value_is_masked_as_a_whole_word_with_a_warning() -> None:
    made = Redactor(KEY)
    told = made.register("4821")
    assert told.whole_words
    assert told.warning is not None
    assert "4821" not in told.warning
    for text in ("PIN 4821", "pin=4821;", '{"pin": 4821}', "(4821)", "4821", "is 4821.", "34383231"):
        assert "[REDACTED:registered:" in made.mask(text), text
    for text in ("14821", "4821x", "3.4821", "4821.5", "a4821", "48210", "_4821", "é4821"):
        assert made.mask(text) == text
    assert made.mask_tree({"pin": 4821, "n": 48210}) == {"pin": made.mask("4821"), "n": 48210}
    masked = made.mask("[REDACTED:jwt:4821]")
    assert masked == "[REDACTED:jwt:4821]", "the suffix of a mask is no PIN"


@pytest.mark.parametrize("value", ["", "   ", "abc", " ab ", "true", "Admin", "1234", "token", "aaaa", "jwt:0000"])
def test_what_stands_in_ordinary_text_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput) as told:
        redactor(value)
    assert told.value.code in {"redact.short", "redact.common"}


def test_white_space_around_a_value_is_no_part_of_it() -> None:
    made = redactor("from-a-file-1\n")
    assert made.mask("x from-a-file-1 y").startswith("x [REDACTED:registered:")


def test_a_value_of_several_lines_is_found_with_either_line_end() -> None:
    made = redactor("first line\nsecond line")
    for text in ("first line\nsecond line", "first line\r\nsecond line", json.dumps("first line\r\nsecond line")[1:-1]):
        assert MASK.fullmatch(made.mask(text)), text


SPELLED = [
    "s k - l i v e - 1 2 3 4",
    "sk-live\n-1234",
    "s\u200bk\u200b-live-1\u200b234",
    "sk-\u00adlive-\ufeff1234",
    "sk-li ve-12 34",
]


@pytest.mark.parametrize("text", SPELLED)
def test_a_value_that_is_spelled_out_is_found_when_asked(text: str) -> None:
    made = redactor("sk-live-1234")
    assert MASK.fullmatch(made.mask(text, despaced=True))
    assert made.mask(text) == text
    assert made.scan(f"é {text}.", despaced=True) == [Span("registered", 2, 2 + len(text))]


def test_an_unregistered_value_stays_masked_until_its_time_is_over() -> None:
    clock = ManualClock()
    made = Redactor(KEY, clock=clock)
    made.register("old-password-1")
    made.unregister("old-password-1", until=clock.now() + timedelta(days=30))
    made.unregister("never-registered")
    clock.advance(29 * 86_400)
    assert "old-password-1" not in made.mask("x old-password-1")
    clock.advance(2 * 86_400)
    assert made.mask("x old-password-1") == "x old-password-1"


def test_a_value_that_is_registered_again_is_not_forgotten() -> None:
    clock = ManualClock()
    made = Redactor(KEY, clock=clock)
    made.register("old-password-1")
    made.unregister("old-password-1", until=clock.now() + timedelta(days=1))
    made.register("old-password-1")
    clock.advance(10 * 86_400)
    assert "old-password-1" not in made.mask("old-password-1")


def test_rotation_masks_the_new_value_and_for_its_retention_the_old_one() -> None:
    clock = ManualClock()
    made = Redactor(KEY, clock=clock)
    made.register("old-password-1", kind="database-password")
    made.rotate("old-password-1", "new-password-2", retain=timedelta(days=7))
    masked = made.mask("old-password-1 new-password-2")
    assert masked.count("[REDACTED:database-password:") == 2
    clock.advance(8 * 86_400)
    assert made.mask("old-password-1 new-password-2").startswith("old-password-1 [REDACTED:database-password:")
    with pytest.raises(InvalidInput):
        made.rotate("new-password-2", "true", retain=timedelta(days=7))
    assert "new-password-2" not in made.mask("new-password-2"), "nothing changed"


def test_forgetting_one_value_leaves_another_that_has_the_same_form() -> None:
    first = "some-secret-value"
    made = redactor(first, first.encode().hex())
    made.unregister(first)
    assert made.mask(first) == first
    assert MASK.fullmatch(made.mask(first.encode().hex()))


LITERALS = [draw(random.Random(number), ALNUM + "-/+", 8 + number % 40) for number in range(400)] + [
    "\0w\0i\0d\0e\0x\0y",
    "umläut-é-x",
    "x" * 700,
]


@pytest.mark.parametrize("engine", [_hyperscan, _aho_corasick, _grams, present])
def test_every_engine_names_the_same_literals(engine: object) -> None:
    find = engine(LITERALS)  # type: ignore[operator]
    rng = random.Random(3)
    for _ in range(60):
        chosen = rng.sample(LITERALS, rng.randrange(4))
        text = "é ".join(["lorem ipsum " * rng.randrange(8), *chosen, "\udc80" * rng.randrange(2)])
        assert {each for each in find(text) if each in text} == {each for each in LITERALS if each in text}


def test_the_end_of_a_text_within_a_literal_is_seen() -> None:
    known = Prefixes(["abcdefgh", "abxyzzyx", "bcbcbcbc"])
    assert known.live("zz abcde", 0) == 3
    assert known.live("zz abcdefgh", 0) is None
    assert known.live("zz ab", 0) == 3
    assert known.live("zz ab", 4) == 4
    assert known.live("zzz", 0) is None
    assert known.live("abcbcb", 0) == 1
    assert Literals().prefixes.live("abc", 0) is None


def test_a_thousand_values_are_found_while_they_are_being_indexed_and_afterwards() -> None:
    rng = random.Random(9)
    values = [draw(rng, ALNUM, rng.randint(8, 40)) for _ in range(1_000)]
    made = redactor(*values)
    sample = rng.sample(values, 50)
    for value in sample:
        assert value not in made.mask(f"now {value}!")
    for _ in range(1_200):  # it is built beside everything else that runs
        if made.registered.current().indexed.built:
            break
        time.sleep(0.05)
    assert made.registered.current().indexed.built
    for value in sample:
        for shown in (value, value.encode().hex(), base64.b64encode(f"user:{value}".encode()).decode()):
            assert shown not in made.mask(f"then {shown}!")
    made.register("one-more-value-1")
    assert MASK.fullmatch(made.mask("one-more-value-1")), "before the index knows it"
    made.unregister(sample[0])
    assert made.mask(sample[0]) == sample[0]
    assert made.clean("lorem ipsum dolor sit amet " * 100)


def test_threads_scan_while_others_register_and_the_index_is_swapped() -> None:
    made = redactor("known-from-the-start-1")
    leaks: list[str] = []
    errors: list[BaseException] = []
    stop = threading.Event()

    def scan() -> None:
        try:
            while not stop.is_set():
                if "known-from-the-start-1" in made.mask("x known-from-the-start-1 y " + "lorem ipsum " * 200):
                    leaks.append("leak")
        except BaseException as error:  # noqa: BLE001 - told by the test
            errors.append(error)

    threads = [threading.Thread(target=scan) for _ in range(8)]
    for each in threads:
        each.start()
    for number in range(120):
        value = f"another-{number:04d}-{number * 7919:06d}"
        made.register(value)
        assert value not in made.mask(f"({value})")
    time.sleep(0.3)
    stop.set()
    for each in threads:
        each.join()
    assert not errors
    assert not leaks


def test_four_kilobytes_beside_a_thousand_values_take_well_under_a_millisecond() -> None:
    rng = random.Random(2)
    made = redactor(*(draw(rng, ALNUM, 24) for _ in range(1_000)))
    for _ in range(1_200):  # it is built beside everything else that runs
        if made.registered.current().indexed.built:
            break
        time.sleep(0.05)
    text = ("lorem ipsum dolor sit amet, consectetur = 42; " * 100)[:4096]
    made.registered.find(text)
    best = min(_seconds(made, text) for _ in range(20))
    assert best < 0.001


def _seconds(made: Redactor, text: str) -> float:
    began = time.thread_time()
    made.registered.find(text)
    return time.thread_time() - began
