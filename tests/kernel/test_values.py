"""Ids, money, time, canonical JSON."""

import random
from datetime import UTC, datetime
from decimal import Decimal

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from remit.kernel.canonical import canonical
from remit.kernel.clock import iso, micros_of
from remit.kernel.errors import InvalidInput
from remit.kernel.ids import check_id, is_id, new_id
from remit.kernel.money import Money, usd

ascii_text = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=12)
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(max_size=20).filter(lambda s: s.isprintable()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ascii_text, inner, max_size=4),
    max_leaves=12,
)


def test_ids_are_version_7_and_sort_by_time() -> None:
    rand = random.Random(7).getrandbits
    ids = [new_id(unix_ms=ms, rand=rand) for ms in range(1_700_000_000_000, 1_700_000_000_200)]
    assert ids == sorted(ids)
    assert all(is_id(one) and one[14] == "7" and one[19] in "89ab" for one in ids)


def test_a_thing_that_is_no_id_is_named() -> None:
    with pytest.raises(InvalidInput, match="is not a mission id"):
        check_id("../etc", "mission")


@pytest.mark.parametrize(
    ("text", "micros"),
    [("0.50", 500_000), ("$1", 1_000_000), ("2 USD", 2_000_000), ("0.0000001", 1), (Decimal("0.1"), 100_000)],
)
def test_money_is_exact_and_rounds_up(text: str, micros: int) -> None:
    assert usd(text) == Money(micros)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "ten", ""])
def test_no_amount_no_money(text: str) -> None:
    with pytest.raises(InvalidInput):
        usd(text)


@given(st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - bounds are naive
def test_moments_survive_as_micros(moment: datetime) -> None:
    assert datetime.fromisoformat(iso(micros_of(moment))) == moment


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_moment_of_the_calendar_can_be_told_again(moment: datetime) -> None:
    assert datetime.fromisoformat(iso(micros_of(moment))) == moment


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-00:01"])
def test_what_an_offset_moves_out_of_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="years 1 to 9999"):
        micros_of(datetime.fromisoformat(text))


@given(values)
def test_canonical_json_equals_rfc_8785(value: object) -> None:
    assert canonical(value) == rfc8785.dumps(value)  # type: ignore[arg-type]
