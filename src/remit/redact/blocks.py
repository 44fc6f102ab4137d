"""Secrets that are parted over several texts of one prompt or answer, each by itself unsuspicious.

Programs and providers put some texts together: the text parts of a message, messages of one role that follow each
other, the text blocks of an answer. Those are *runs*. A run is read as one text, and what reaches over a border in it
is masked; what lies within one text is the business of whoever looks at each text.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import cast

from remit.redact.redactor import Redactor, mask_token, union
from remit.redact.span import Span

#: Characters on each side of a border that are read with it; longer than any secret that is looked for.
REACH = 8192
_TEXTS = frozenset({"text", "input_text", "output_text"})
_THOUGHTS = {"thinking": "thinking", "refusal": "refusal", "summary_text": "text", "reasoning_text": "text"}
#: Who says something in a conversation. Results of tools are texts of their own.
_SPEAKERS = frozenset({"user", "assistant", "system", "developer"})

#: The same in the requests of agents of this process, whose messages have parts of a kind.
_SAYS = {"system-prompt": "system", "user-prompt": "user", "text": "assistant", "thinking": "thinking"}

type Object = dict[str, object]
#: Where a text stands: the object and the member, or the list and the place in it.
type Place = tuple[Object, str] | tuple[list[object], int]
type Run = list[Place]


def mask_joints(
    document: Mapping[str, object],
    redactor: Redactor,
    *,
    cards: bool = False,
    personal: bool = False,
    registered: bool = False,
) -> dict[str, object] | None:
    """A copy in which nothing is parted over texts that belong together; ``None``: nothing is in the original.

    Args:
        document: As it is decoded from OpenAI's or Anthropic's JSON.
        redactor: Finds and names what is masked.
        cards: Mask payment cards too.
        personal: Mask personal data too.
        registered: Mask only values that are registered.
    """
    for run in runs(document):
        if _joined(run, redactor, cards=cards, personal=personal, registered=registered) is not None:
            break
    else:
        return None
    made = copy.deepcopy(dict(document))
    mask_in_place(made, redactor, cards=cards, personal=personal, registered=registered)
    return made


def mask_in_place(
    document: Mapping[str, object],
    redactor: Redactor,
    *,
    cards: bool = False,
    personal: bool = False,
    registered: bool = False,
) -> bool:
    """As ``mask_joints``, in the document itself; whether anything changed."""
    changed = False
    for run in runs(document):
        after = _joined(run, redactor, cards=cards, personal=personal, registered=registered)
        if after is not None:
            changed = True
            for place, text in zip(run, after, strict=True):
                _put(place, text)
    return changed


def _put(place: Place, text: str) -> None:
    where, key = place
    if isinstance(where, list):
        where[cast("int", key)] = text
        return
    if where.get("logprobs") and where[str(key)] != text:
        where["logprobs"] = []  # they spell the text once more
    where[str(key)] = text


def _text(place: Place) -> str:
    where, key = place
    return str(where[cast("int", key)] if isinstance(where, list) else where[str(key)])


def runs(document: Mapping[str, object]) -> Iterator[Run]:
    """The runs of two texts and more in a request or an answer of chat, responses or messages, or of an agent here."""
    for run in _runs(document):
        if len(run) > 1:
            yield run


def _runs(document: Mapping[str, object]) -> Iterator[Run]:
    # Most documents have two of these members, and most contents are one text: neither costs more than a look.
    for member in ("messages", "input"):
        if isinstance(asked := document.get(member), list):
            yield from _conversation(cast("list[object]", asked))
    for member in ("system", "instructions", "content"):
        if isinstance(parts := document.get(member), list):
            yield from _parts(cast("list[object]", parts))
            if member == "instructions":
                yield _items(cast("list[object]", parts))
    if "parts" in document:
        yield from _said_by_parts([document])
    for choice in _objects(document.get("choices")):
        message = choice.get("message")
        if isinstance(message, dict) and isinstance(parts := cast("Object", message).get("content"), list):
            yield from _parts(cast("list[object]", parts))
    if isinstance(output := document.get("output"), list):
        yield from _output(cast("list[object]", output))


def _output(value: list[object]) -> Iterator[Run]:
    """What clients give as the text of the whole response; its refusals, its thoughts and their summaries."""
    said: Run = []
    thoughts: dict[str, Run] = {}
    for item in _objects(value):
        if item.get("type") == "message":
            said += _texts(item.get("content"))
        for member in ("content", "summary"):
            _collect(item.get(member), thoughts)
    yield said
    yield from thoughts.values()


def _conversation(value: object) -> Iterator[Run]:
    """What is said by one role without another in between; what tools answered by itself."""
    messages = _objects(value)
    if messages and "parts" in messages[0]:
        yield from _said_by_parts(messages)
        return
    said: Run = []
    speaker: object = None
    for message in messages:
        role, content = message.get("role"), message.get("content")
        if role not in _SPEAKERS:
            yield from _parts(content)
            yield from _parts(message.get("output"))
            continue
        if role != speaker:
            yield said
            said, speaker = [], role
        if isinstance(content, str):
            said.append((message, "content"))
        else:
            said += _texts(content)
            yield from _thoughts(content)
            for part in _objects(content):
                yield from _parts(part.get("content"))
    yield said


def _said_by_parts(messages: Sequence[Mapping[str, object]]) -> Iterator[Run]:
    """The same where messages have parts, as agents of this process write requests and answers."""
    said: Run = []
    speaker = ""
    for part in (part for message in messages for part in _objects(message.get("parts"))):
        kind, content = part.get("part_kind"), part.get("content")
        role = _SAYS.get(kind) if isinstance(kind, str) else None
        found: Run = [(part, "content")] if isinstance(content, str) else _items(content)
        if role is None:  # calls and results of tools
            yield found
            continue
        if role != speaker:
            yield said
            said, speaker = [], role
        said += found
    yield said


def _items(value: object) -> Run:
    """The texts in a list of texts and of objects that have one as their content."""
    if not isinstance(value, list):
        return []
    items = cast("list[object]", value)
    found: Run = []
    for at, each in enumerate(items):
        if isinstance(each, str):
            found.append((items, at))
        elif isinstance(each, dict) and isinstance(cast("Object", each).get("content"), str):
            found.append((cast("Object", each), "content"))
    return found


def _parts(value: object) -> Iterator[Run]:
    yield _texts(value)
    yield from _thoughts(value)


def _texts(value: object) -> Run:
    """The parts that are plain text, in order, whatever stands between them."""
    return [
        (part, "text")
        for part in _objects(value)
        if part.get("type", "text") in _TEXTS and isinstance(part.get("text"), str)
    ]


def _thoughts(value: object) -> Iterator[Run]:
    found: dict[str, Run] = {}
    _collect(value, found)
    yield from found.values()


def _collect(value: object, found: dict[str, Run]) -> None:
    """Add the parts that are thoughts or refusals to those of their kind."""
    for part in _objects(value):
        kind = part.get("type")
        key = _THOUGHTS.get(kind) if isinstance(kind, str) else None
        if key is not None and isinstance(part.get(key), str):
            found.setdefault(str(kind), []).append((part, key))


def _objects(value: object) -> list[Object]:
    if not isinstance(value, list):
        return []
    return [cast("Object", each) for each in cast("list[object]", value) if isinstance(each, dict)]


# ------------------------------------------------------------------------------------------------------------- joints


def _joined(run: Run, redactor: Redactor, *, cards: bool, personal: bool, registered: bool) -> Sequence[str] | None:
    texts = [_text(place) for place in run]
    return joints(texts, redactor, cards=cards, personal=personal, registered=registered)


def joints(
    texts: Sequence[str],
    redactor: Redactor,
    *,
    cards: bool = False,
    personal: bool = False,
    registered: bool = False,
) -> Sequence[str] | None:
    """Texts that are put together, with what reaches over a border masked where it begins; ``None``: nothing does."""
    ends = list(accumulate(len(text) for text in texts))
    whole = "".join(texts)
    borders = sorted({end for end in ends if 0 < end < len(whole)})
    found = crossing(whole, borders, redactor, cards=cards, personal=personal, registered=registered)
    return _laid(whole, ends, found) if found else None


def crossing(
    whole: str,
    borders: Sequence[int],
    redactor: Redactor,
    *,
    cards: bool = False,
    personal: bool = False,
    registered: bool = False,
) -> list[tuple[int, int, str]]:
    """What reaches over a border: where it begins and ends, in order, and its mask. ``borders`` are in order."""
    if not borders:
        return []
    found: list[tuple[Span, str]] = []
    for start, end in _windows(borders, len(whole)):
        part = whole[start:end]
        if registered:
            hits = redactor.registered.find(part, despaced=True)
            spans = [(Span(hit.kind, hit.start, hit.end, known=True), hit.value) for hit in hits]
        else:
            spans = redactor.found(part, personal=personal, cards=cards, despaced=True)
        for span, value in spans:
            moved = Span(span.kind, span.start + start, span.end + start, span.tier, span.known)
            if any(moved.start < border < moved.end for border in borders):
                found.append((moved, value))
    values = {(span.kind, span.start): value for span, value in reversed(found)}
    masks: list[tuple[int, int, str]] = []
    for span in union(span for span, _ in found):
        value = values.get((span.kind, span.start), whole[span.start : span.end])
        masks.append((span.start, span.end, mask_token(span.kind, redactor.suffix(value))))
    return masks


def _windows(borders: Sequence[int], length: int) -> Iterator[tuple[int, int]]:
    """What lies within reach of the borders, without overlap."""
    start, end = -1, -1
    for border in borders:
        low, high = max(0, border - REACH), min(length, border + REACH)
        if low > end:
            if end >= 0:
                yield start, end
            start = low
        end = high
    yield start, end


def _laid(whole: str, ends: Sequence[int], found: Sequence[tuple[int, int, str]]) -> Sequence[str]:
    """The texts with each mask in the one in which it begins, and nothing of what it covers in the others."""
    after: list[str] = []
    for start, end in pairwise((0, *ends)):
        parts: list[str] = []
        done = start
        for begins, over, mask in found:
            low, high = max(begins, start), min(over, end)
            if low < high:
                parts += (whole[done:low], mask if begins >= start else "")
                done = high
        after.append("".join((*parts, whole[done:end])))
    return after
