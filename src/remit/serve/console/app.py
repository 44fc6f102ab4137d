"""The console as an ASGI app: routes, and the way from a request to a view and back.

It stands behind ``serve/edge``, which says who asks and has checked the form's token (CSRF) of every write.
"""

from __future__ import annotations

import logging
import math
import secrets
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from remit.bootstrap import Runtime
from remit.kernel import correlation
from remit.kernel.errors import (
    BudgetExceeded,
    Conflict,
    Denied,
    InternalError,
    InvalidInput,
    NotFound,
    RateLimited,
    RemitError,
    Unauthenticated,
    Unavailable,
    UserError,
    row_of,
)
from remit.serve.console import preferences
from remit.serve.console.asking import NOTHING, Ask, caller_of, now_of, orderer_of, problem_of
from remit.serve.console.entry import ACCOUNT, SIGN_IN, Entry
from remit.serve.console.frame import Frame, read_frame
from remit.serve.console.page import JSON, Form, Page, Shown, View, as_json, stamp_of, wants_json
from remit.serve.console.pages import FORMS, PAGES
from remit.serve.console.refill import refilled
from remit.serve.console.rendering import Templates
from remit.serve.console.security import Policed
from remit.serve.console.static_files import read_files
from remit.serve.console.way_out import way_out
from remit.serve.edge.identity import Caller
from remit.serve.edge.problems import status_of
from remit.serve.edge.responses import Responses

_log = logging.getLogger(__name__)

_NO_STORE = {"Cache-Control": "no-store"}
#: After these the page comes back with what was typed: it can be mended there, or sent once more.
_AGAIN = (UserError, Conflict, Unauthenticated, RateLimited, BudgetExceeded, Unavailable)


def console_of(
    runtime: Runtime,
    *,
    pages: Sequence[Page] = PAGES,
    forms: Sequence[Form] = FORMS,
    routes: Sequence[Route] = (),
    nonce: Callable[[], str] = lambda: secrets.token_urlsafe(16),
    responses: Responses | None = None,
) -> ASGIApp:
    """The console over a runtime, which must stay open as long as it answers.

    Args:
        runtime: The rooms.
        pages: What can be looked at.
        forms: What can be ordered.
        routes: More, with answers of their own (downloads, streams).
        nonce: Makes a nonce; each must be unguessable.
        responses: The answers that the API beside it keeps; ``None``: it keeps those of nobody.
    """
    console = _Console(runtime, pages, responses)
    router = console.router(forms, routes)
    known = [(method, each.path) for each in router.routes if isinstance(each, Route) for method in each.methods or ()]
    return Policed(Suffixed(Refusals(router, console.refused)), nonce=nonce, routes=known)


class Suffixed:
    """ASGI: ``/approvals.json`` is ``/approvals``, asked for as JSON."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] == "http" and scope["path"].endswith(".json") and not scope["path"].startswith("/static/"):
            scope = {**scope, "path": scope["path"][:-5] or "/", "state": {**scope.get("state", {}), "json": True}}
        await self._app(scope, receive, send)


class Refusals:
    """ASGI: tells whoever was turned away at the edge (``state["refused"]``) in the console's own words."""

    def __init__(self, app: ASGIApp, tell: Callable[[Request, RemitError], Awaitable[Response]]) -> None:
        self._app = app
        self._tell = tell

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        refused = scope.get("state", {}).get("refused") if scope["type"] == "http" else None
        if isinstance(refused, RemitError):
            answer = await self._tell(Request(scope, receive), refused)
            await answer(scope, receive, send)
        else:
            await self._app(scope, receive, send)


class _Console:
    """Answers requests."""

    def __init__(self, runtime: Runtime, pages: Sequence[Page], responses: Responses | None) -> None:
        self._runtime = runtime
        self._responses = responses
        self._pages = pages
        self._files = read_files()
        self._templates = Templates(self._files)

    def router(self, forms: Sequence[Form], routes: Sequence[Route]) -> Router:
        """Every route."""
        return Router(
            [
                *(Route(page.path, self._safe(self._page, page), methods=["GET"]) for page in self._pages),
                *(Route(form.path, self._safe(self._form, form), methods=["POST"]) for form in forms),
                Route(preferences.PATH, preferences.keep, methods=["POST"]),
                Route("/static/{version}/{path:path}", self._files.answer, methods=["GET"]),
                *Entry(self._runtime, self._templates).routes(),
                *routes,
            ],
            redirect_slashes=False,
            default=self._nowhere,
        )

    def _safe[T](
        self, answer: Callable[[Request, T], Awaitable[Response]], what: T
    ) -> Callable[[Request], Awaitable[Response]]:
        """``answer`` for ``what``; whatever goes wrong is a page, too."""

        async def answered(request: Request) -> Response:
            try:
                return await answer(request, what)
            except RemitError as error:
                return await self._failed(request, error)
            except Exception:  # noqa: BLE001 - whatever it was, the reader gets a page and the log the trace
                _log.exception("a page of the console could not be made")
                return await self._failed(request, InternalError("This page could not be made."))

        return answered

    async def _page(self, request: Request, page: Page) -> Response:
        ask = self._ask(request, caller_of(request.scope, about_self=page.about_self))
        view = await page.show(ask)
        if wants_json(request):
            return Response(as_json(view), media_type=JSON, headers=_NO_STORE)
        known = request.headers.get("remit-stamp")
        if page.live and known is not None:
            return await self._changed(request, ask, view, known)
        return await self._html(request, page, ask, view)

    async def _changed(self, request: Request, ask: Ask, view: View, known: str) -> Response:
        """To a live page that asks whether anything has changed: nothing, or the sentence that says so."""
        if stamp_of(view) == known:
            return Response(status_code=204, headers=_NO_STORE)
        address = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        gone = str(getattr(view, "gone", ""))
        context = {"now_us": ask.now_us, "nonce": request.state.nonce, "address": address, "view": view, "gone": gone}
        answer = _html(self._templates.render("gone.html" if gone else "changed.html", context))
        if gone:  # what the page was for is over: a notice stands in its place
            answer.headers["HX-Retarget"] = "#main"
            answer.headers["HX-Reswap"] = "innerHTML"
        return answer

    async def _form(self, request: Request, form: Form) -> Response:
        ask = self._ask(request, orderer_of(request.scope, about_self=form.again.about_self))
        async with request.form(max_files=0, max_fields=form.most) as sent:
            # Browsers send line ends as CR LF, whatever stood in the page.
            typed = {name: value.replace("\r\n", "\n") for name, value in sent.items() if isinstance(value, str)}
        ask = replace(ask, form=typed)
        try:
            given = await form.order(ask)
        except (*_AGAIN, Denied) as error:
            if not isinstance(error, _AGAIN) and error.code not in form.about:
                raise
            return await self._again(request, form, ask, error)
        if isinstance(given, Shown):
            return self._once(request, ask, given)
        if not given:  # nothing was ordered: what was typed is only looked at
            return await self._html(request, form.again, ask, await form.again.show(ask))
        return RedirectResponse(given, 303)

    async def _again(self, request: Request, form: Form, ask: Ask, error: RemitError) -> Response:
        """The form's page with what was typed, and why the order was not taken.

        Who may not even look at it, or has come for something that is not there, is told that and no more. Somebody
        signed in whose password was not right stays so: what they typed was wrong.
        """
        again = replace(ask, problem=problem_of(error, about=form.about))
        try:
            view = await form.again.show(again)
        except RemitError:
            raise error from None
        status = row_of(InvalidInput).http if isinstance(error, Unauthenticated) else status_of(error)
        return await self._html(request, form.again, again, view, status=status)

    def _once(self, request: Request, ask: Ask, shown: Shown) -> Response:
        """What an order made, in the answer to it. It is kept nowhere."""
        context = {
            "theme": preferences.chosen(request).theme,
            "now_us": ask.now_us,
            "nonce": request.state.nonce,
            "csrf_token": ask.caller.csrf,
            "view": shown,
            "secrets": (_origin(ask, request) + shown.path,) if shown.path else shown.secrets,
        }
        return _html(self._templates.render("once.html", context))

    def _ask(self, request: Request, caller: Caller) -> Ask:
        return Ask(
            self._runtime,
            caller,
            path=dict(request.path_params),
            query=dict(request.query_params),
            now_us=now_of(self._runtime),
            responses=self._responses,
        )

    async def _html(self, request: Request, page: Page, ask: Ask, view: View, *, status: int = 200) -> Response:
        chosen = preferences.chosen(request)
        pages = self._pages
        frame = await self._runtime.store.read(
            lambda tx: read_frame(tx, ask, pages, theme=chosen.theme, keys=chosen.keys)
        )
        stamp = stamp_of(view) if page.live else ""
        context = _context(request, ask, frame, page=page, view=view, stamp=stamp)
        text = self._templates.render(page.template, context)
        if ask.problem is not None:
            told = bool(getattr(view, "told", False))
            text = refilled(text, action=request.url.path, typed=ask.form, problem=ask.problem, told=told)
        return _html(text, status)

    async def refused(self, request: Request, error: RemitError) -> Response:
        """The page of a refusal by the edge."""
        return await self._failed(request, error)

    async def _failed(self, request: Request, error: RemitError) -> Response:
        """What went wrong, as a page of its own (or JSON); who is not signed in is sent to do so."""
        if wants_json(request):
            body = {"status": error.row.http, "code": error.code, "title": error.message, "hint": error.hint}
            return Response(
                as_json({**body, "request_id": correlation.current().request_id}),
                error.row.http,
                media_type="application/problem+json",
                headers=_NO_STORE,
            )
        if isinstance(error, Unauthenticated):
            here = request.url.path if request.method == "GET" else "/"
            return RedirectResponse(f"{SIGN_IN}?next={quote(here, safe='/')}", 303)
        if error.code == "console.scope" and request.method == "GET":
            return RedirectResponse(ACCOUNT, 303)  # a second factor must be set up there before anything else
        chosen = preferences.chosen(request)
        context = {
            "view": error,
            "theme": chosen.theme,
            "now_us": now_of(self._runtime),
            "nonce": request.state.nonce,
            "request_id": correlation.current().request_id,
            "wait_s": math.ceil(getattr(error, "retry_after", None) or 0),
            "way": way_out(error, self._pages, path=request.url.path, read=request.method == "GET"),
        }
        return _html(self._templates.render("failed.html", context), status_of(error))

    async def _nowhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        message = "There is no page at this address."
        answer = await self._failed(request, NotFound(message, hint="go to the start page: /"))
        await answer(scope, receive, send)


def _origin(ask: Ask, request: Request) -> str:
    """The install's public address, else where this was asked (the edge knows the names it goes by)."""
    return (ask.runtime.settings.public_url or str(request.base_url)).rstrip("/")


def _context(request: Request, ask: Ask, frame: Frame, *, page: Page, view: View, stamp: str) -> Mapping[str, object]:
    # A page that a form has led back to stands at the form's address, which can't be asked for.
    here = request.url.path if request.method == "GET" else quote(page.path.format(**ask.path))
    return {
        "view": view,
        "frame": frame,
        "page": page,
        "stamp": stamp,
        "here": here,
        "origin": _origin(ask, request),
        "address": here + (f"?{request.url.query}" if request.url.query else ""),
        "now_us": ask.now_us,
        "nonce": request.state.nonce,
        "typed": ask.form or NOTHING,
        "problem": ask.problem,
    }


def _html(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="text/html", headers=_NO_STORE)
