"""What a provider, a name or a model may look like, before it is written anywhere. Each refusal says what to do."""

from __future__ import annotations

import re
import secrets

from remit.kernel.addresses import PLATFORMS
from remit.kernel.errors import InvalidInput
from remit.kernel.references import SCHEME, parse
from remit.kernel.urls import UnreadableUrl, Url, read_url
from remit.models.catalogue import AUTO, DEFAULT, LONGEST_NAME, Provider, ProviderKind
from remit.redact.likely import drawn
from remit.redact.redactor import Redactor

#: Where the makers' own interfaces are.
HOMES = {
    ProviderKind.OPENAI: "https://api.openai.com/v1",
    ProviderKind.ANTHROPIC: "https://api.anthropic.com/v1",
}
MOST_WEIGHT = 1_000_000
MOST_ORDER = 1000
MOST_CONTEXT = 100_000_000
MOST_HEADERS = 20
LONGEST_HEADER = 1024

_PROVIDER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_PUBLIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")
_MODEL = re.compile(r"[\x21-\x7e]{1,200}")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,64}")
_VALUE = re.compile(r"[\x20-\x7e]*")
#: What belongs to one connection, or is set by Remit.
_NOT_OURS = frozenset(
    {"host", "content-length", "content-type", "content-encoding", "transfer-encoding", "connection", "accept-encoding"}
) | {"cookie", "te", "trailer", "upgrade", "keep-alive", "expect", "proxy-connection"}
_CREDENTIAL = re.compile(r"auth|key|token|secret|password|credential|signature", re.IGNORECASE)
_KINDS_ONLY = Redactor(secrets.token_bytes(16))  # knows the forms of keys; its masks' suffixes mean nothing


def provider_name(name: str) -> str:
    """A provider's name.

    Raises:
        InvalidInput: It is none.
    """
    if not _PROVIDER.fullmatch(name) or name in {AUTO, DEFAULT}:
        message = f"{name[:64]!r} is no name of a provider: lower-case letters, digits and . _ -, at most 64."
        raise InvalidInput(message, code="models.name", hint="remit providers add --help")
    return name


def public_name(name: str) -> str:
    """A name that callers may ask for.

    Raises:
        InvalidInput: It is none, or one that means something else (``auto``, ``default``).
    """
    taken = name == DEFAULT or name.partition(":")[0] == AUTO
    if taken or not _PUBLIC.fullmatch(name):
        why = "it has a meaning of its own" if taken else "letters, digits and . _ : / @ + -, at most 128"
        message = f"{name[:64]!r} can be no model's name: {why}."
        raise InvalidInput(message, code="models.name", hint="remit models add --help")
    return name


def model_name(name: str) -> str:
    """A provider's own name of a model.

    Raises:
        InvalidInput: It is none.
    """
    if not _MODEL.fullmatch(name) or len(name) > LONGEST_NAME - 66:
        message = f"{name[:64]!r} can be no provider's name of a model: printable, no spaces, at most 134 characters."
        raise InvalidInput(message, code="models.name", hint="remit models add --help")
    return name


def target_of(text: str) -> tuple[str, str]:
    """``provider/model`` in its two parts.

    Raises:
        InvalidInput: It has no slash, or a part that can't be.
    """
    provider, slash, model = text.partition("/")
    if not slash:
        message = f"{text[:64]!r} names no provider: write PROVIDER/MODEL."
        raise InvalidInput(message, code="models.name", hint="remit providers list")
    return provider_name(provider), model_name(model)


def within(number: int, most: int, what: str, *, least: int = 0) -> int:
    """A number between two bounds.

    Raises:
        InvalidInput: It isn't.
    """
    if not least <= number <= most:
        message = f"The {what} {number} is not between {least} and {most:,}."
        raise InvalidInput(message, code="models.number", hint="remit models add --help")
    return number


def check_provider(provider: Provider, *, plain_key: bool = False) -> Provider:
    """A provider as it may be kept: its address in one spelling, its key a reference.

    Args:
        provider: As it was written.
        plain_key: Whether its key may cross a network unencrypted, because somebody said so.

    Raises:
        InvalidInput: Something is wrong; the message repeats no key.
    """
    provider_name(provider.name)
    key = check_key(provider.key, provider.name)
    url = _base_url(provider.base_url, provider.kind)
    headers = tuple(_header(name, value) for name, value in provider.headers)
    if len(headers) > MOST_HEADERS or len({name for name, _ in headers}) < len(headers):
        message = f"A provider has at most {MOST_HEADERS} headers, each once."
        raise InvalidInput(message, code="models.header", hint="remit providers add --help")
    credential = bool(key) or any(SCHEME in value for _, value in headers)
    if credential and url.scheme == "http" and not plain_key and not _is_here(url):
        message = f"The key would cross the network to {url.host} unencrypted, and anybody on the way could read it."
        hint = "write https://, leave the key out, or say --plain-key"
        raise InvalidInput(message, code="models.plain_key", hint=hint)
    return Provider(
        provider.workspace,
        provider.name,
        provider.kind,
        str(url).rstrip("/"),
        key,
        headers,
        provider.status,
    )


def check_key(key: str, name: str) -> str:
    """A reference to a key, or nothing.

    Raises:
        InvalidInput: A literal key; it is not repeated.
    """
    if not key:
        return ""
    hint = f"keep it with `remit secrets set {name}-key`, then give --key {SCHEME}{name}-key"
    try:
        placed = parse(key)
    except InvalidInput as error:
        raise InvalidInput(error.message, code="models.key", hint=hint) from None
    if placed is None or placed.word:
        message = "A provider's key is a reference to a secret, never the key itself: it would stand in the store."
        raise InvalidInput(message, code="models.key", hint=hint)
    return key


def _base_url(text: str, kind: ProviderKind) -> Url:
    if not text:
        text = HOMES.get(kind, "")
        if not text:
            message = "A compatible provider needs its address, with the version: http://127.0.0.1:11434/v1"
            raise InvalidInput(message, code="models.base_url", hint="add --base-url URL")
    try:
        url = read_url(text)
    except UnreadableUrl as error:
        raise _bad_url(str(error)) from None
    if "?" in text or "#" in text:
        raise _bad_url("it has a query or a fragment; what identifies you belongs in --key or --header")
    if url.literal:
        import ipaddress  # noqa: PLC0415 - few addresses are numbers

        address = ipaddress.ip_address(url.host)
        for block, what in PLATFORMS.items():
            if address in ipaddress.ip_network(block):
                raise _bad_url(f"{url.host} is {what}")
        if address.is_link_local or address.is_multicast or address.is_unspecified:
            raise _bad_url(f"{url.host} is no address of a service")
    return url


def _bad_url(why: str) -> InvalidInput:
    # The address itself may hold a credential, so it is not repeated.
    message = f"The address can't be a provider's: {why}."
    return InvalidInput(message, code="models.base_url", hint="write --base-url https://HOST/v1")


def _is_here(url: Url) -> bool:
    if not url.literal:
        return url.host == "localhost"
    import ipaddress  # noqa: PLC0415 - as above

    return ipaddress.ip_address(url.host).is_loopback


def _header(name: str, value: str) -> tuple[str, str]:
    hint = "write --header NAME=VALUE; credentials as secret://NAME"
    lower = name.lower()
    fit = _HEADER.fullmatch(name) and _VALUE.fullmatch(value) and len(value) <= LONGEST_HEADER
    if not fit or lower in _NOT_OURS:
        message = f"The header {name[:40]!r} can't be set for a provider."
        raise InvalidInput(message, code="models.header", hint=hint)
    placed = parse(value)
    if placed is None and (_CREDENTIAL.search(name) or not _KINDS_ONLY.clean(value) or any(map(drawn, value.split()))):
        message = f"The header {name[:40]!r} is or holds a credential: its value must be a reference to a secret."
        raise InvalidInput(message, code="models.header", hint=hint)
    return lower, value
