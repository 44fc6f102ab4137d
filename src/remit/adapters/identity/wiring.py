"""Putting signing in together from the settings: for ``bootstrap``, which alone calls this."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from functools import partial

from remit.accounts.access_tokens import AccessTokens
from remit.accounts.entrance import Entrance
from remit.accounts.lockout import Tries
from remit.accounts.passwords import Hasher
from remit.accounts.provider import Provider
from remit.accounts.resets import Resets
from remit.accounts.sealing import Box, derived
from remit.accounts.sign_in import SignIn
from remit.accounts.sign_in_terms import SECOND_US, terms_of
from remit.accounts.sign_in_tokens import TokenWord
from remit.accounts.signing import signing_key
from remit.adapters.identity.hashing import ArgonHasher
from remit.kernel.channels import ChannelKind
from remit.kernel.clock import Clock
from remit.kernel.errors import InvalidInput
from remit.kernel.ports import Journal
from remit.kernel.references import parse
from remit.settings import Settings

ISSUER = "remit"
#: Where links lead when nobody said how this install is reached: to whoever is at this machine.
HERE = "http://127.0.0.1:4100"


def make_entrance(
    settings: Settings,
    journal: Journal,
    *,
    home_key: bytes,
    clock: Clock,
    hasher: Hasher | None = None,
    resolve: Callable[[str], str] | None = None,
    register: Callable[[str], object] | None = None,
) -> Entrance:
    """Everything that signing in needs; nothing heavy is loaded until somebody does.

    Args:
        settings: How long what holds, and the signing secret.
        journal: The store.
        home_key: The home's key: what is sealed can't be read without it.
        clock: Wall and monotonic time.
        hasher: Another one than argon2id with OWASP's parameters.
        resolve: Gives what ``secret://NAME`` refers to, masked from then on; blocks.
        register: Has a secret that is read masked from then on; without it no mail is sent.

    Raises:
        InvalidInput: ``oidc_client_secret`` is a reference that can be none.
    """
    terms = terms_of(settings)
    key = signing_key(settings, home_key=home_key)
    tokens = AccessTokens(key, clock=clock, issuer=settings.public_url or ISSUER, seconds=terms.access_us / SECOND_US)
    return Entrance(
        journal=journal,
        clock=clock,
        rand=secrets.token_bytes,
        hasher=hasher or ArgonHasher(),
        sign_in=SignIn(journal, clock, terms=terms, tokens=tokens),
        tries=Tries(journal, clock, key=home_key),
        seeds=Box(home_key, "seeds of second factors"),
        notes=Box(home_key, "notes of a sign-in"),
        refresh_key=derived(home_key, "refresh tokens"),
        workspace=settings.workspace,
        provider=_provider(settings, clock, resolve),
        api_word=TokenWord.LIVE if settings.production else TokenWord.TEST,
        resets=_resets(settings, clock, resolve, register),
    )


def _resets(
    settings: Settings,
    clock: Clock,
    resolve: Callable[[str], str] | None,
    register: Callable[[str], object] | None,
) -> Resets | None:
    channel = next((each for each in settings.notify if each.kind is ChannelKind.EMAIL), None)
    if channel is None or register is None or not settings.reset_by_mail:
        return None
    from remit.adapters.identity.post import SmtpPost

    post = SmtpPost(channel, clock=clock, register=register, resolve=resolve)
    return Resets(post, address=settings.public_url or HERE)


def _provider(settings: Settings, clock: Clock, resolve: Callable[[str], str] | None) -> Provider | None:
    if not settings.oidc_issuer:
        return None
    from remit.adapters.identity.oidc import OpenIdProvider

    said = settings.oidc_client_secret
    refers = parse(said) is not None
    if refers and resolve is None:
        message = "The setting oidc_client_secret refers to a secret, and no source of secrets is set up."
        raise InvalidInput(message, code="sign_in.secret", hint="remit secrets list")
    secret = partial(resolve, said) if refers and resolve is not None else said
    return OpenIdProvider(settings.oidc_issuer, settings.oidc_client_id, secret=secret, clock=clock)
