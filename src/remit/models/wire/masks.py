"""Masking the documents that answers are made of: every text in them that a model may have written."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import cast

from remit.kernel.permits import Restorer
from remit.models.wire.documents import Document
from remit.models.wire.held import Held, Over, Text
from remit.models.wire.joint import Joint
from remit.models.wire.sse import Event
from remit.redact.blocks import mask_in_place
from remit.redact.redactor import Redactor
from remit.redact.stream_deltas import DeltaText, masked_json

#: Members whose value a provider chooses, and no model: names, numbers, noise, what only it can read.
STRUCTURE = frozenset(
    [
        *("id", "object", "model", "system_fingerprint", "service_tier", "type", "role", "finish_reason"),
        *("stop_reason", "status", "item_id", "call_id", "tool_call_id", "tool_use_id", "response_id"),
        *("previous_response_id", "obfuscation", "signature", "encrypted_content", "embedding", "b64_json"),
        *("partial_image_b64", "native_finish_reason", "provider", "request_id", "conversation"),
    ]
)
_CALLS = frozenset({"tool_calls", "function_call", "tool_call", "tool_use"})
_CALL_TYPES = frozenset(
    {"tool_use", "function_call", "tool_call", "server_tool_use", "mcp_tool_use", "mcp_call", "custom_tool_call"}
)
_OPAQUE = frozenset({"redacted_thinking"})
_IMAGE, _DRAWN = "image_generation_call", "result"  # Base64 of what was drawn
_SEEN = 256
_SHORT = 200
_NONE = Event(b"", b"", None)
_DIGITS = 4  # a shorter number can't be a registered value


class Masks:
    """Masks the texts of one answer, and puts back what tokens stand for.

    Args:
        redactor: Finds what is masked; ``None``: nothing is.
        restorer: Makes what restores a text; ``None``: nothing went as a token.
        personal: Mask personal data too.
        cards: Mask payment cards too, of all personal data these alone.
    """

    __slots__ = ("_cards", "_personal", "_redactor", "_restorer", "_seen", "active")

    def __init__(
        self,
        redactor: Redactor | None,
        restorer: Callable[[], Restorer] | None,
        *,
        personal: bool,
        cards: bool = False,
    ) -> None:
        self._redactor = redactor
        self._restorer = restorer
        self._personal = personal
        self._cards = cards
        self._seen: set[str] = set()
        self.active = redactor is not None or restorer is not None

    def text(self, *, json: bool = False, owner: bool = True, keep: bool = False) -> Text:
        """A text that comes in pieces. ``owner``: it is for who asked, and not for a tool."""
        redactor = self._redactor
        masked = (
            None if redactor is None else DeltaText(redactor, json=json, personal=self._personal, cards=self._cards)
        )
        return Text(masked, self._restorer() if owner and self._restorer is not None else None, keep=keep)

    def leaf(self, text: str, *, json: bool = False, owner: bool = True) -> str:
        """A whole text; the same object when nothing changes."""
        if not text or text in self._seen:
            return text
        shown = text
        if self._redactor is not None:
            if json:
                shown = masked_json(text, self._redactor, personal=self._personal, cards=self._cards)
            else:
                shown = self._redactor.mask(text, personal=self._personal, cards=self._cards, despaced=True)
        if owner and self._restorer is not None:
            restorer = self._restorer()
            whole = restorer.feed(shown) + restorer.close()
            shown = shown if whole == shown else whole
        elif shown is text and len(text) <= _SHORT and len(self._seen) < _SEEN:
            self._seen.add(text)
        return shown

    def again(self, text: str, over: Over) -> str:
        """A whole text, where besides ``over`` stands for parts of it."""
        where: Document = {"text": text}
        one = self.text()
        piece = one.add(Held(_NONE, where), where, "text", text)
        one.finish()
        if piece is not None:
            for start, end, mask in over:
                piece.reaches_over(start, end, mask)
        return str(where["text"])

    def joint(self) -> Joint | None:
        """What reads texts of an answer as one; ``None``: nothing is masked."""
        if self._redactor is None:
            return None
        return Joint(self._redactor, personal=self._personal, cards=self._cards)

    def joints(self, document: Document) -> bool:
        """Mask, in place, what is parted over texts that a client puts together; whether anything changed."""
        if self._redactor is None:
            return False
        return mask_in_place(document, self._redactor, cards=self._cards, personal=self._personal)

    def walk(self, node: object, *, owner: bool = True, loose: bool = False) -> bool:
        """Mask every text in a document, in place; whether anything changed.

        Args:
            node: An object or a list.
            owner: It is for who asked, and not for a tool.
            loose: Its members are a model's own, so that none is the provider's structure.
        """
        if isinstance(node, dict):
            return self._object(cast("Document", node), owner=owner, loose=loose)
        if isinstance(node, list):
            return self._list(cast("list[object]", node), owner=owner, loose=loose)
        return False

    def _object(self, node: Document, *, owner: bool, loose: bool) -> bool:
        changed = False
        kind = node.get("type")
        if not loose and isinstance(kind, str):
            if kind in _OPAQUE:
                return False
            owner = owner and kind not in _CALL_TYPES
        for key, value in tuple(node.items()):
            if value is None or value is True or value is False or (not loose and key in STRUCTURE):
                continue
            if key == _DRAWN and kind == _IMAGE and not loose:
                continue
            if key == "logprobs" and not loose:
                after = self.probabilities(value)
            else:
                after = self._value(key, value, owner=owner, loose=loose)
            if after is _MUTATED:
                changed = True
            elif after is not value:
                node[key] = after
                changed = True
            if loose and (shown := self.leaf(key, owner=owner)) is not key:
                node[shown] = node.pop(key)
                changed = True
        return changed

    def _list(self, node: list[object], *, owner: bool, loose: bool) -> bool:
        if node and not loose and isinstance(node[0], float) and all(isinstance(each, float) for each in node):
            return False  # an embedding
        changed = False
        for at, value in enumerate(node):
            after = self._value("", value, owner=owner, loose=loose)
            if after is _MUTATED:
                changed = True
            elif after is not value:
                node[at] = after
                changed = True
        return changed

    def _value(self, key: str, value: object, *, owner: bool, loose: bool) -> object:
        if isinstance(value, str):
            return self.leaf(value, json=key == "arguments", owner=owner)
        if isinstance(value, dict | list):
            inner = cast("object", value)
            changed = self.walk(inner, owner=owner and key not in _CALLS, loose=loose or key == "input")
            return _MUTATED if changed else inner
        if loose and isinstance(value, int | float):
            text = str(value)
            shown = text if len(text) < _DIGITS else self.leaf(text, owner=False)
            return value if shown is text else shown
        return value

    def probabilities(self, value: object) -> object:
        """The probabilities of tokens, whose tokens spell the text; nothing where that has a secret in it."""
        text = tokens(value)
        return value if not text or self.leaf(text, owner=False) is text else ([] if isinstance(value, list) else None)


def tokens(value: object) -> str:
    """The text that probabilities of tokens spell."""
    return "".join(_tokens(value))


def _tokens(value: object) -> Iterable[str]:
    if isinstance(value, list):
        for each in cast("list[object]", value):
            yield from _tokens(each)
    elif isinstance(value, dict):
        known = cast("Document", value)
        token = known.get("token")
        if isinstance(token, str):
            yield token
        else:
            for each in known.values():
                yield from _tokens(each)


_MUTATED = object()
