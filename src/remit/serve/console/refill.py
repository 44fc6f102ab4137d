"""A form that was not taken comes back as it was sent, with the reason beside the field that it is about.

One place does it for every form, in the finished page, so that no template can forget it: what was typed is put back
(never a password, nor a code that is good once), the message stands behind its field, which is marked invalid, named by
``aria-describedby`` and focused, and whatever was folded round it is open. A message about no single field stands
before the form. A form that the page has no more, or has for another state of things (a hidden field differs), is left
alone: the notice then keeps what was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser

from markupsafe import Markup, escape

from remit.serve.console.asking import Problem
from remit.serve.console.words import visible

#: Fields whose content never comes back: what is secret, and the form's own token.
SECRET = frozenset({"csrf", "password", "current", "new", "code", "note"})
_VOID = frozenset({"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"})
_TICKED = frozenset({"checkbox", "radio"})
#: Of a form that the page has no more: what is worth keeping for whoever would have to write it anew.
_LONG = frozenset({"reason", "comment", "text"})

_QUOTED = 2000  # characters: no message quotes what stands further back
NOTICE = "problem"  # the id of the notice
_BOX = Markup(
    '<div class="say bad mt" role="alert" id="{}"{}><h2><span class="st failed">Nothing was changed</span></h2>{}</div>'
)
_LINES = Markup('<pre class="wrap" tabindex="0" role="region" aria-label="{}">{}</pre>')

type Attributes = dict[str, str | None]


@dataclass(slots=True, eq=False)
class _Element:
    """A start tag, where it stands, and where its element ends. ``inside``: the elements round it, outermost first."""

    tag: str
    attributes: Attributes
    start: int
    stop: int
    inside: tuple[_Element, ...]
    end: int = 0
    text_end: int = 0
    value: str = ""  # of an option
    within: list[_Element] = field(default_factory=list["_Element"])  # of a form: controls; of a select: options

    def named(self, name: str) -> str:
        return self.attributes.get(name) or ""

    @property
    def kind(self) -> str:
        return self.named("type") or "text"

    @property
    def hidden(self) -> bool:
        return self.tag == "input" and self.kind == "hidden"


class _Read(HTMLParser):
    """The forms of a page of ours, which is well formed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self._text, self._lines = text, [0]
        for line in text.split("\n"):
            self._lines.append(self._lines[-1] + len(line) + 1)
        self._open: list[_Element] = []
        self.forms: list[_Element] = []
        self.focused: list[_Element] = []
        self.main: _Element | None = None
        self.head: _Element | None = None
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        line, column = self.getpos()
        start = self._lines[line - 1] + column
        stop = start + len(self.get_starttag_text() or "")
        one = _Element(tag, dict(attrs), start, stop, tuple(self._open), end=stop, text_end=stop)
        if "autofocus" in one.attributes:
            self.focused.append(one)
        form = next((each for each in reversed(self._open) if each.tag == "form"), None)
        if tag == "form":
            self.forms.append(one)
        elif tag == "option":
            for outer in [each for each in self._open if each.tag == "select"]:
                outer.within.append(one)
        elif tag in {"input", "select", "textarea", "fieldset"} and form is not None:
            form.within.append(one)
        elif tag == "main":
            self.main = one
        elif self.head is None and "head" in one.named("class").split() and self.main in self._open:
            self.head = one
        if tag not in _VOID:
            self._open.append(one)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del tag, attrs  # of drawings

    def handle_endtag(self, tag: str) -> None:
        line, column = self.getpos()
        at = self._lines[line - 1] + column
        while self._open:
            one = self._open.pop()
            one.text_end, one.end = at, at + len(tag) + 3
            if one.tag == "option":
                given = one.attributes.get("value")
                one.value = unescape(self._text[one.stop : at]) if given is None else given
            if one.tag == tag:
                return


def refilled(text: str, *, action: str, typed: Mapping[str, str], problem: Problem, told: bool = False) -> str:
    """The page ``text`` with the form that was sent to ``action`` as it was sent, and with what was wrong.

    ``told``: the page says itself what is wrong with its input, for more than one field.
    """
    read, pen = _Read(text), _Pen()
    there = [form for form in read.forms if form.named("action").partition("#")[0] == action]
    form = _sent(there, typed)
    for one in read.focused:
        pen.change(one, drop="autofocus")
    if form is None:
        pen.insert(_place(read, None), _notice(problem, _written(there, typed)))
        return pen.write(text)
    for outer in form.inside:
        if outer.tag == "details":
            pen.change(outer, open=None)
    for one in form.within:
        _put_back(pen, one, typed)
    wrong = [one for one in form.within if told and "aria-invalid" in one.attributes]
    found = {} if wrong else _meant(form, typed, problem)
    if wrong:
        pen.change(wrong[0], autofocus=None)
    else:
        apart = "\n" in problem.message  # of many lines: too long to stand at a field
        for one, message in found.items():
            _mark(pen, one, "" if apart else message)
        if found:
            pen.change(_first(next(iter(found))), autofocus=None)
        if apart or not found:
            pen.insert(_place(read, form), _notice(problem, [], focus=not found))
    return pen.write(text)


def _meant(form: _Element, typed: Mapping[str, str], problem: Problem) -> dict[_Element, str]:
    """The fields that the problem is about, each with what is wrong with it; none unless all of it is about fields.

    One that the form names for it; else the one whose content a message quotes, the one that the error's code ends
    with, or the one whose name is a word of the message.
    """
    fields = {one.named("name"): one for one in reversed(form.within) if one.named("name") and not one.hidden}
    if problem.about in fields:
        return {fields[problem.about]: problem.message}
    found: dict[_Element, list[str]] = {}
    for part in problem.parts or (problem.message,):
        quoted = [name for name in fields if any(repr(word) in part for word in _words(typed.get(name, "")))]
        said = [name for name in fields if problem.parts and re.search(rf"\b{re.escape(name)}\b", part)]
        about = next((name for name in (*quoted, problem.field, *said) if name in fields), "")
        if not about:
            return {}
        found.setdefault(fields[about], []).append(part)
    if len(found) == 1:
        return {next(iter(found)): problem.message}
    return {one: f"{'; '.join(parts)}." for one, parts in found.items()}


def _words(text: str) -> set[str]:
    """A field's content as messages quote it: whole, cut, or one word of a list."""
    words = (text, text[:60], text[:20], text.rpartition(":")[2], *text[:_QUOTED].replace(",", " ").split())
    return {each for each in words if each}


def _sent(forms: list[_Element], typed: Mapping[str, str]) -> _Element | None:
    """The form that was sent: of those with its address the one whose hidden fields, what it is about, are as sent."""

    def the_same(form: _Element) -> bool:
        hidden = [one for one in form.within if one.hidden and one.named("name") != "csrf"]
        return all(typed.get(one.named("name")) == one.named("value") for one in hidden)

    fitting = [form for form in forms if the_same(form)]
    known = [sum(one.named("name") in typed for one in form.within) for form in fitting]
    return fitting[known.index(max(known))] if fitting else None


def _put_back(pen: _Pen, one: _Element, typed: Mapping[str, str]) -> None:
    name, secret = one.named("name"), one.kind == "password" or one.named("autocomplete") == "one-time-code"
    if not name or secret or name in SECRET or one.hidden or "hidden" in one.attributes:
        return
    if one.tag == "fieldset":
        return
    if one.tag == "input" and one.kind in _TICKED:
        on = typed.get(name) == (one.attributes.get("value") or "on")
        pen.change(one, **({"checked": None} if on else {}), drop="" if on else "checked")
    elif name not in typed:
        return
    elif one.tag == "input":
        pen.change(one, value=visible(typed[name]))
    elif one.tag == "textarea":
        pen.replace(one.stop, one.text_end, escape("\n" + visible(typed[name])))  # the first line end is the tag's
    else:
        chosen = [option for option in one.within if option.value == typed[name]]
        for option in one.within if chosen else []:
            pen.change(option, drop="selected")
        for option in chosen[:1]:
            pen.change(option, selected=None)


def _mark(pen: _Pen, wrong: _Element, message: str) -> None:
    """Mark a field invalid, with ``message`` behind it, or else with the notice; a group at its end."""
    name = wrong.named("name")
    own = f"{name if re.fullmatch(r'[a-z_]+', name) else wrong.named('id')}-e" if message else NOTICE
    label = next((outer for outer in reversed(wrong.inside) if outer.tag == "label"), None)
    if message:
        said = Markup('<span class="err" id="{}">{}</span>').format(own, visible(message))
        group = wrong.tag == "fieldset"
        pen.insert(wrong.text_end if group else wrong.end if label is None else label.end, said)
    first = _first(wrong)
    described = " ".join(filter(None, (own, first.named("aria-describedby"))))
    pen.change(first, **{"aria-invalid": "true", "aria-describedby": described})


def _first(wrong: _Element) -> _Element:
    """What takes the focus: of a group its first control."""
    form = next(outer for outer in reversed(wrong.inside) if outer.tag == "form")
    return next((one for one in form.within if wrong in one.inside and not one.hidden), wrong)


def _place(read: _Read, form: _Element | None) -> int:
    """Where a notice stands: before its form; when that is one cell or none, under the page's head."""
    if form is not None and not any(outer.tag == "table" for outer in form.inside):
        return form.start
    if read.head is not None:
        return read.head.end
    return read.main.stop if read.main is not None else 0


def _written(forms: list[_Element], typed: Mapping[str, str]) -> list[tuple[str, str]]:
    """What somebody wrote into a form that is not there any more, or is about something else now."""
    hidden = {one.named("name") for form in forms for one in form.within if one.hidden}
    names = [name for name in typed if name not in SECRET | hidden and (forms or name in _LONG)]
    return [(name, typed[name]) for name in names if typed[name].strip()]


def _notice(problem: Problem, written: list[tuple[str, str]], *, focus: bool = True) -> Markup:
    """What was wrong in a box of its own."""
    message = visible(problem.message)
    hint = "" if problem.hint.startswith("remit ") else visible(problem.hint.rstrip("."))  # a command, at a browser
    parts = [_LINES.format("What is wrong", message) if "\n" in message else Markup("<p>{}</p>").format(message)]
    if hint and hint not in message:
        parts.append(Markup("<p>Next: {}.</p>").format(hint))
    if written:
        parts.append(Markup("<p>What you wrote, to copy:</p>"))
        parts += [_LINES.format(name, visible(text)) for name, text in written]
    return _BOX.format(NOTICE, Markup(' tabindex="-1" autofocus') if focus else "", Markup("").join(parts))


class _Pen:
    """Changes of a text, made all at once."""

    def __init__(self) -> None:
        self._tags: dict[int, tuple[_Element, Attributes]] = {}
        self._edits: list[tuple[int, int, str]] = []

    def change(self, one: _Element, /, *, drop: str = "", **attributes: str | None) -> None:
        """Set attributes of a start tag (``None``: it has no value), and take one away."""
        now = self._tags.setdefault(one.start, (one, dict(one.attributes)))[1]
        now.pop(drop, None)
        now.update(attributes)

    def insert(self, at: int, text: str) -> None:
        """Put something in."""
        self._edits.append((at, at, text))

    def replace(self, start: int, stop: int, text: str) -> None:
        """Put something in the place of something."""
        self._edits.append((start, stop, text))

    def write(self, text: str) -> str:
        """The text with every change."""
        tags = [(one.start, one.stop, _tag(one.tag, now)) for one, now in self._tags.values()]
        parts: list[str] = []
        at = 0
        for start, stop, new in sorted((*self._edits, *tags), key=lambda edit: edit[:2]):
            parts += [text[at:start], str(new)]
            at = stop
        return "".join((*parts, text[at:]))


def _tag(name: str, attributes: Attributes) -> Markup:
    parts = [
        Markup(" {}").format(key) if value is None else Markup(' {}="{}"').format(key, value)
        for key, value in attributes.items()
    ]
    return Markup("<{}{}>").format(name, Markup("").join(parts))
