"""Nothing that an agent wrote moves a cursor, turns the reading order, hides, or passes for a line of ours."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.plain import plain, plain_lines

HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("as it is, größer 10 € ✓", "as it is, größer 10 € ✓"),
        ("\x1b[2J\x1b[31mred", "\\x1b[2J\\x1b[31mred"),
        ("\x9b2J", "\\x9b2J"),
        ("a\r\nb\tc", "a\\r\\nb\\tc"),
        ("safe\u202egpj.exe", "safe\\u{202e}gpj.exe"),
        ("pay\u2066pal\u2069", "pay\\u{2066}pal\\u{2069}"),
        ("zero\u200bwidth\ufeff", "zero\\u{200b}width\\u{feff}"),
        ("tag\U000e0041", "tag\\u{e0041}"),
        ("lone\ud800", "lone\\u{d800}"),
        ("line\u2028end", "line\\u{2028}end"),
        ("fill\u3164er", "fill\\u{3164}er"),
        ("e\u0301", "e\u0301"),
        ("z" + "\u0336" * 4, "z\u0336\u0336\\u{336}\\u{336}"),
        ("no\xa0break", "no\\xa0break"),
    ],
)
def test_what_is_hidden_is_shown_as_its_code(text: str, shown: str) -> None:
    assert plain(text) == shown


@given(st.text(alphabet=st.characters(), max_size=300), st.integers(1, 200))
def test_one_line_of_bounded_length_without_anything_hidden(text: str, limit: int) -> None:
    shown = plain(text, limit=limit)
    assert not {unicodedata.category(char) for char in shown} & HIDDEN
    assert len(shown) <= limit + 30
    assert plain(shown, limit=len(shown) + 1) == shown
    for line in plain_lines(text):
        assert "\n" not in line
        assert not {unicodedata.category(char) for char in line} & HIDDEN


def test_huge_texts_are_cut_and_say_so() -> None:
    assert plain("x" * 1_000_000, limit=10) == "x" * 10 + "… (1000000 characters)"
    lines = plain_lines("a\n" * 1_000_000, lines=3)
    assert lines == ["a", "a", "a", "… 999997 more lines"]
