"""Events keep their bytes, wherever the stream is cut and however its lines end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.kernel.errors import InvalidAnswer
from remit.models.wire.sse import SseParser

from .wire_streams import cut

LINES = st.sampled_from(
    [
        b"data: a",
        b"data:b",
        b"data",
        b": comment",
        b"event: x",
        b"id: 1",
        b"",
        b"",
        b"odd",
        b"data: [DONE]",
        b"data:  c",
    ]
)


def reference(text: bytes) -> list[tuple[bytes, bytes]]:
    """Events as the specification reads them: name and data."""
    found, name, data = [], b"", []
    for line in text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")[:-1]:
        if not line:
            if data:
                found.append((name, b"\n".join(data)))
            name, data = b"", []
            continue
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return found


@settings(max_examples=300, deadline=None)
@given(
    lines=st.lists(st.tuples(LINES, st.sampled_from([b"\n", b"\r\n", b"\r"])), max_size=14),
    uniform=st.booleans(),
    places=st.lists(st.integers(1, 160), max_size=8),
)
def test_events_are_those_of_the_specification_with_their_bytes(
    lines: list[tuple[bytes, bytes]], places: list[int], *, uniform: bool
) -> None:
    text = b"".join(line + (b"\n" if uniform else end) for line, end in lines)
    parser = SseParser()
    events = [event for chunk in cut(text, places) for event in parser.feed(chunk)]
    rest = parser.finish()
    assert b"".join(event.raw for event in events) + (rest.raw if rest else b"") == text
    got = [(event.name, event.data) for event in events if event.data is not None]
    assert got == reference(text)


def test_every_byte_alone() -> None:
    text = b"event: a\r\ndata: 1\r\ndata: 2\r\n\r\n: hi\n\ndata: \xc3\xa9\n\n"
    parser = SseParser()
    events = [event for at in range(len(text)) for event in parser.feed(text[at : at + 1])]
    assert [event.data for event in events if event.data is not None] == [b"1\n2", "é".encode()]
    assert b"".join(event.raw for event in events) == text
    assert parser.finish() is None


def test_a_byte_order_mark_is_no_part_of_the_first_field() -> None:
    (event,) = SseParser().feed(b"\xef\xbb\xbfdata: x\n\n")
    assert (event.data, event.raw) == (b"x", b"\xef\xbb\xbfdata: x\n\n")


@pytest.mark.parametrize("size", [73, 1_000])
def test_an_event_has_a_bound(size: int) -> None:
    parser = SseParser(most=500)
    for _ in range(10):
        parser.feed(b"data: x" if size == 73 else b"")
    with pytest.raises(InvalidAnswer):
        parser.feed(b"data: x" * size)
