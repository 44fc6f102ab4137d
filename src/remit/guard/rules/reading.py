"""Reading a rule file into a ``Document``, with every fault at its place."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Final

from remit.guard.rules.addresses import NAMED, host_name
from remit.guard.rules.document import Document, Marked, Otherwise, Rule
from remit.guard.rules.faults import Fault, refuse
from remit.guard.rules.marked import Listing, Malformed, Mapped, Node, Scalar, read_marked
from remit.guard.rules.variables import KINDS

MOST_RULES = 300
_ID = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z0-9_]+)*")
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
_LONGEST_TEXT = 500
_LONGEST_ID = 80

#: What stands after the dot in ``on: order.submit``; the kind alone means the same.
VERBS: Final[Mapping[str, str]] = {
    "files": "write",
    "command": "run",
    "fetch": "read",
    "model": "call",
    "tool": "call",
    "deploy": "release",
    "order": "submit",
    "publish": "release",
    "notify": "send",
}
EVERY = "*"
_KEYS = ("title", "use", "without", "limits", "lists", "critics", "findings", "rules", "tests")
_RULE_KEYS = ("id", "on", "when", "assert", "else", "message", "fix")
_NEEDED = ("id", "on", "assert", "else", "message")


def read_document(text: str, *, name: str, sets: Iterable[str], origin: str = "") -> Document:
    """The rule file ``text``. Its expressions are compiled by ``resolving.compile_document``.

    Args:
        text: The file.
        name: What faults call it.
        sets: The names of the shipped sets.
        origin: The set that the file is, if it is one.

    Raises:
        InvalidInput: It is not well formed; ``problems`` lists every fault with place, caret and fix.
    """
    try:
        root = read_marked(text)
    except Malformed as error:
        refuse([Fault(error.what, error.fix, error.line, error.column)], text, name=name)
    reader = _Reading(tuple(sets), origin)
    document = reader.document(root, text, name)
    if reader.faults:
        refuse(reader.faults, text, name=name)
    return document


class _Reading:
    """One reading: collects faults and goes on."""

    def __init__(self, sets: tuple[str, ...], origin: str) -> None:
        self.faults: list[Fault] = []
        self._sets = sets
        self._origin = origin

    def fault(self, node: Node, what: str, fix: str) -> None:
        self.faults.append(Fault(what, fix, node.line, node.column))

    def document(self, root: Node, text: str, name: str) -> Document:
        if not isinstance(root, Mapped):
            self.fault(root, "a rule file is a mapping", "write 'rules:' and the rules as a list below it")
            root = Mapped({}, {}, 1, 1)
        self._known(root, _KEYS)
        part = root.items.get
        use = part("use")
        return Document(
            name=name,
            source=text,
            use=self._sets if use is None else tuple(item.text for item in self._texts(use, "use", self._a_set)),
            without=tuple((item.text, item) for item in self._texts(part("without"), "without")),
            limits=dict(self._limits(part("limits"))),
            lists=dict(self._lists(part("lists"))),
            critics=tuple(item.text for item in self._texts(part("critics"), "critics", self._a_word)),
            findings=tuple(item.text for item in self._texts(part("findings"), "findings", self._a_word)),
            rules=tuple(self._rules(part("rules"))),
            tests=self._list(part("tests"), "tests"),
        )

    def _rules(self, node: Node | None) -> Iterator[Marked]:
        items = self._list(node, "rules")
        if len(items) > MOST_RULES:
            self.fault(items[MOST_RULES], f"there are more than {MOST_RULES} rules", "split or join rules")
        for item in items[:MOST_RULES]:
            if isinstance(item, Mapped):
                made = self._rule(item)
                if made is not None:
                    yield made
            else:
                self.fault(
                    item, "a rule is a mapping", "write {id: ..., on: ..., assert: ..., else: deny, message: ...}"
                )

    def _rule(self, node: Mapped) -> Marked | None:
        self._known(node, _RULE_KEYS)
        places = {key: value for key, value in node.items.items() if isinstance(value, Scalar)}
        for key, value in node.items.items():
            if key != "on" and not isinstance(value, Scalar):
                self.fault(value, f"{key} must be a text", f"write {key}: '...'")
        missing = [key for key in _NEEDED if key not in node.items]
        if missing:
            called = places["id"].text if "id" in places else "without an id"
            self.fault(node, f"the rule {called} lacks {', '.join(missing)}", f"add {missing[0]}: ...")
        on = self._on(node.items.get("on"))
        otherwise = self._otherwise(places.get("else"))
        self._rule_texts(places)
        if missing or not on or otherwise is None or any(key not in places for key in ("id", "assert", "message")):
            return None
        text = {key: place.text.strip() for key, place in places.items()}
        rule = Rule(
            id=text["id"],
            on=on,
            asserts=places["assert"].text,
            otherwise=otherwise,
            message=text["message"],
            when=places["when"].text if "when" in places else "",
            fix=text.get("fix", ""),
            origin=self._origin,
        )
        return Marked(rule, places)

    def _rule_texts(self, places: Mapping[str, Scalar]) -> None:
        for key in ("id", "assert", "message", "fix", "when"):
            place = places.get(key)
            if place is None:
                continue
            if not place.text.strip():
                self.fault(place, f"{key} is empty", f"write it, or leave {key} out" if key == "when" else "write it")
            elif key == "id" and (len(place.text) > _LONGEST_ID or not _ID.fullmatch(place.text)):
                self.fault(place, f"{place.text[:60]!r} is no id", "write lower-case words with dots: trade.leverage")
            elif key in {"message", "fix"} and len(place.text) > _LONGEST_TEXT:
                self.fault(place, f"{key} is longer than {_LONGEST_TEXT} characters", "shorten it")

    def _on(self, node: Node | None) -> tuple[str, ...]:
        if node is None:
            return ()
        found: list[str] = []
        for item in self._texts(Listing([node], node.line, node.column) if isinstance(node, Scalar) else node, "on"):
            kind, _, verb = item.text.partition(".")
            if item.text == EVERY:
                found += KINDS
            elif kind in VERBS and verb in {"", VERBS[kind]}:
                found.append(kind)
            else:
                near = difflib.get_close_matches(kind, KINDS, 1)
                fix = f"did you mean {near[0]}?" if near else f"kinds: {', '.join(KINDS)}, or '*'"
                self.fault(item, f"{item.text[:60]!r} is no kind of action", fix)
        if not found and not self.faults:
            self.fault(node, "on names no kind of action", f"kinds: {', '.join(KINDS)}, or '*'")
        return tuple(dict.fromkeys(found))

    def _otherwise(self, place: Scalar | None) -> Otherwise | None:
        if place is None:
            return None
        try:
            return Otherwise(place.text)
        except ValueError:
            near = difflib.get_close_matches(place.text, list(Otherwise), 1)
            fix = f"did you mean {near[0]}?" if near else "write deny, require_approval or warn"
            self.fault(place, f"else can't be {place.text[:40]!r}", fix)
            return None

    def _limits(self, node: Node | None) -> Iterator[tuple[str, float]]:
        for key, value in self._mapping(node, "limits"):
            if not _WORD.fullmatch(key.text):
                self.fault(key, f"{key.text[:40]!r} is no name of a limit", "write a lower-case word")
                continue
            number = _number(value)
            if number is None:
                self.fault(value, f"the limit {key.text} must be a number", "write a number such as 0.1")
            else:
                yield key.text, number

    def _lists(self, node: Node | None) -> Iterator[tuple[str, tuple[str, ...]]]:
        for key, value in self._mapping(node, "lists"):
            if key.text not in NAMED:
                self.fault(key, f"{key.text[:40]!r} is no list", f"the lists are {', '.join(NAMED)}")
            yield key.text, tuple(self._domains(value))

    def _domains(self, node: Node) -> Iterator[str]:
        items = self._texts(node, "a list")
        changing = [item.text[:1] in {"+", "-"} for item in items]
        if any(changing) and not all(changing):
            fix = "put + or - before every entry (changes the shipped list) or before none (replaces it)"
            self.fault(node, "the list mixes entries with and without + or -", fix)
        for item in items:
            sign = item.text[:1] if item.text[:1] in {"+", "-"} else ""
            host = host_name(item.text.removeprefix(sign).strip())
            if host is None:
                fix = "write a domain such as example.org; its subdomains belong to it"
                self.fault(item, f"{item.text[:60]!r} is no domain", fix)
            else:
                yield sign + host

    def _a_set(self, item: Scalar) -> None:
        if item.text not in self._sets:
            near = difflib.get_close_matches(item.text, self._sets, 1)
            fix = f"did you mean {near[0]}?" if near else f"shipped sets: {', '.join(self._sets)}"
            self.fault(item, f"there is no shipped set {item.text[:40]!r}", fix)

    def _a_word(self, item: Scalar) -> None:
        if not _WORD.fullmatch(item.text):
            self.fault(item, f"{item.text[:40]!r} is no name", "write a lower-case word of letters, digits and _")

    def _texts(self, node: Node | None, what: str, each: Callable[[Scalar], None] | None = None) -> list[Scalar]:
        found: list[Scalar] = []
        for item in self._list(node, what):
            if isinstance(item, Scalar):
                found.append(item)
                if each is not None:
                    each(item)
            else:
                self.fault(item, f"{what} holds something that is no text", "write plain words")
        return found

    def _list(self, node: Node | None, what: str) -> tuple[Node, ...]:
        if node is None:
            return ()
        if isinstance(node, Listing):
            return tuple(node.items)
        if not (isinstance(node, Scalar) and node.plain and not node.text):
            self.fault(node, f"{what} must be a list", f"write {what}: [...]")
        return ()

    def _mapping(self, node: Node | None, what: str) -> list[tuple[Scalar, Node]]:
        if isinstance(node, Mapped):
            return [(node.keys[key], value) for key, value in node.items.items()]
        if node is not None and not (isinstance(node, Scalar) and node.plain and not node.text):
            self.fault(node, f"{what} must be a mapping", f"write {what}: {{name: value}}")
        return []

    def _known(self, node: Mapped, keys: tuple[str, ...]) -> None:
        for key, place in node.keys.items():
            if key not in keys:
                near = difflib.get_close_matches(key, keys, 1)
                fix = f"did you mean {near[0]}?" if near else f"known: {', '.join(keys)}"
                self.fault(place, f"{key[:40]!r} means nothing here", fix)


def _number(node: Node) -> float | None:
    if not isinstance(node, Scalar) or not node.plain:
        return None
    try:
        value = float(node.text)
    except ValueError:
        return None
    return value if math.isfinite(value) and "_" not in node.text else None
