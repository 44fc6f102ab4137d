"""The one place that wires everything: settings, store, engine, guard, adapters, packs.

Promise: whoever wants a running Remit asks here, and no other module knows both a port and the adapter behind it.

What is exported is imported when it is asked for by name: those who ask pay for it, and no other command's start does.
"""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from remit.adapters.agents.steps import agent_step
    from remit.adapters.export.orders import check_export, erase_person, export_log
    from remit.adapters.fetch.output import write_page as write_fetched
    from remit.adapters.heap import give_back as give_memory_back
    from remit.adapters.mcp.tools import McpTools
    from remit.adapters.sandbox.parent import end_with_parent
    from remit.adapters.scan import sources as scan_sources
    from remit.adapters.scan import written as scan_written
    from remit.adapters.secrets.wiring import find_leaks, known_values
    from remit.bootstrap.agents import governed
    from remit.bootstrap.audit import (
        ask_timestamp,
        ask_witness,
        prover,
        rotate_log_key,
        verify_if_due,
        verify_now,
        verify_on_schedule,
    )
    from remit.bootstrap.backups import restore_backup, take_backup, upgrade_home
    from remit.bootstrap.checkup import examine
    from remit.bootstrap.entrance import open_entrance
    from remit.bootstrap.guard import Rehearsal
    from remit.bootstrap.home import KEY, check_home, hold_home, mask_key, payload_key
    from remit.bootstrap.ledger import keep_ledger
    from remit.bootstrap.opening import open_runtime
    from remit.bootstrap.packs import Packs
    from remit.bootstrap.preparation import prepare_home
    from remit.bootstrap.runtime import Runtime
    from remit.bootstrap.secrets import secrets_order, where_kept
    from remit.bootstrap.store import Store, make_store, open_store
    from remit.bootstrap.telemetry import json_log_formatter, metrics_samples, metrics_text, traced
    from remit.bootstrap.terms import personal_terms

__all__ = [
    "KEY",
    "McpTools",
    "Packs",
    "Rehearsal",
    "Runtime",
    "Store",
    "agent_step",
    "ask_timestamp",
    "ask_witness",
    "check_export",
    "check_home",
    "end_with_parent",
    "erase_person",
    "examine",
    "export_log",
    "find_leaks",
    "give_memory_back",
    "governed",
    "hold_home",
    "json_log_formatter",
    "keep_ledger",
    "known_values",
    "make_store",
    "mask_key",
    "metrics_samples",
    "metrics_text",
    "open_entrance",
    "open_runtime",
    "open_store",
    "payload_key",
    "personal_terms",
    "prepare_home",
    "prover",
    "restore_backup",
    "rotate_log_key",
    "scan_sources",
    "scan_written",
    "secrets_order",
    "take_backup",
    "traced",
    "upgrade_home",
    "verify_if_due",
    "verify_now",
    "verify_on_schedule",
    "where_kept",
    "write_fetched",
]

#: Where each name stands, as ``module`` or ``module:attribute``; a module that is exported itself ends in a colon.
_PLACES: Final = MappingProxyType(
    {
        "KEY": "remit.bootstrap.home",
        "McpTools": "remit.adapters.mcp.tools",
        "Packs": "remit.bootstrap.packs",
        "Rehearsal": "remit.bootstrap.guard",
        "Runtime": "remit.bootstrap.runtime",
        "Store": "remit.bootstrap.store",
        "ask_timestamp": "remit.bootstrap.audit",
        "ask_witness": "remit.bootstrap.audit",
        "check_export": "remit.adapters.export.orders",
        "check_home": "remit.bootstrap.home",
        "end_with_parent": "remit.adapters.sandbox.parent",
        "erase_person": "remit.adapters.export.orders",
        "examine": "remit.bootstrap.checkup",
        "export_log": "remit.adapters.export.orders",
        "find_leaks": "remit.adapters.secrets.wiring",
        "give_memory_back": "remit.adapters.heap:give_back",
        "governed": "remit.bootstrap.agents",
        "hold_home": "remit.bootstrap.home",
        "json_log_formatter": "remit.bootstrap.telemetry",
        "keep_ledger": "remit.bootstrap.ledger",
        "known_values": "remit.adapters.secrets.wiring",
        "make_store": "remit.bootstrap.store",
        "mask_key": "remit.bootstrap.home",
        "metrics_samples": "remit.bootstrap.telemetry",
        "metrics_text": "remit.bootstrap.telemetry",
        "open_entrance": "remit.bootstrap.entrance",
        "open_runtime": "remit.bootstrap.opening",
        "open_store": "remit.bootstrap.store",
        "payload_key": "remit.bootstrap.home",
        "personal_terms": "remit.bootstrap.terms",
        "prepare_home": "remit.bootstrap.preparation",
        "prover": "remit.bootstrap.audit",
        "restore_backup": "remit.bootstrap.backups",
        "rotate_log_key": "remit.bootstrap.audit",
        "scan_sources": "remit.adapters.scan.sources:",
        "scan_written": "remit.adapters.scan.written:",
        "secrets_order": "remit.bootstrap.secrets",
        "take_backup": "remit.bootstrap.backups",
        "traced": "remit.bootstrap.telemetry",
        "upgrade_home": "remit.bootstrap.backups",
        "verify_if_due": "remit.bootstrap.audit",
        "verify_now": "remit.bootstrap.audit",
        "verify_on_schedule": "remit.bootstrap.audit",
        "where_kept": "remit.bootstrap.secrets",
        "write_fetched": "remit.adapters.fetch.output:write_page",
    }
)


def __getattr__(name: str) -> object:
    if name == "agent_step":
        from remit.adapters.agents.wiring import steps

        return steps().agent_step
    if name not in _PLACES:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    module, colon, attribute = _PLACES[name].partition(":")
    found = importlib.import_module(module)
    return found if colon and not attribute else getattr(found, attribute or name)
