"""What is shown once, in the answer to the order that made it: an API key, a second factor's seed, a link.

These pages are never stored: there is no address at which they could be looked at again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from remit.accounts.api_keys import create_api_key
from remit.accounts.entrance import Visit
from remit.accounts.invitations import invite
from remit.accounts.links import make_link
from remit.accounts.roles import Permission, Role
from remit.accounts.signing_in import set_factor_up
from remit.accounts.totp import confirm_factor
from remit.bootstrap import Runtime
from remit.kernel.clock import micros_of
from remit.kernel.errors import Denied, InvalidInput, RemitError
from remit.serve.console import preferences
from remit.serve.console.asking import caller_of
from remit.serve.console.pages import keys as gateway_keys
from remit.serve.console.rendering import Templates
from remit.serve.edge.identity import Caller

_FIELDS = 20

type Typed = Mapping[str, str]


class Once:
    """Answers these orders with a page.

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
            Route("/account/api-keys", self._order(self._key), methods=["POST"]),
            Route("/account/factor", self._order(self._factor), methods=["POST"]),
            Route("/account/factor/confirm", self._order(self._confirm), methods=["POST"]),
            Route("/people/invite", self._order(self._invite), methods=["POST"]),
            Route("/keys", self._order(self._gateway_key), methods=["POST"]),
            Route("/keys/{id}/rotate", self._order(self._new_token), methods=["POST"]),
            Route("/people/{user}/link", self._order(self._link), methods=["POST"]),
        ]

    def _order(
        self, give: Callable[[Caller, Typed], Awaitable[Mapping[str, object]]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def answered(request: Request) -> Response:
            status, shown = 200, dict[str, object]()
            error: RemitError | None = None
            caller: Caller | None = None
            try:
                caller = caller_of(request.scope, about_self=True)
                async with request.form(max_files=0, max_fields=_FIELDS) as sent:
                    typed = {name: value for name, value in sent.items() if isinstance(value, str)}
                shown = dict(await give(caller, {**request.path_params, **typed}))
            except RemitError as raised:
                error, status = raised, raised.row.http
            context = {
                "theme": preferences.chosen(request).theme,
                "now_us": micros_of(self._runtime.clock.now()),
                "nonce": request.state.nonce,
                "csrf_token": "" if caller is None else caller.csrf,
                "error": error,
                "back": f"/{place}" if (place := request.url.path.split("/")[1]) in {"people", "keys"} else "/account",
                "title": "That was not done",
                "lead": "",
                "secrets": (),
                "picture": "",
                "confirm": False,
                **shown,
            }
            text = self._templates.render("once.html", context)
            return Response(text, status, media_type="text/html", headers={"Cache-Control": "no-store"})

        return answered

    async def _key(self, caller: Caller, typed: Typed) -> Mapping[str, object]:
        scopes = [permission.value for permission in Permission if f"scope-{permission.value}" in typed]
        if not set(scopes) <= caller.scopes:
            message = "Your session does not open that."
            raise Denied(message, code="api.scope", hint="set up your second factor first")
        made = await create_api_key(
            self._runtime.entrance,
            typed.get("name", ""),
            workspace=caller.workspace,
            by=caller.principal,
            scopes=scopes,
            days=_number(typed.get("days", "")),
        )
        lead = "Keep it where your program reads it, and send it as Authorization: Bearer. It is not shown again."
        return {"title": f"The API key {made.name}", "lead": lead, "secrets": (made.token,)}

    async def _gateway_key(self, caller: Caller, typed: Typed) -> Mapping[str, object]:
        return await gateway_keys.made(self._runtime, _administers(caller), typed)

    async def _new_token(self, caller: Caller, typed: Typed) -> Mapping[str, object]:
        return await gateway_keys.rotated(self._runtime, _administers(caller), typed)

    async def _factor(self, caller: Caller, typed: Typed) -> Mapping[str, object]:
        made = await set_factor_up(
            self._runtime.entrance,
            typed.get("password", ""),
            workspace=caller.workspace,
            by=caller.principal,
            visit=Visit(caller.address),
        )
        return {
            "title": "Set up your second factor",
            "lead": "Scan this with your authenticator app, or type the key. Then type the code that the app shows.",
            "secrets": (made.secret,),
            "picture": Markup(made.svg()),  # noqa: S704 - drawn by us, out of our own address
            "confirm": True,
        }

    async def _confirm(self, caller: Caller, typed: Typed) -> Mapping[str, object]:
        codes = await confirm_factor(
            self._runtime.entrance,
            typed.get("code", ""),
            workspace=caller.workspace,
            by=caller.principal,
            session=caller.session,
        )
        lead = "Keep these recovery codes in another place: each is good once, in place of a code of your app."
        return {"title": "Your second factor is on", "lead": lead, "secrets": tuple(codes)}

    async def _link(self, caller: Caller, typed: Typed) -> Mapping[str, object]:
        made = await make_link(
            self._runtime.entrance,
            typed["user"],
            workspace=caller.workspace,
            by=_administers(caller).principal,
            factor="lost" not in typed,
        )
        lead = f"With this link {made.person} sets a password, once, within an hour. It is not shown again."
        return {"title": f"A link for {made.person}", "lead": lead, "secrets": (self._address(made.path()),)}

    async def _invite(self, caller: Caller, typed: Typed) -> Mapping[str, object]:
        role = typed.get("role", "")
        if role not in {each.value for each in Role}:
            message = "Choose a role."
            raise InvalidInput(message, code="accounts.role", hint="owner, admin, member or viewer")
        made = await invite(
            self._runtime.store,
            typed.get("team", ""),
            workspace=caller.workspace,
            email=typed.get("email", ""),
            role=Role(role),
            by=_administers(caller).principal,
            clock=self._runtime.clock,
            rand=self._runtime.entrance.rand,
        )
        lead = f"Send this link to {made.email}. It lets one person join {made.team}, within seven days."
        return {
            "title": f"An invitation into {made.team}",
            "lead": lead,
            "secrets": (self._address(f"/join#{made.token}"),),
        }

    def _address(self, path: str) -> str:
        return (self._runtime.settings.public_url or "http://127.0.0.1:4100") + path


def _administers(caller: Caller) -> Caller:
    if not caller.opens(Permission.ADMIN.value):
        message = "Your session does not open that."
        raise Denied(message, code="api.scope", hint="set up your second factor first")
    return caller


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0  # noqa: PLR2004 - digits
