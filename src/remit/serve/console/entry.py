"""The pages before anybody is known: signing in, a first password, joining with an invitation, signing out.

They set cookies, so they answer for themselves. No page says whether there is such an account. A link's token stands
behind ``#`` in its address, so that no server or log sees it on the way; a small script puts it into the form, and who
has no scripts pastes it there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from remit.accounts.entrance import Visit
from remit.accounts.links import join, use_link
from remit.accounts.oidc import arrived, depart, sign_in_verified
from remit.accounts.resets import MINUTE_US, RESET_US, ask_reset
from remit.accounts.sessions import SessionKind, end_session
from remit.accounts.signing_in import Challenge, Signed, refused, sign_in, sign_in_with_code
from remit.bootstrap import Runtime
from remit.kernel.clock import micros_of
from remit.kernel.errors import RemitError, Unavailable
from remit.serve.console import preferences
from remit.serve.console.asking import problem_of
from remit.serve.console.refill import refilled
from remit.serve.console.rendering import Templates
from remit.serve.edge.identity import caller_of
from remit.serve.edge.session_cookie import FORGET, no_session_cookie, session_cookie
from remit.settings import words

SIGN_IN = "/sign-in"
FORGOTTEN = "/sign-in/forgotten"
ACCOUNT = "/account"
RETURN = "/oidc/callback"
_NOTE = "remit_oidc"  # what a browser carries to the provider and back
_FIELDS = 12
#: The fields that errors are about, by their codes.
_ABOUT = {
    "accounts.person": "user",
    "accounts.taken": "user",
    "accounts.invitation_refused": "token",
    "sign_in.link": "token",
    "sign_in.refused": "password",
}

type Answer = Callable[[Request], Awaitable[Response]]


class Entry:
    """Answers them.

    Args:
        runtime: The open Remit.
        templates: The console's.
    """

    def __init__(self, runtime: Runtime, templates: Templates) -> None:
        self._runtime = runtime
        self._templates = templates

    def routes(self) -> list[Route]:
        """Every one."""
        return [
            Route(SIGN_IN, self._sign_in_page, methods=["GET"]),
            Route(SIGN_IN, self._sign_in, methods=["POST"]),
            Route(f"{SIGN_IN}/code", self._code, methods=["POST"]),
            Route(FORGOTTEN, self._link_page("forgotten.html"), methods=["GET"]),
            Route(FORGOTTEN, self._forgotten, methods=["POST"]),
            Route("/set-up", self._link_page("set_up.html"), methods=["GET"]),
            Route("/set-up", self._set_up, methods=["POST"]),
            Route("/join", self._link_page("join.html"), methods=["GET"]),
            Route("/join", self._join, methods=["POST"]),
            Route("/sign-out", self._sign_out, methods=["POST"]),
            Route("/oidc/start", self._depart, methods=["GET"]),
            Route(RETURN, self._arrive, methods=["GET"]),
        ]

    async def _sign_in_page(self, request: Request) -> Response:
        caller = caller_of(request.scope)
        following = preferences.own(request.query_params.get("next", "/"))
        if caller.via == "session":
            return RedirectResponse(following, 303)
        return self._show(request, "sign_in.html", following=following)

    async def _sign_in(self, request: Request) -> Response:
        typed = await _typed(request)
        following = preferences.own(typed.get("next", "/"))
        try:
            found = await sign_in(
                self._runtime.entrance,
                typed.get("user", ""),
                typed.get("password", ""),
                workspace=self._runtime.settings.workspace,
                visit=_visit(request),
                kind=SessionKind.CONSOLE,
            )
        except RemitError as error:
            return self._show(request, "sign_in.html", following=following, typed=typed, error=error)
        return self._go_on(request, found, following)

    async def _code(self, request: Request) -> Response:
        typed = await _typed(request)
        following, note = preferences.own(typed.get("next", "/")), typed.get("note", "")
        try:
            found = await sign_in_with_code(self._runtime.entrance, note, typed.get("code", ""), visit=_visit(request))
        except RemitError as error:
            about = {"sign_in.refused": "code"}
            return self._show(
                request, "code.html", following=following, note=note, typed=typed, error=error, about=about
            )
        return self._go_on(request, found, following)

    async def _forgotten(self, request: Request) -> Response:
        typed = await _typed(request)
        workspace = self._runtime.settings.workspace
        try:
            await ask_reset(self._runtime.entrance, typed.get("user", ""), workspace=workspace, visit=_visit(request))
        except RemitError as error:
            return self._show(request, "forgotten.html", typed=typed, error=error)
        return self._show(request, "forgotten.html", asked=True)

    def _link_page(self, template: str) -> Answer:
        async def shown(request: Request) -> Response:
            return self._show(request, template)

        return shown

    async def _set_up(self, request: Request) -> Response:
        typed = await _typed(request)
        try:
            found = await use_link(
                self._runtime.entrance, typed.get("token", ""), typed.get("password", ""), visit=_visit(request)
            )
        except RemitError as error:
            return self._show(request, "set_up.html", typed=typed, error=error)
        return self._go_on(request, found, "/")

    async def _join(self, request: Request) -> Response:
        typed = await _typed(request)
        try:
            found = await join(
                self._runtime.entrance,
                typed.get("token", ""),
                typed.get("user", ""),
                typed.get("password", ""),
                workspace=self._runtime.settings.workspace,
                visit=_visit(request),
                name=typed.get("name", ""),
            )
        except RemitError as error:
            return self._show(request, "join.html", typed=typed, error=error)
        return self._go_on(request, found, "/")

    async def _sign_out(self, request: Request) -> Response:
        caller = caller_of(request.scope)
        if caller.via == "session":
            try:
                await end_session(
                    self._runtime.entrance, caller.session, workspace=caller.workspace, by=caller.principal
                )
            except Unavailable as error:
                return self._show(request, "sign_in.html", error=error)
        gone = RedirectResponse(SIGN_IN, 303, headers=FORGET)
        gone.headers.append("set-cookie", no_session_cookie(self._runtime.settings))
        return gone

    async def _depart(self, request: Request) -> Response:
        entrance = self._runtime.entrance
        following = preferences.own(request.query_params.get("next", "/"))
        departure, note = depart(entrance, following=following, invitation=request.query_params.get("invitation", ""))
        try:
            if entrance.provider is None:
                raise refused("There is no provider to sign in by here.")
            address = await entrance.provider.address(departure, redirect=self._return(request))
        except RemitError as error:
            return self._show(request, "sign_in.html", following=following, error=error)
        gone = RedirectResponse(address, 303, headers={"Cache-Control": "no-store"})
        gone.headers.append("set-cookie", self._carried(note, seconds=600))
        return gone

    async def _arrive(self, request: Request) -> Response:
        entrance, query = self._runtime.entrance, request.query_params
        following = "/"
        try:
            note = request.cookies.get(self._note_name(), "")
            departure, told = arrived(entrance, note, query.get("state", ""))
            following = told["following"]
            issuer = self._runtime.settings.oidc_issuer
            if entrance.provider is None or "code" not in query or query.get("iss", issuer) != issuer:
                raise refused("Your provider did not sign you in.")  # RFC 9207: or it was another one that answered
            verified = await entrance.provider.verify(query["code"], departure, redirect=self._return(request))
            found = await sign_in_verified(
                entrance,
                verified,
                workspace=self._runtime.settings.workspace,
                visit=_visit(request),
                domains=frozenset(words(self._runtime.settings.oidc_domains)),
                invitation=told["invitation"],
            )
        except RemitError as error:
            answer = self._show(request, "sign_in.html", following=following, error=error)
        else:
            answer = self._go_on(request, found, following)
        answer.headers.append("set-cookie", self._carried("", seconds=0))
        return answer

    def _return(self, request: Request) -> str:
        own = self._runtime.settings.public_url or f"{request.url.scheme}://{request.url.netloc}"
        return own + RETURN

    def _note_name(self) -> str:
        return f"__Host-{_NOTE}" if self._runtime.settings.production else _NOTE

    def _carried(self, note: str, *, seconds: int) -> str:
        more = "; Secure" if self._runtime.settings.production else ""
        return f"{self._note_name()}={note}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{more}"

    def _go_on(self, request: Request, found: Signed | Challenge, following: str) -> Response:
        if isinstance(found, Challenge):
            return self._show(request, "code.html", following=following, note=found.note)
        answer = RedirectResponse(ACCOUNT if found.limited else quote(following, safe="/?&=%"), 303)
        answer.headers.append("set-cookie", session_cookie(found.cookie, self._runtime.settings))
        return answer

    def _show(
        self,
        request: Request,
        template: str,
        *,
        following: str = "/",
        note: str = "",
        typed: Mapping[str, str] | None = None,
        error: RemitError | None = None,
        asked: bool = False,
        about: Mapping[str, str] | None = None,
    ) -> Response:
        context = {
            "theme": preferences.chosen(request).theme,
            "now_us": micros_of(self._runtime.clock.now()),
            "nonce": request.state.nonce,
            "provider": bool(self._runtime.settings.oidc_issuer),
            "workspace": self._runtime.settings.workspace,
            "following": following,
            "note": note,
            "error": error,
            "mails": self._runtime.entrance.resets is not None,
            "minutes": RESET_US // MINUTE_US,
            "asked": asked,
        }
        text = self._templates.render(template, context)
        status = 200 if error is None else error.row.http
        if error is not None:
            problem = replace(problem_of(error, about={**_ABOUT, **(about or {})}), hint="")  # hints are for a terminal
            text = refilled(text, action=request.url.path, typed=typed or {}, problem=problem)
        return Response(text, status, media_type="text/html", headers={"Cache-Control": "no-store"})


async def _typed(request: Request) -> Mapping[str, str]:
    async with request.form(max_files=0, max_fields=_FIELDS) as sent:
        return {name: value for name, value in sent.items() if isinstance(value, str)}


def _visit(request: Request) -> Visit:
    return Visit(caller_of(request.scope).address, request.headers.get("user-agent", ""))
