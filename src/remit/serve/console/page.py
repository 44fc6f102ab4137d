"""Pages and forms: a view returns one frozen dataclass, shown as HTML or, at the same address, as JSON.

JSON is what somebody asks for by ``Accept: application/json``, ``?format=json`` or ``.json`` behind the path. A live
page carries a stamp of what it shows; asked again with it, the server answers 204 until that has changed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import orjson
from markupsafe import Markup
from starlette.requests import Request

from remit.kernel.canonical import digest
from remit.serve.console.asking import NOTHING, Ask

JSON = "application/json"
_STAMP = 16


class View(Protocol):
    """What a page shows: any frozen dataclass with a title, which says in words what there is.

    It may have ``gone``, a sentence: what the page was for is over. A live page that is open then gives way to it.
    """

    @property
    def title(self) -> str:
        """The page's one heading."""
        ...


@dataclass(frozen=True, slots=True)
class Shown:
    """What an order made and shows once, in its answer: there is no address at which it could be looked at again.

    Attributes:
        title: The page's heading.
        lead: What to do with it.
        secrets: A key, a seed, recovery codes.
        path: Of a link of ours, in place of secrets; it is shown with the install's address before it.
        picture: The same as a drawing.
        confirm: Whether a code of an authenticator app must be typed now.
        back: Where to go on.
    """

    title: str
    lead: str
    secrets: tuple[str, ...] = field(default=(), repr=False)
    path: str = field(default="", repr=False)
    picture: Markup = field(default=Markup(), repr=False)
    confirm: bool = False
    back: str = "/account"


type Show = Callable[[Ask], Awaitable[View]]
type Order = Callable[[Ask], Awaitable[str | Shown]]


@dataclass(frozen=True, slots=True)
class Page:
    """One page.

    Attributes:
        path: Its address, ``/approvals/{id}``.
        template: Of ``templates/``; its context has ``view``, ``frame``, ``now_us``, ``typed`` and ``problem``.
        show: The view.
        group: The heading of the navigation that it stands under (``frame.GROUPS``); empty: not there.
        label: Its name there.
        live: Whether it says when what it shows has changed.
        about_self: Whether it is about the caller's own account.
        topics: Kinds of events after which that may be so (``approval,mission``): it watches them while it is looked
            at. Without any it asks now and then.
    """

    path: str
    template: str
    show: Show = field(repr=False)
    group: str = ""
    label: str = ""
    live: bool = False
    about_self: bool = False
    topics: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """Where a page's form is sent.

    Attributes:
        path: Its address.
        order: Gives the order; the address of the page to go to then, or what is shown once. Empty: nothing was
            ordered but tried, and ``again`` shows what came of it (it has what was typed in ``ask.form``).
        again: The page that is shown again, with what was typed, when the order is not taken (``refill``).
        most: How many fields it may have; the edge bounds its bytes.
        about: The field that an error is about, by its code, where neither its message nor the code say so.
    """

    path: str
    order: Order = field(repr=False)
    again: Page
    most: int = 64
    about: Mapping[str, str] = NOTHING


def page(
    path: str,
    *,
    template: str,
    group: str = "",
    label: str = "",
    live: bool = False,
    about_self: bool = False,
    topics: str = "",
) -> Callable[[Show], Page]:
    """Make a view the page at ``path``; list it in ``pages.PAGES``."""
    return lambda show: Page(path, template, show, group, label, live, about_self, topics)


def form(path: str, *, again: Page, most: int = 64, about: Mapping[str, str] = NOTHING) -> Callable[[Order], Form]:
    """Make an order the form at ``path``; list it in ``pages.FORMS``."""
    return lambda order: Form(path, order, again, most, about)


def wants_json(request: Request) -> bool:
    """Whether a program asks."""
    if request.scope.get("state", {}).get("json") or request.query_params.get("format") == "json":
        return True
    accepted = request.headers.get("accept", "")
    return JSON in accepted and "text/html" not in accepted


def as_json(view: object) -> bytes:
    """A view as JSON."""
    return orjson.dumps(view, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def stamp_of(view: object) -> str:
    """What a page shows, in a few characters: equal as long as nothing of it has changed."""
    return digest(as_json(view).decode())[:_STAMP]


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - any mapping
    if isinstance(value, frozenset | set):
        return sorted(value)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType] - of words
    return str(value)
