"""Personal data: e-mail addresses, phone numbers, cards, accounts, network addresses, national identity numbers.

Promise: what is found is either certain by its form and check digits or borne out by a word near it; pure functions
that reach for nothing.
"""

from __future__ import annotations

from remit.redact.personal.find import find
from remit.redact.personal.kinds import CORE, Kind, Personal

__all__ = ["CORE", "Kind", "Personal", "find"]
