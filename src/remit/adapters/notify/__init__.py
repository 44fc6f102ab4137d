"""Telling people: a line in the home, a signed webhook, mail, a chat. Only where the owner said so."""

from remit.adapters.notify.adapter import NotifyAdapter

__all__ = ["NotifyAdapter"]
