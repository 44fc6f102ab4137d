"""Streams: what comes out in pieces is what masking the whole text gives, for any pieces.

``REMIT_PROVE=1`` tries 10,000 texts, else 150.
"""

import itertools
import json
import os
import random
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from remit.redact import pem as armour
from remit.redact.forms import forms
from remit.redact.redactor import Redactor
from remit.redact.span import MASK
from remit.redact.stream import ByteStreamRedactor, StreamRedactor
from remit.redact.stream_deltas import Channel, DeltaRedactor
from remit.redact.stream_text import MOST_HELD

from .redact_tokens import ALNUM, BENIGN, MAKERS, URLSAFE, draw, jwt, pem
from .test_registered import ENCODINGS

PROVE = os.environ.get("REMIT_PROVE") == "1"
EXAMPLES = 10_000 if PROVE else 150
KEY = b"tests only: 16 bytes or more"

#: Values that overlap, touch, repeat themselves, are short, span lines and leave ASCII.
VALUES = [
    "hunter2-hunter2",
    "abcdefgh-1",
    "efgh-1jklmn",
    "abababababab",
    "pä/ss'wörd<é>12",
    "4821",
    "multi\nline secret 1",
    "s3cr3t value!",
]
REDACTOR = Redactor(KEY)
for _value in VALUES:
    REDACTOR.register(_value)
FORMS = [form for value in VALUES for form in forms(value)]

PROSE = (
    "The quick brown fox jumps over the lazy dog, and then it rests. In 2024 there were 3.14 million of them; "
    "see https://example.com/a/b?c=d for more. “Quoted”, naïve, 日本語の文章もあります。\n\n- a list\n- of things\n"
)


def cut(text: str, places: list[int]) -> list[str]:
    edges = [0, *sorted(place for place in places if 0 < place < len(text)), len(text)]
    return [text[low:high] for low, high in itertools.pairwise(edges)]


def streamed(
    pieces: list[str], *, tier: int = 1, despaced: bool = False, personal: bool = False, cards: bool = False
) -> str:
    stream = StreamRedactor(REDACTOR, tier=tier, despaced=despaced, personal=personal, cards=cards)
    return "".join([*(stream.feed(piece) for piece in pieces), stream.finish()])


def tokens(seed: int) -> list[str]:
    rng = random.Random(seed)
    return [maker(rng)[1] for makers in MAKERS.values() for maker in makers]


PIECES = st.one_of(
    st.sampled_from(FORMS),
    st.builds(lambda seed, at: tokens(seed % 50)[at % len(tokens(seed % 50))], st.integers(0, 49), st.integers(0, 99)),
    st.builds(lambda form, at: form[: at % len(form)], st.sampled_from(FORMS), st.integers(1, 99)),
    st.builds(lambda form, at: form[at % len(form) :], st.sampled_from(FORMS), st.integers(1, 99)),
    st.sampled_from(BENIGN),
    st.text(alphabet=st.characters(codec="utf-8"), max_size=12),
    st.text(alphabet="abc0123456789+/=-_. \n\"'", max_size=60),
    st.sampled_from(
        [
            *("[", "]", ":", "-", "\n", " ", "é", "\0", '"', "\\n", "eyJ", "password = ", "Bearer ", "token: '"),
            *("-----BEGIN " + "PRIVATE KEY-----", "-----END " + "PRIVATE KEY-----"),
            *("[REDACTED:jwt:4821]", PROSE[:60]),
        ]
    ),
)
TEXTS = st.lists(PIECES, min_size=1, max_size=8).map("".join)


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    text=TEXTS,
    places=st.lists(st.integers(1, 2_000), max_size=12),
    tier=st.sampled_from([1, 1, 2]),
    despaced=st.booleans(),
)
def test_a_stream_gives_what_the_whole_text_gives(text: str, places: list[int], tier: int, *, despaced: bool) -> None:
    assert streamed(cut(text, places), tier=tier, despaced=despaced) == REDACTOR.mask(
        text, tier=tier, despaced=despaced
    )


@settings(max_examples=EXAMPLES // 5, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS, st.integers(1, 40))
def test_pieces_of_any_size_give_the_same(text: str, size: int) -> None:
    assert streamed(cut(text, list(range(size, len(text), size)))) == REDACTOR.mask(text)


PERSONAL = [
    *(
        "call +49 (0)89 1234567 now",
        "(415) 555-0132",
        "tel 4155550132",
        "+1 415 555 0132 ext. 77",
        "2024-05-06 12:34:56",
    ),
    *("mail jane.doe@example.org, please", '"john doe"@example.com', "user%40example.com", "用户@例子.公司"),
    *("4111 1111 1111 1111", "card 4111111111111111 exp 12/27", "order 4111111111111111", "1,234,567.89"),
    *("DE89 3704 0044 0532 0130 00", "GB29 NWBK 6016 1331 9268 19", "SSN 123-45-6789", "219099999 is my ssn"),
    *("192.168.1.77", "fe80::1ff:fe23:4567:890a", "version 1.2.3.4", "AB 12 34 56 C", "git@github.com:foo/bar.git"),
    *("0190f5fe-7c00-7a00-8000-0123456789ab", "12345678Z dni", "In 2024 there were 12 of 300"),
]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=st.lists(st.sampled_from([*PERSONAL, *PERSONAL, PROSE[:50], " ", ", ", "\n", VALUES[0]]), max_size=9),
    places=st.lists(st.integers(1, 300), max_size=12),
    apart=st.sampled_from(["", " "]),
)
def test_personal_data_is_masked_in_a_stream_as_in_the_whole(parts: list[str], places: list[int], apart: str) -> None:
    text = apart.join(parts)
    assert streamed(cut(text, places), personal=True) == REDACTOR.mask(text, personal=True)


@pytest.mark.parametrize("text", PERSONAL)
def test_personal_data_is_masked_at_every_split(text: str) -> None:
    text = f"It says: {text} and so on, as it does."
    whole = REDACTOR.mask(text, personal=True)
    for place in range(len(text)):
        assert streamed([text[:place], text[place:]], personal=True) == whole


CARDS = [
    *("In 2027 4111 1111 1111 1111", "no0 4111 1111 1111 1111", "PL38 4111 1111 1111 1111", "1234 4111 1111 1111 1111"),
    *("4111 1111 1111 1111", "4111-1111-1111-1111", "4111\u00a01111\u00a01111\u00a01111", "378282246310005"),
    *("4242424242424242 4242424242424242", "6200 0000 0000 0000 003", "it is 5555555555554444, exp 12/27"),
    *(
        "3782 822463 10005",
        "order 4111111111111111",
        "order 4111111111111111 was paid by card",
        "GB29 NWBK 6016 1331 92",
    ),
    *("4111 1111 1111 1111 1111", "41111111111111111", "x4111111111111111", "4111111111111111_", "1763769600123"),
    *("DE89 3704 0044 0532 0130 00", "0190f5fe-7c00-7a00-8000-0123456789ab", "2024-05-06 12:34:56", "3.14", "card "),
]


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    parts=st.lists(st.sampled_from([*CARDS, *CARDS, PROSE[:50], " ", "-", "\n", "7", VALUES[0], "4111 "]), max_size=9),
    places=st.lists(st.integers(1, 300), max_size=12),
    apart=st.sampled_from(["", " ", " and "]),
)
def test_cards_alone_are_masked_in_a_stream_as_in_the_whole(parts: list[str], places: list[int], apart: str) -> None:
    text = apart.join(parts)
    assert streamed(cut(text, places), cards=True) == REDACTOR.mask(text, cards=True)


@pytest.mark.parametrize("text", CARDS)
def test_a_card_is_masked_at_every_split(text: str) -> None:
    text = f"It says: {text} and so on, as it does."
    whole = REDACTOR.mask(text, cards=True)
    for place in range(len(text)):
        assert streamed([text[:place], text[place:]], cards=True) == whole
    assert streamed(list(text), cards=True) == whole


def test_cards_alone_are_what_is_found_among_all_personal_data() -> None:
    text = "Pay 4111 1111 1111 1111 by ada@example.org, +49 (0)89 1234567, or DE89 3704 0044 0532 0130 00."
    masked = REDACTOR.mask(text, cards=True)
    assert MASK.sub("#", masked) == "Pay # by ada@example.org, +49 (0)89 1234567, or DE89 3704 0044 0532 0130 00."
    assert MASK.search(masked)[0] in REDACTOR.mask(text, personal=True)
    assert REDACTOR.mask_tree({"n": 4111111111111111, "id": 41111}, cards=True) == {
        "n": REDACTOR.mask("4111111111111111", cards=True),
        "id": 41111,
    }


def test_what_stands_before_a_card_does_not_hide_it() -> None:
    for before in ("In 2027", "no0", "Hello1", "1", "12/27", "exp 12/2027", "cvv 123"):
        assert "1111" not in REDACTOR.mask(f"{before} 4111 1111 1111 1111.", cards=True), before


def test_prose_with_numbers_is_not_held_back_for_cards() -> None:
    stream = StreamRedactor(REDACTOR, cards=True)
    text = "In 2024 there were 31 of 1,200, and by 12:30 all had come. "
    shown, most = 0, 0
    for at, each in enumerate(text * 4):
        shown += len(stream.feed(each))
        most = max(most, at + 1 - shown)
    assert most <= 16


def everywhere(text: str, *, despaced: bool = False, step: int = 1) -> None:
    """Cut the text at every place, and into single characters."""
    whole = REDACTOR.mask(text, despaced=despaced)
    for place in range(0, len(text) + 1, step):
        assert streamed([text[:place], text[place:]], despaced=despaced) == whole, place
    assert streamed(list(text), despaced=despaced) == whole


@pytest.mark.parametrize("encoding", sorted(ENCODINGS))
def test_a_registered_value_is_masked_at_every_split_in_every_encoding(encoding: str) -> None:
    for value in (VALUES[0], VALUES[4]):
        shown = ENCODINGS[encoding](value)
        text = f"say {shown}, or {shown}{shown}."
        assert shown not in REDACTOR.mask(text)
        everywhere(text, step=1 if PROVE else 3)


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_a_token_is_masked_at_every_split(kind: str) -> None:
    rng = random.Random(kind)
    for maker in MAKERS[kind]:
        secret, text = maker(rng)
        assert secret not in streamed([text])
        everywhere(f"x {text} y", step=1 if PROVE else 1 + len(text) // 60)


@pytest.mark.parametrize(
    "text",
    [
        "abababababababababab abab",
        "hunter2-hunter2hunter2-hunter2hunter2-hunter2",
        "abcdefgh-1jklmn abcdefgh-1 efgh-1jklm",
        "4821hunter2-hunter24821 pin 4821.5 4821. 48211 4821",
        "s 3 c r 3 t v a l u e ! and h u n t e r 2 - hunter2",
        "multi\nline secret 1 multi\r\nline secret 1",
        "[REDACTED:registered:4821]hunter2-hunter2]",
        "[REDACTED:jwt:4821]efgh-1jklmn4821 4",
        "[REDACTED:jwt:4821]4821hunter2-hunter2ababa",
        PROSE,
        *BENIGN,
    ],
    ids=range(10 + len(BENIGN)),
)
def test_every_split_of_awkward_texts_gives_the_same(text: str) -> None:
    everywhere(text)
    everywhere(text, despaced=True, step=3)


# ------------------------------------------------------------------------------------------------- private keys


def keys() -> dict[str, str]:
    rng = random.Random(5)
    key = pem(rng)
    head = "-----BEGIN " + "PRIVATE KEY-----"
    return {
        "whole": f"a {key} b",
        "two": f"{key}\n{pem(rng)}",
        "cut off": f"a {key[:300]} and whatever follows, hunter2-hunter2 included",
        "one line": json.dumps({"key": key + "\n", "n": 1}),
        "one line twice": json.dumps(json.dumps({"key": key})),
        "short": f"{head}\nabc\n-----END " + "PRIVATE KEY----- z",
        "mention": f'the line "{head}" opens a key, `{head}` too',
        "mention at the end": f"it begins with {head}",
        "one at the other": f"{key}{pem(rng)}",
        "three": f"{key}{pem(rng)}{pem(rng)} after",
        "nested": f"{key[:200]}{key} after",
        "value inside": f"{key[:200]}hunter2-hunter2{key[200:]} after",
        "no end line": f"{head}{'A1b2' * 60}\n{PROSE}",
        "wrong end line": key.replace("END RSA", "END") + " after",
    }


@pytest.mark.parametrize("name", sorted(keys()))
def test_a_private_key_is_masked_at_every_split(name: str) -> None:
    text = keys()[name]
    everywhere(text, step=1 if PROVE else 1 + len(text) // 80)


def test_a_mention_of_a_key_is_shown_and_a_key_never() -> None:
    assert streamed([keys()["mention"]]) == keys()["mention"]
    assert MASK.sub("#", streamed(list(keys()["whole"]))) == "a # b"
    assert MASK.sub("#", streamed(list(keys()["cut off"]))) == "a #"
    head = "-----BEGIN " + "PRIVATE KEY-----"
    assert armour.told(f"{head}\nMII", len(head)) is armour.Told.UNDECIDED
    assert armour.told(f"{head} in prose!", len(head)) is armour.Told.MENTION


def test_a_key_that_is_never_closed_takes_no_memory() -> None:
    stream = StreamRedactor(REDACTOR)
    assert stream.feed("-----BEGIN " + "PRIVATE KEY-----\n") == ""
    line = "A1b2C3d4" * 8 + "\n"
    for _ in range(3_000):
        assert stream.feed(line) == ""
        assert stream.held < 1_000
    assert MASK.fullmatch(stream.finish())


# ------------------------------------------------------------------------------------------------- what is held back


def test_on_prose_a_reader_is_a_word_behind() -> None:
    stream = StreamRedactor(REDACTOR)
    text = PROSE * 8
    behind = []
    shown = 0
    for each in text:
        shown += len(stream.feed(each))
        behind.append(len(behind) + 1 - shown)
    assert max(behind) <= 40
    assert sum(behind) / len(behind) <= 5
    assert stream.held == behind[-1]


def test_a_flush_sends_the_word_and_keeps_the_secret() -> None:
    stream = StreamRedactor(REDACTOR)
    assert stream.feed("hello wor") + stream.flush() == "hello wor"
    assert stream.feed("ld hunter2-") + stream.flush() == "ld "
    assert MASK.sub("#", stream.feed("hunter2 ") + stream.finish()) == "# "
    stream = StreamRedactor(REDACTOR)
    token = "gh" + "p_" + draw(random.Random(1), ALNUM, 36)
    sent = [stream.feed(f"use {token[:20]}"), stream.flush(), stream.feed(token[20:]), stream.flush(), stream.finish()]
    assert MASK.sub("#", "".join(sent)) == "use #"


def test_a_token_without_an_end_is_masked_without_being_kept() -> None:
    rng = random.Random(8)
    token = "eyJ" + draw(rng, URLSAFE, 4 * MOST_HELD)
    stream = StreamRedactor(REDACTOR)
    sent, most = [stream.feed("take ")], 0
    for at in range(0, len(token), 1_000):
        sent.append(stream.feed(token[at : at + 1_000]))
        most = max(most, stream.held)
    sent.append(stream.feed(" and go on, please"))
    sent.append(stream.finish())
    assert MASK.sub("#", "".join(sent)) == "take # and go on, please"
    assert most < 2 * MOST_HELD


def test_a_long_token_is_one_mask_whatever_the_pieces() -> None:
    token = jwt(random.Random(2), claims=300)
    assert len(token) > 8_000
    text = f"Authorization: Bearer {token}\nnext"
    whole = REDACTOR.mask(text)
    for size in (7, 100, 4_096):
        assert streamed(cut(text, list(range(size, len(text), size)))) == whole


def test_a_value_that_is_registered_meanwhile_is_masked_as_far_as_it_was_not_sent() -> None:
    made = Redactor(KEY)
    stream = StreamRedactor(made)
    sent = stream.feed("the password is swordfish-")
    made.register("swordfish-9000-blue")
    sent += stream.feed("9000-blue, and again swordfish-9000-blue.") + stream.finish()
    assert "blue" not in sent
    assert sent.endswith("].")


def test_a_finished_stream_takes_nothing_more() -> None:
    stream = StreamRedactor(REDACTOR)
    assert stream.finish() == ""
    with pytest.raises(RuntimeError):
        stream.feed("x")


def test_a_scan_that_fails_sends_nothing() -> None:
    made = Redactor(KEY)
    stream = StreamRedactor(made)
    made.registered = None  # type: ignore[assignment]
    with pytest.raises(AttributeError):
        stream.feed("anything at all ")


# ------------------------------------------------------------------------------------------------- bytes


@settings(max_examples=EXAMPLES // 5, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS, st.integers(1, 30))
def test_bytes_are_masked_as_their_text(text: str, size: int) -> None:
    data = text.encode("utf-8", "surrogatepass")
    stream = ByteStreamRedactor(REDACTOR)
    sent = [stream.feed(data[at : at + size]) for at in range(0, len(data), size)]
    got = b"".join([*sent, stream.finish()])
    assert got == REDACTOR.mask(data.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")


def test_what_is_no_text_goes_through_unchanged() -> None:
    data = random.Random(3).randbytes(2_000)
    stream = ByteStreamRedactor(REDACTOR)
    sent = [stream.feed(data[at : at + 7]) for at in range(0, len(data), 7)]
    assert b"".join([*sent, stream.flush(), stream.finish()]) == data
    stream = ByteStreamRedactor(REDACTOR)
    assert (
        MASK.sub(
            "#", (stream.feed(b"\xff\xc3") + stream.feed(b"hunter2-hunter2\xe9") + stream.finish()).decode("latin-1")
        )
        == "ÿÃ#é"
    )


# ------------------------------------------------------------------------------------------------- models


def test_choices_and_tool_calls_are_texts_of_their_own() -> None:
    deltas = DeltaRedactor(REDACTOR)
    first, second, tool = Channel(0), Channel(1), Channel(0, tool=0)
    sent = {first: "", second: "", tool: ""}
    for channel, piece in [
        (first, "it is hunter2"),
        (second, "nothing hunter2"),
        (tool, '{"pass'),
        (first, "-hunter2, ok "),
        (second, " here "),
        (tool, 'word": "hunter2-'),
        (tool, 'hunter2", "note": "pä\\/ss'),
        (tool, "'w\\u00f6rd<\\u00e9>12\"}"),
    ]:
        sent[channel] += deltas.feed(piece, channel)
    for channel, piece in deltas.finish_all():
        sent[channel] += piece
    assert MASK.sub("#", sent[first]) == "it is #, ok "
    assert sent[second] == "nothing hunter2 here "
    assert deltas.finish_all() == []


def test_arguments_stay_json_when_a_number_is_masked() -> None:
    text = json.dumps({"pin": 4821, "note": 'a "quoted\\" 4821 hunter2-hunter2', "list": [4821, 1]})
    for size in range(1, 12):
        deltas = DeltaRedactor(REDACTOR)
        tool = Channel(tool=3)
        sent = "".join(deltas.feed(text[at : at + size], tool) for at in range(0, len(text), size))
        answer = json.loads(sent + deltas.finish(tool))
        assert MASK.fullmatch(answer["pin"])
        assert MASK.sub("#", answer["note"]) == 'a "quoted\\" # #'
        assert answer["list"][1] == 1


@settings(max_examples=EXAMPLES // 5, deadline=None, suppress_health_check=list(HealthCheck))
@given(TEXTS, TEXTS, st.randoms(use_true_random=False))
def test_channels_that_come_mixed_keep_the_law(one: str, two: str, rng: random.Random) -> None:
    deltas = DeltaRedactor(REDACTOR, despaced=False)
    texts = {Channel(0): one, Channel(1, name="reasoning"): two}
    left = {channel: cut(text, [rng.randrange(1, 400) for _ in range(6)]) for channel, text in texts.items()}
    sent = dict.fromkeys(texts, "")
    while any(left.values()):
        channel = rng.choice([each for each, pieces in left.items() if pieces])
        sent[channel] += deltas.feed(left[channel].pop(0), channel)
    for channel, piece in deltas.finish_all():
        sent[channel] += piece
    assert sent == {channel: REDACTOR.mask(text) for channel, text in texts.items()}


def test_spelling_a_value_out_does_not_get_it_past_the_stream() -> None:
    deltas = DeltaRedactor(REDACTOR)
    text = "It is: h u n t e r 2 - h u n t e r 2. Bye"
    sent = "".join(deltas.feed(each) for each in text) + deltas.finish()
    assert MASK.sub("#", sent) == "It is: #. Bye"


def test_hostile_streams_cost_no_more_than_their_length() -> None:
    hostile = [
        "eyJ" * 5_000,
        "abab" * 4_000,
        "-----BEGIN " * 3_000,
        "password = " * 800,
        "aA1+" * 8_000,
        "4821." * 6_000,
    ]
    for text in hostile:
        stream = StreamRedactor(REDACTOR)
        began = time.process_time()
        for at in range(0, len(text), 64):
            stream.feed(text[at : at + 64])
        stream.finish()
        took = time.process_time() - began
        assert took < 12, f"{text[:12]}: {took:.1f} s"
