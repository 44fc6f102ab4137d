"""What must never be: something that an order began to make and did not end."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, select

from remit.accounts.key_tables import KEY_TOKEN, VIRTUAL_KEY
from remit.accounts.repeated_tables import REPEATED
from remit.accounts.sign_in_tables import API_KEY
from remit.accounts.team_tables import MEMBER, TEAM
from remit.audit.entry import read_header
from remit.audit.tables import ENTRY
from remit.guard.approval_tables import APPROVAL


def entries_of(tx: Any) -> list[dict[str, Any]]:
    """What the log tells."""
    return [read_header(row["header"]) for row in tx.rows(select(ENTRY.c.header))]


def half_made(tx: Any) -> list[str]:  # noqa: C901 - one rule after the other
    """Everything that is half made; empty: nothing."""

    def rows(table: Table) -> list[dict[str, Any]]:
        return tx.rows(select(table))

    entries = entries_of(tx)

    def told(action: str, subject: str) -> int:
        return sum(entry["action"] == action and entry["subject"] == subject for entry in entries)

    wrong: list[str] = []
    teams = {row["slug"] for row in rows(TEAM)}
    owned = {row["team"] for row in rows(MEMBER) if row["role"] == "owner"}
    wrong += [f"the team {slug} has no owner" for slug in sorted(teams - owned)]
    wrong += [f"somebody is in {row['team']}, which is no team" for row in rows(MEMBER) if row["team"] not in teams]
    for slug in teams:
        made, ended = told("accounts.team.created", slug), told("accounts.team.deleted", slug)
        if made - ended not in {0, 1} or (made and made - ended != 1):
            wrong.append(f"the team {slug} is there, and the log says that it was made {made} and ended {ended} times")
    tokens = {row["key"] for row in rows(KEY_TOKEN)}
    keys = {row["id"] for row in rows(VIRTUAL_KEY)}
    wrong += [f"the key {key} has no token" for key in sorted(keys - tokens)]
    wrong += [f"a token is of {key}, which is no key" for key in sorted(tokens - keys)]
    for row in rows(API_KEY):
        if told("accounts.api_key.created", row["id"]) != 1:
            wrong.append(f"the API key {row['id']} is there, and the log does not say that it was made")
    for row in rows(APPROVAL):
        decided = sum(
            entry["approval_id"] == row["id"] and entry["action"] == f"approval.{row['status']}" for entry in entries
        )
        if row["status"] in {"approved", "denied"} and not decided:
            wrong.append(f"the approval {row['id']} is {row['status']}, and the log does not say by whom")
    for row in rows(REPEATED):
        if row["status"] and not row["answer"]:
            wrong.append("an order was answered, and its answer is not there")
    return wrong
