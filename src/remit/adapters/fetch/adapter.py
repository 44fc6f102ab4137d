"""Performs ``Fetch`` effects: every address judged, every hop rechecked, everything within one bound of time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from remit.adapters.fetch.hooks import Clean, Label, Secret
from remit.guard.fetching import FetchTerms
from remit.guard.fetching_hops import Host
from remit.kernel.action import Action
from remit.kernel.effects import Fetch
from remit.kernel.errors import Failed, InternalError, Timeout
from remit.kernel.mission import Outcome

if TYPE_CHECKING:
    import ssl

    from remit.adapters.fetch.backend import Dial
    from remit.adapters.fetch.resolving import Resolve


#: When to come back after the whole time was used: later than any patience within a permit waits, so that the bound
#: holds for the action and not for each of its attempts.
LATER_S = 600.0


def _no_secrets(_action: Action, text: str) -> str:
    message = f"The reference {text} leads nowhere: this install keeps no secrets."
    raise Failed(message, code="fetch.secret", hint="fetch without that header")


class FetchAdapter:
    """One for each process.

    Args:
        secret: Resolves references in headers, at the last moment.
        clean: Masks what nobody should read in a page's text.
        label: What a page's text (given with its address) is told to be: where it is from, and what it seems to try.
        resolve: Names to addresses; the system's when left out. Tests bring their own.
        dial: Addresses to sockets; the system's when left out. Tests bring their own.
    """

    def __init__(
        self,
        *,
        secret: Secret = _no_secrets,
        clean: Clean | None = None,
        label: Label | None = None,
        resolve: Resolve | None = None,
        dial: Dial | None = None,
    ) -> None:
        self.host: Host | None = None  # the guard, which is made with this adapter and so after it
        self.secret = secret
        self.clean = clean
        self.label = label
        self._resolve = resolve
        self._dial = dial
        self._trust: tuple[str, ssl.SSLContext] | None = None

    async def perform(self, action: Action) -> Outcome:
        """Read it once; redirects and robots.txt included.

        The value tells ``url`` (where the page was in the end), ``status``, ``type``, ``charset``, ``bytes``,
        ``address``, ``redirects``, ``robots``, ``headers`` (a few) and ``provenance``; the text is the page.

        Raises:
            Denied: An address that may not be reached, or a hop that the guard refuses.
            Failed: An answer that is none, too large, or not text.
            Unavailable: No connection, or the server asks to come back later (``Timeout``: too slow).
        """
        effect = action.effect
        if not isinstance(effect, Fetch) or self.host is None:
            message = f"the fetch adapter was handed a {action.kind} effect" if self.host else "no guard behind it"
            raise InternalError(message)
        from remit.adapters.fetch import backend, client, resolving
        from remit.adapters.fetch.reading import Reading

        terms = self.host.fetching
        network = client.Network(self._resolve or resolving.resolve, self._dial or backend.dial, self._trusting(terms))
        limit = asyncio.timeout(terms.timeout_s)
        try:
            async with limit:
                return await Reading(self, action, effect, host=self.host, network=network).run()
        except TimeoutError as error:
            if not limit.expired():
                raise
            message = f"The fetch took longer than {terms.timeout_s:g} s in all and was given up."
            raise Timeout(message, code="fetch.timeout", hint="fetch it again later", retry_after=LATER_S) from error

    def _trusting(self, terms: FetchTerms) -> ssl.SSLContext:
        from remit.adapters.fetch.client import trusting

        if self._trust is None or self._trust[0] != terms.ca_file:
            self._trust = terms.ca_file, trusting(terms)
        return self._trust[1]
