"""Masking nested data: texts, keys, and whatever stands under a key that names a secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Protocol, cast

from remit.redact.span import MASK, mask_token

DEEPEST = 64
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:password|passwd|pwd|passphrase|secret|token|api_?key|private_?key|secret_?key|access_?key|authorization|"
    r"cookie|credentials?|connection_?string|dsn)$"
)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_DIGITS = 4  # a shorter number can't be a registered value


class Masker(Protocol):
    """What ``mask_tree`` needs of a redactor."""

    def mask(self, text: str, *, tier: int = 1) -> str:
        """``text`` without secrets, up to ``tier``."""
        ...

    def suffix(self, value: str) -> str:
        """Four keyed hexadecimal digits."""
        ...


@lru_cache(maxsize=2048)
def names_secret(key: str) -> bool:
    """Whether a key says that its value is a secret: ``X-Api-Key`` and ``accessToken`` do, ``max_tokens`` doesn't."""
    return _SECRET_NAME.search(re.sub(r"[\s.-]", "_", _HUMP.sub("_", key[:200])).lower()) is not None


def mask_tree(value: object, redactor: Masker, *, names: bool, tier: int = 1, depth: int = 0) -> object:
    """``value`` masked; the same object where nothing had to be. Deeper than 64 levels nothing is kept."""
    if depth > DEEPEST:
        return mask_token("depth", "0000")
    match value:
        case Mapping():
            return _mask_mapping(cast("Mapping[object, object]", value), redactor, names=names, tier=tier, depth=depth)
        case list() | tuple() | set() | frozenset():
            return _mask_items(cast("list[object]", value), redactor, names=names, tier=tier, depth=depth)
        case _:
            return _mask_leaf(value, redactor, tier)


def _mask_leaf(value: object, redactor: Masker, tier: int) -> object:
    match value:
        case str():
            return redactor.mask(value, tier=tier)
        case None | bool():
            return value
        case bytes() | bytearray():
            text = value.decode("latin-1")
            masked = redactor.mask(text, tier=tier)
            return value if masked is text else masked.encode("latin-1")
        case _:
            text = str(value)
            masked = redactor.mask(text, tier=tier) if len(text) >= _DIGITS else text
            return value if masked is text and isinstance(value, int | float) else masked


def _mask_items(items: list[object], redactor: Masker, *, names: bool, tier: int, depth: int) -> object:
    masked = [mask_tree(each, redactor, names=names, tier=tier, depth=depth + 1) for each in items]
    if all(after is before for after, before in zip(masked, items, strict=True)):
        return items
    return masked if isinstance(items, list) else tuple(masked)  # pyright: ignore[reportUnnecessaryIsInstance] - sets


def _mask_mapping(mapping: Mapping[object, object], redactor: Masker, *, names: bool, tier: int, depth: int) -> object:
    masked: dict[object, object] = {}
    same = True
    for key, each in mapping.items():
        name = mask_tree(key, redactor, names=names, tier=tier, depth=depth + 1)
        if names and isinstance(key, str) and each is not None and names_secret(key):
            after = _mask_named(each, redactor)
        else:
            after = mask_tree(each, redactor, names=names, tier=tier, depth=depth + 1)
        same = same and name is key and after is each
        masked[_free(name, masked)] = after
    return mapping if same else masked


def _mask_named(value: object, redactor: Masker) -> object:
    text = value if isinstance(value, str) else repr(value)
    if not text or MASK.fullmatch(text):
        return value
    return mask_token("field", redactor.suffix(text))


def _free(name: object, taken: Mapping[object, object]) -> object:
    """Two keys that became equal stay two."""
    if name not in taken:
        return name
    number = 2
    while f"{name}#{number}" in taken:
        number += 1
    return f"{name}#{number}"
