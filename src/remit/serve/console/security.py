"""What a page may do in a browser, said in its head: nothing but what came with it.

Every response gets a nonce of its own. A fragment's is as fresh as a page's: hx-csp takes the fragment's own nonce,
read from its header, for the page's, and leaves everything else (markup that somebody wrote) inert. Trusted Types let
htmx alone write markup, through a policy of its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CSP = (
    "default-src 'none'; script-src 'self' 'nonce-{}'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types htmx"
)


def policy(nonce: str) -> str:
    """The content security policy of a response with this nonce."""
    return CSP.format(nonce)


class Policed:
    """ASGI: a nonce for each request (``scope["state"]["nonce"]``), and the policy with it on each response.

    ``routes`` says what can be asked of the app, by method and path.
    """

    def __init__(self, app: ASGIApp, *, nonce: Callable[[], str], routes: Sequence[tuple[str, str]] = ()) -> None:
        self._app = app
        self._nonce = nonce
        self.routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        nonce = self._nonce()
        scope.setdefault("state", {})["nonce"] = nonce

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Content-Security-Policy"] = policy(nonce)
                headers.setdefault("Cache-Control", "no-store")
                headers.add_vary_header("Accept, Cookie, HX-Request")
            await send(message)

        await self._app(scope, receive, sending)
