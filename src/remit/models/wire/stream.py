"""Answers that come as events: what each says, in each interface, and when it may go on.

An event waits, in order, until every piece of text in it has been let go by its text's redactor, and until every tool
call that it is part of was looked at. Texts end where their interface ends them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import cast

from remit.kernel.errors import InvalidAnswer
from remit.models.wire.calls import Call, Calls, free_text
from remit.models.wire.documents import Document, decoded
from remit.models.wire.held import Held, Text
from remit.models.wire.joint import Joint, Repeat
from remit.models.wire.masks import Masks, tokens
from remit.models.wire.sse import Event, SseParser
from remit.models.wire.tokens import Meter

#: A text or a call within an answer: the choice, block or item that it belongs to first.
type Name = tuple[object, ...]
type Read = Callable[[Stream, Held, Document], bool]

_DONE = b"[DONE]"


class Stream:
    """Reads one stream of events; see ``answer.AnswerReader``.

    Attributes:
        complete: The protocol's own end was seen.
        error: What the provider's own error event says, which does not go on.
        length: Characters of text that came.
    """

    def __init__(
        self,
        read: Read,
        *,
        masks: Masks,
        calls: Calls,
        meter: Meter,
        strip_usage: bool,
        joined: frozenset[object] = frozenset(),
    ) -> None:
        self.complete = False
        self.error = ""
        self.length = 0
        self.masks = masks
        self.calls = calls
        self.meter = meter
        self.strip = strip_usage
        self._parser = SseParser()
        self._queue: deque[Held] = deque()
        self._texts: dict[Name, Text] = {}
        self._open: dict[Name, Call] = {}
        self._over: set[Name] = set()
        self._touched: list[Text] = []
        self._joints: dict[object, Joint] = {}
        self._joined = joined  # kinds of texts that clients put together: the last word of a name
        self._last: dict[object, Name] = {}  # of each kind the text that began last
        self._passing = not (masks.active or calls.gated)
        self._read = read

    def feed(self, data: bytes) -> bytes:
        """What may go on."""
        for event in self._parser.feed(data):
            self._take(event)
        if self._touched:
            for text in self._touched:
                text.run()
            self._touched.clear()
        for joint in self._joints.values():
            joint.decide()
        return self._release()

    def finish(self) -> bytes:
        """The rest: nothing more comes."""
        rest = self._parser.finish()
        if rest is not None and not self.calls.blocked:
            self._rest(rest)
        self._finish_texts()
        for call in self._open.values():
            call.text.finish()
        if self.calls.gated and self._open and not self.calls.blocked:
            self.cut([held for call in self._open.values() for held in call.held])
        self._touched.clear()
        self._finish_joints()
        return self._release()

    def _rest(self, rest: Event) -> None:
        """What came after the last whole event: passed on if it can be read, or need not be."""
        complete = self.complete
        known = rest.data is None or rest.data == _DONE or decoded(rest.data) is not None
        if known:
            self._take(rest)
        elif self._passing:
            self._queue.append(Held(rest, {}))
        self.complete = complete

    def _release(self) -> bytes:
        queue = self._queue
        if not queue or queue[0].waiting:
            return b""
        if self._joints and any(joint.open for joint in self._joints.values()):
            return b""
        out: list[bytes] = []
        while queue and not queue[0].waiting:
            out.append(queue.popleft().shown())
        return out[0] if len(out) == 1 else b"".join(out)

    # ------------------------------------------------------------------------------------------------- events

    def _take(self, event: Event) -> None:
        if self.calls.blocked or self.error:
            return
        data = event.data
        if event.rest and self.masks.active and not self._clean(event):
            if data is None:
                return
            event = event._replace(rest=())
        if data is None:
            self._queue.append(Held(event, {}))
            return
        if data == _DONE:
            self.ended()
            if not self.calls.blocked:
                self._queue.append(Held(event, {}))
            return
        known = decoded(data)
        if not isinstance(known, dict):
            text = data.decode("utf-8", "replace")
            loose: Document = {"": text}
            held = Held(event, loose)
            self.piece(held, ("",), loose, "", text)
            self._queue.append(held)
            return
        document = cast("Document", known)
        held = Held(event, document)
        if self._read(self, held, document) and not self.calls.blocked:
            self._queue.append(held)

    def _clean(self, event: Event) -> bool:
        return all(self.masks.leaf(text) is text for text in (line.decode("latin-1") for line in event.rest))

    def piece(self, held: Held, name: Name, where: Document, key: str, text: str) -> None:
        """A piece of what is said stands in the event."""
        if not text:
            return
        self.length += len(text)
        self.meter.said(text)
        if not self.masks.active:
            return
        known = self._texts.get(name)
        if known is None:
            if name in self._over:
                raise _after_end()
            known = self._texts[name] = self.masks.text()
            if name[-1] in self._joined:
                self._begins(name)
        piece = known.add(held, where, key, text)
        self._touched.append(known)
        if self._joints and piece is not None and (joint := self._joints.get(name[-1])) is not None:
            joint.add(name, piece)

    def _begins(self, name: Name) -> None:
        """A text of this kind begins: one before it that its provider forgot to end borders on it all the same."""
        last = self._last.get(name[-1])
        if last is not None and last in self._texts:
            self.border(last)
        self._last[name[-1]] = name

    def known(self, name: Name) -> bool:
        """Whether a piece of the text came, or its end."""
        return name in self._texts or name in self._over

    def repeat(self, held: Held, name: Name, where: Document, key: str, text: str) -> None:
        """A text that has ended stands in the event whole once more, as ``where[key]``; ``text`` is the provider's."""
        joint = self._joints.get(name[-1])
        if joint is not None and text:
            joint.repeat(name, Repeat(held, where, key, text, self.masks.again))

    def arguments(self, held: Held, name: Name, where: Document, key: str, *, json: bool = True) -> Call:
        """A piece of a tool call stands in the event, under ``key`` if there is text of it."""
        call = self._open.get(name)
        if call is None:
            if name in self._over and not self._passing:
                raise _after_end()
            call = self._open[name] = Call("", self.masks.text(json=json, owner=False, keep=True), json=json)
        if self.calls.gated:
            call.hold(held)
        text = where.get(key)
        if isinstance(text, str) and text:
            self.meter.said(text)
            call.text.add(held, where, key, text)
            self._touched.append(call.text)
        return call

    def named(self, call: Call, held: Held, where: Document) -> None:
        """The name of the tool that is called may stand in ``where``."""
        name = where.get("name")
        if not isinstance(name, str) or not name:
            return
        shown = self.masks.leaf(name, owner=False)
        if shown is not name:
            where["name"] = shown
            held.changed = True
        call.name = call.name or shown

    def walk(self, held: Held, node: object, *, loose: bool = False, owner: bool = True) -> None:
        """Mask whole texts, wherever they stand in ``node``; see ``Masks.walk``."""
        if self.masks.active and self.masks.walk(node, loose=loose, owner=owner):
            held.changed = True

    def others(self, held: Held, node: Document, known: frozenset[str]) -> None:
        """Members that nobody knows are texts until the contrary is proven."""
        if not self.masks.active:
            return
        for key, value in node.items():
            if key not in known and value is not None and self.masks.walk(one := {key: value}):
                node[key] = one[key]
                held.changed = True

    def probabilities(self, held: Held, name: Name, where: Document) -> None:
        """The tokens whose probabilities are told spell the text once more."""
        if self.masks.active and (spelled := tokens(where.get("logprobs"))):
            known = self._texts.get(name)
            if known is None:
                known = self._texts[name] = self.masks.text()
            known.add(held, where, "logprobs", spelled)
            self._touched.append(known)

    def finish_text(self, name: Name) -> None:
        """A text is over: what comes of it later is against the interface."""
        text = self._texts.pop(name, None)
        if text is not None:
            text.finish()
        self._over.add(name)

    def border(self, name: Name) -> None:
        """A text is about to end whose like a client puts together, if it is of such a kind."""
        text = self._texts.get(name)
        if text is None or name[-1] not in self._joined:
            return
        joint = self._joints.get(name[-1])
        if joint is None:
            joint = self.masks.joint()
            if joint is None:
                return
            self._joints[name[-1]] = joint
        joint.border(name, text)

    def _finish_joints(self) -> None:
        for joint in self._joints.values():
            joint.decide(final=True)

    def _finish_texts(self) -> None:
        for text in self._texts.values():
            text.finish()
        self._over |= self._texts.keys()
        self._texts.clear()

    def finish_group(self, group: object) -> None:
        """A choice or a block is over, with all of its texts and calls."""
        for name in [name for name in self._texts if name[0] == group]:
            self.finish_text(name)
        for name in [name for name in self._open if name[0] == group]:
            self.finish_call(name)

    def finish_call(self, name: Name) -> None:
        """A tool call is complete: it goes on, or the stream ends before it."""
        call = self._open.pop(name, None)
        if call is None:
            return
        self._over.add(name)
        arguments = call.text.finish()
        if not call.json:
            arguments = free_text(arguments)
        if self.calls.told(call.name, arguments):
            for held in call.held:
                held.waiting -= 1
        else:
            self.cut([*call.held, *(held for other in self._open.values() for held in other.held)])

    def cut(self, refused: list[Held]) -> None:
        """Nothing goes on from the first of these events on; what stands before it does."""
        places = {id(held) for held in refused}
        kept: deque[Held] = deque()
        for held in self._queue:
            if id(held) in places:
                break
            kept.append(held)
        self._finish_texts()
        self._finish_joints()
        self._queue = kept

    def failed(self, told: str) -> bool:
        """The provider's own error event: it ends the answer, and does not go on. Whoever passes it on tells one."""
        self.error = self.masks.leaf(told)
        self._finish_texts()
        self._finish_joints()
        if self.calls.gated and self._open:
            self.cut([held for call in self._open.values() for held in call.held])
        return False

    def ended(self) -> None:
        """The protocol's end: whatever is open is over."""
        self.complete = True
        self._finish_texts()
        self._finish_joints()
        for name in tuple(self._open):
            self.finish_call(name)


def _after_end() -> InvalidAnswer:
    return InvalidAnswer(
        "The provider's stream goes on with a text that it had ended.", code="model.protocol", hint="remit doctor"
    )
