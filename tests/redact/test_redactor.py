import base64
import html
import json
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.kernel.errors import InvalidInput
from remit.redact import sinks
from remit.redact.pack import kinds
from remit.redact.redactor import Redactor, characters
from remit.redact.span import MASK, Span

from .redact_tokens import BENIGN, MAKERS, draw, jwt, password, pem

KEY = b"tests only: 16 bytes or more"


def redactor(*values: str) -> Redactor:
    made = Redactor(KEY)
    for value in values:
        made.register(value)
    return made


def test_every_kind_has_tokens_to_be_tried_on() -> None:
    assert set(MAKERS) <= set(kinds())


@pytest.mark.parametrize("kind", sorted(MAKERS))
def test_no_character_of_a_token_survives(kind: str) -> None:
    rng = random.Random(kind)
    plain = redactor()
    for maker in MAKERS[kind]:
        for _ in range(20):
            secret, text = maker(rng)
            spans = plain.scan(text)
            start = text.index(secret)
            assert any(span.start <= start and start + len(secret) <= span.end for span in spans), (maker, text)
            assert kind in {span.kind for span in spans}
            masked = plain.mask(text)
            assert secret not in masked
            assert f"[REDACTED:{kind}:" in masked
            assert plain.mask(masked) == masked
            assert [span.kind for span in plain.scan(text.encode())] == [span.kind for span in spans]


@pytest.mark.parametrize("text", BENIGN, ids=range(len(BENIGN)))
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert redactor().mask(text) is text


def test_a_long_token_is_masked_whole() -> None:
    token = jwt(random.Random(1), claims=400)
    assert redactor().scan(f"x {token} y") == [Span("jwt", 2, 2 + len(token))]


def test_a_connection_string_keeps_its_host_for_the_reader() -> None:
    secret = password(random.Random(2))
    masked = redactor().mask(f"cannot reach postgresql://app:{secret}@db.internal/app")
    assert masked.startswith("cannot reach postgresql://[REDACTED:connection-string:")
    assert masked.endswith("@db.internal/app")


def test_a_password_with_an_at_sign_is_masked_whole() -> None:
    masked = redactor().mask("mysql" + "://root:p4ss@word@db/app")
    assert "word" not in masked
    assert masked.endswith("@db/app")


def test_an_unclosed_private_key_masks_to_the_end() -> None:
    key = pem(random.Random(3))
    cut = key[: key.index("-----END")]
    assert (
        redactor().mask(f"a {cut}\n more") == redactor().mask(f"a {cut}\n more")[: len("a [REDACTED:private-key:0000]")]
    )


def encodings(value: str) -> dict[str, str]:
    data = value.encode()
    once = json.dumps(value)
    return {
        "raw": f"before {value} after",
        "hex": f"0x{data.hex()}",
        "HEX": data.hex().upper(),
        "base64 0": base64.b64encode(b"xyz" + data + b"tail").decode(),
        "base64 1": base64.b64encode(b"a" + data + b"tail").decode(),
        "base64 2": base64.urlsafe_b64encode(b"ab" + data + b"tail").decode(),
        "base64 end": base64.b64encode(b"user:" + data).decode(),
        "percent": f"?q={quote(value, safe='')}&x=1",
        "form": quote_plus(value),
        "json": f'{{"a": {once}}}',
        "json raw": f'{{"a": {json.dumps(value, ensure_ascii=False)}}}',
        "json twice": json.dumps({"a": json.dumps({"b": value})}),
        "json slash": once.replace("/", "\\/"),
        "repr": repr([value]),
        "bytes repr": repr(data),
        "html": f"<td>{html.escape(value)}</td>",
        "shell": "'" + value.replace("'", "'\\''") + "'",
        "powershell": base64.b64encode(f"echo {value}".encode("utf-16-le")).decode(),
    }


values = st.text(
    alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zs", "Zl", "Zp"]), min_size=8, max_size=40
).filter(lambda value: len(set(value)) > 3)


@settings(max_examples=60, deadline=None)
@given(values)
def test_a_registered_value_is_found_in_every_encoding(value: str) -> None:
    try:
        made = redactor(value)
    except InvalidInput:
        return
    for name, text in encodings(value).items():
        spans = made.scan(text)
        assert "registered" in {span.kind for span in spans}, (name, text)
        assert value not in made.mask(text), name
        assert "registered" in {span.kind for span in made.scan(text.encode())}, name


@settings(max_examples=80, deadline=None)
@given(
    st.lists(values, min_size=1, max_size=3),
    st.lists(st.sampled_from(["a", "]", "[", ":", "\n"]), max_size=6),
    st.data(),
)
def test_masking_twice_is_masking_once(kept: list[str], between: list[str], data: st.DataObject) -> None:
    made = Redactor(KEY)
    for value in kept:
        try:
            made.register(value)
        except InvalidInput:
            return
    pieces = data.draw(st.lists(st.sampled_from([*kept, *between, *BENIGN[:4], kept[0][:5]]), max_size=12))
    masked = made.mask("".join(pieces))
    assert made.mask(masked) == masked
    assert not any(value in masked for value in kept)


def test_many_values_are_found_through_the_index_as_well() -> None:
    rng = random.Random(4)
    kept = [draw(rng, "abcdefghijklmnopqrstuvwxyz0123456789", rng.randint(8, 30)) for _ in range(300)]
    made = redactor(*kept)
    for front in range(6):
        for value in rng.sample(kept, 40):
            text = "." * front + value + "."
            assert made.scan(text) == [Span("registered", front, front + len(value))]
    assert made.clean("lorem ipsum dolor sit amet " * 40)


def test_overlapping_values_become_one_mask() -> None:
    made = redactor("abcdefgh-1", "efgh-1jklmn")
    masked = made.mask("x abcdefgh-1jklmn y")
    assert MASK.sub("#", masked) == "x # y"


def test_equal_values_stay_recognisable_and_others_differ() -> None:
    made = redactor("first-secret-1", "second-secret-2")
    a, b, c = made.mask("first-secret-1 second-secret-2 first-secret-1").split()
    assert a == c != b
    assert made.mask(b"first-secret-1".hex()) == a, "an encoded value carries the same suffix"
    assert Redactor(b"another key, 16 bytes").mask(a) == a


@pytest.mark.parametrize(
    "value", ["", "abc", "       x       ", "password", "PASSWORD", "aaaaaaaaaaaa", "connection-string"]
)
def test_what_would_mask_ordinary_text_is_refused(value: str) -> None:
    with pytest.raises(InvalidInput) as told:
        redactor(value)
    assert told.value.code in {"redact.short", "redact.common"}
    assert not value.strip() or value not in str(told.value)


def test_an_unregistered_value_shows_again() -> None:
    made = redactor("once-a-secret-1")
    made.unregister("once-a-secret-1")
    assert made.mask("once-a-secret-1") == "once-a-secret-1"


def test_nested_data_is_masked_keys_included() -> None:
    made = redactor("hunter2-hunter2")
    tree = {
        "note": ["the hunter2-hunter2", ("hunter2-hunter2", 1)],
        "hunter2-hunter2": "key",
        "raw": b"\xff hunter2-hunter2",
        "password": 123456,
        "max_tokens": 5,
        "accessToken": "abc",
        "headers": {"X-Api-Key": "k", "Set-Cookie": ["a", "b"], "Accept": "*/*"},
        "nothing": None,
    }
    masked = made.mask_tree(tree)
    assert isinstance(masked, dict)
    assert b"hunter2" not in repr(masked).encode()
    assert masked["max_tokens"] == 5
    assert masked["nothing"] is None
    for shown in (
        masked["password"],
        masked["accessToken"],
        masked["headers"]["X-Api-Key"],
        masked["headers"]["Set-Cookie"],
    ):
        assert shown.startswith("[REDACTED:field:")
    assert masked["headers"]["Accept"] == "*/*"
    assert made.mask_tree(masked) == masked


def test_two_keys_that_become_equal_stay_two() -> None:
    made = redactor("hunter2-hunter2")
    masked = made.mask_tree({"hunter2-hunter2": 1, b"hunter2-hunter2".hex(): 2})
    assert isinstance(masked, dict)
    assert sorted(masked.values()) == [1, 2]


def test_clean_data_comes_back_as_the_same_object() -> None:
    tree = {"a": [1, 2, {"b": "c"}], "d": ("e",)}
    assert redactor("hunter2-hunter2").mask_tree(tree) is tree


def test_a_number_that_is_registered_is_masked() -> None:
    assert redactor("8675309000").mask_tree([8675309000, 1]) != [8675309000, 1]


def test_a_cycle_ends() -> None:
    tree: list[object] = []
    tree.append(tree)
    assert "[REDACTED:depth:0000]" in repr(redactor().mask_tree(tree))


def test_findings_name_path_and_line_and_never_the_value() -> None:
    secret = "gh" + "p_" + draw(random.Random(5), "abcdefgh0123", 36)
    found = redactor("registered-value-1").findings(
        {
            "app/settings.py": f"A = 1\nTOKEN = '{secret}'\n".encode(),
            "b.txt": b"\xff\xfe registered-value-1",
            "ok": b"x",
        }
    )
    assert [(each.kind, each.place) for each in found] == [
        ("secret.github-token", "app/settings.py:2"),
        ("secret.registered", "b.txt:1"),
    ]
    assert all(
        each.severity.blocks and secret not in repr(each) and "registered-value-1" not in repr(each) for each in found
    )


def test_no_token_stands_in_our_own_tree() -> None:
    root = Path(__file__).parents[2]
    files = {
        str(path.relative_to(root)): path.read_bytes()
        for folder in ("src/remit", "tests/redact", "tests/guard", "tests/accounts")
        for path in (root / folder).rglob("*.py")
    }
    assert len(files) > 50
    assert redactor().findings(files) == []


def test_registering_while_others_scan_never_shows_a_known_value() -> None:
    made = redactor("known-from-the-start-1")
    leaks: list[str] = []
    stop = threading.Event()

    def scan() -> None:
        while not stop.is_set():
            if "known-from-the-start-1" in made.mask("x known-from-the-start-1 y"):
                leaks.append("leak")

    threads = [threading.Thread(target=scan) for _ in range(4)]
    for each in threads:
        each.start()
    for number in range(40):
        made.register(f"another-value-{number:04d}")
        assert "another-value" not in made.mask(f"another-value-{number:04d}")
    stop.set()
    for each in threads:
        each.join()
    assert not leaks


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("é", "é"),
        ("😀 ", " 😀"),
        ("名前: ", "。"),
        ("\ud800 ", " \udfff"),
        ("\0", "\0"),
        ("a\r\n", "\r\nb"),
        ("\u0130\u0130\u0130 ", " ẞ"),
        ("e\u0301 ", "\u200b"),
    ],
)
def test_offsets_are_characters_of_any_text(before: str, after: str) -> None:
    token = jwt(random.Random(6))
    text = f"{before}{token}{after}"
    assert redactor().scan(text) == [Span("jwt", len(before), len(before) + len(token))]
    masked = redactor().mask(text)
    assert masked.startswith(f"{before}[REDACTED:jwt:")
    assert masked.endswith(f"]{after}")
    raw = text.encode("utf-8", "surrogatepass")
    start = len(before.encode("utf-8", "surrogatepass"))
    assert redactor().scan(raw) == [Span("jwt", start, start + len(token))]


def test_a_character_of_which_a_part_matched_is_masked_whole() -> None:
    text = "x é€😀 y"
    raw = text.encode()
    for start in range(2, len(raw) - 2):
        for end in range(start + 1, len(raw) - 1):
            (span,) = characters(raw, [Span("jwt", start, end)])
            covered = text[span.start : span.end].encode()
            assert raw[start:end] in covered
            assert len(covered) <= end - start + 6
            assert text[: span.start].encode() + covered + text[span.end :].encode() == raw


def test_bytes_that_are_no_text_are_scanned() -> None:
    token = jwt(random.Random(8)).encode()
    assert redactor().scan(b"\xff\xfe\x00 " + token + b"\x80") == [Span("jwt", 4, 4 + len(token))]


def test_what_is_likely_is_found_where_it_is_asked_for() -> None:
    text = "password = " + repr("Wq7" + "tRz9kLm2Xv")
    assert redactor().clean(text)
    assert not redactor().clean(text, tier=2)
    (span,) = redactor().scan(text, tier=2)
    assert (span.tier, text[span.start : span.end]) == (2, "Wq7" + "tRz9kLm2Xv")
    assert redactor().mask(text) is text
    assert "[REDACTED:" in redactor().mask(text, tier=2)
    tree = redactor().mask_tree({"note": text}, tier=2)
    assert "[REDACTED:" in repr(tree)
    token = jwt(random.Random(9))
    assert {span.tier for span in redactor().scan(f"x {token}", tier=2)} == {1}, "what is certain stays certain"


def test_every_kind_of_mask_is_left_alone() -> None:
    made = redactor()
    for kind in kinds():
        for text in (
            f"key=[REDACTED:{kind}:3f9a]",
            f'"token": "[REDACTED:{kind}:0000]",',
            f"Bearer [REDACTED:{kind}:ffff]",
        ):
            assert made.mask(text, tier=2) is text


def test_a_mask_does_not_hide_what_stands_beside_it() -> None:
    token = jwt(random.Random(10))
    masked = redactor().mask(f"[REDACTED:jwt:3f9a]{token}[REDACTED:jwt:3f9a]")
    assert token not in masked
    assert MASK.sub("", masked) == ""


HOSTILE = [
    "eyJ-" * 16_000,
    "eyJaaaaaaaaaaa." * 4_000,
    ("-----BEGIN " + "PRIVATE KEY-----") * 2_400,
    ("-----BEGIN " + "PRIVATE KEY-----" + "A. " * 3_000) * 7,
    ("-----BEGIN " + "PRIVATE KEY-----\\\\\\n") * 2_000,
    "sk-aaaa" * 9_000,
    "bearer " * 9_000,
    "Basic " + "a" * 64_000,
    "https://a:" * 6_000,
    "https://u:" + "p@" * 32_000,
    ("mysql" + "://u:p@") * 5_000,
    "secret_access_key = " * 3_000,
]


@pytest.mark.parametrize("number", range(len(HOSTILE)))
def test_hostile_repeats_cost_no_more_than_their_length(number: int) -> None:
    """Four times the text may cost four times as much, and something: not sixteen times."""
    text = HOSTILE[number]
    made = redactor()
    part = text[: len(text) // 4]
    made.scan(text)  # compile
    whole, quarter = (min(_seconds(lambda each=each: made.scan(each)) for _ in range(3)) for each in (text, part))
    assert whole < 8 * quarter + 0.02, f"64 KB took {whole:.3f} s, a quarter of it {quarter:.3f} s"


def _seconds(run: Callable[[], object]) -> float:
    start = time.thread_time()
    run()
    return time.thread_time() - start


def test_sinks_mask_what_only_one_of_several_redactors_knows() -> None:
    here, there, form = password(random.Random(1)), password(random.Random(2)), jwt(random.Random(3))
    for first, second in ((here, there), (there, here)):
        with sinks.joined(redactor(second)), sinks.joined(redactor(first)):
            for held in (
                (),
                (here,),
                (there,),
                (here, there),
                (here, form),
                (there, form),
                (form,),
                (here, there, form),
            ):
                for tier in (1, 2):
                    text = " beside ".join(("nothing", *held, "nothing"))
                    masked = sinks.mask(text, tier=tier)
                    assert not any(value in masked for value in held), held
                    assert (masked is text) == (not held)
