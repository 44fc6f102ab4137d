"""What other rooms lend the fetcher: secrets for headers, masking for texts, labels of where they came from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from remit.kernel.action import Action
from remit.kernel.canonical import Json

#: A header's value with what its reference stands for, for this action: called in its permit, in a thread of its own.
type Secret = Callable[[Action, str], str]
#: What a page's text becomes before anybody reads it: personal data masked.
type Clean = Callable[[str], str]
#: What a page's text, given with its address, is told to be.
type Label = Callable[[str, str], Mapping[str, Json]]


class Hooks(Protocol):
    """All of them; ``None``: nothing is lent."""

    secret: Secret
    clean: Clean | None
    label: Label | None
