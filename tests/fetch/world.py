"""A guard with the real fetcher behind it, on a real store; the network is a ``Web``."""

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
from sqlalchemy import create_engine, insert, select

from remit.accounts.owner import create_local_owner
from remit.adapters.fetch import FetchAdapter
from remit.adapters.store.keyfile import create_key
from remit.adapters.store.sqlite import SqliteStore
from remit.audit import query
from remit.guard import tables
from remit.guard.approval_terms import ApprovalTerms
from remit.guard.guard import Guard
from remit.guard.permit import Terms
from remit.guard.retry import Patience
from remit.guard.rules.revisions import save
from remit.guard.secrets_rules import SecretsInForce
from remit.guard.secrets_tables import SECRET_RULE
from remit.guard.secrets_use import Used
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Fetch
from remit.kernel.errors import Conflict
from remit.kernel.ids import new_id
from remit.kernel.mission import Outcome
from remit.kernel.references import Reference
from remit.kernel.tables import METADATA
from remit.redact.redactor import Redactor

from .site import Web

WORKSPACE = "acme"
OWNER = Principal(ActorKind.USER, "ada")
#: The shipped rules, with the tests' own domains allowed. ``example.net`` is not.
RULES = "lists: {fetch.allow: [+example.com, +example.org, +xn--mnchen-3ya.de], fetch.deny: [+bad.example.com]}\n"


@dataclass
class World:
    store: SqliteStore
    guard: Guard
    fetcher: FetchAdapter
    web: Web

    def action(self, url: str, **fields: Any) -> Action:
        """A fetch by the owner."""
        mission = fields.pop("mission", "m1")
        effect = Fetch(url, **fields)
        return Action(new_id(), effect, OWNER, OWNER, WORKSPACE, mission=mission, step="s")

    async def fetch(self, url: str, **fields: Any) -> Outcome:
        return await self.guard.run(self.action(url, **fields))

    def terms(self, **changes: Any) -> None:
        self.guard.fetching = replace(self.guard.fetching, **changes)

    def rows(self, table: Any = tables.ACTION) -> list[Mapping[str, Any]]:
        return self.store.view(lambda tx: tx.rows(select(table)))

    async def allow_secrets(self) -> None:
        """Anybody may use any secret; where values come from is the fetcher's ``secret``."""
        row = {"effect": "allow", "secret": "*", "agent": "", "kind": "", "mission": "", "target": ""}
        rule = insert(SECRET_RULE).values(id="r1", workspace=WORKSPACE, set_by="user:ada", set_us=1, **row)
        await self.store.commit("secret.policy", lambda tx: tx.execute(rule))
        await self.guard.register.refresh(WORKSPACE)
        self.guard.secrets = _Known()

    async def requests(self) -> list[dict[str, Any]]:
        """The payloads of the audited requests, oldest first."""
        await self.store.commit("guard.settle", lambda _tx: None)
        wanted = query.Filter(workspace=WORKSPACE, action="fetch.request", limit=10_000)
        found = self.store.view(lambda tx: query.find(tx, wanted))
        payloads = [each.payload for each in sorted(found, key=lambda each: each.seq)]
        return [orjson.loads(each) if isinstance(each, bytes | str) else dict(each or {}) for each in payloads]


class _Known:
    """A source that has every secret."""

    async def ready(self, action: Action, reference: Reference, known: SecretsInForce) -> Used:
        del action, known
        return Used(reference.name)


@contextmanager
def store_in(folder: Path) -> Iterator[SqliteStore]:
    path = folder / "remit.db"
    store = SqliteStore(path, [create_key(folder / "audit.key")], heads=folder / "heads.log")
    with store:
        store.migrate()
        engine = create_engine(f"sqlite:///{path}")
        METADATA.create_all(engine)
        engine.dispose()
        yield store


async def make_world(
    store: SqliteStore, web: Web, *, rules: str = RULES, approvals: ApprovalTerms | None = None
) -> World:
    fetcher = FetchAdapter(resolve=web.resolve, dial=web.dial)
    clock = SystemClock()
    guard = Guard(
        store,
        {"fetch": fetcher},
        redactor=Redactor(b"tests only: 16 bytes or more"),
        clock=clock,
        rand=random.Random(1).random,
        terms=Terms(patience=Patience(tries=1)),
        approvals=approvals,
    )
    fetcher.host = guard
    await create_local_owner(store, workspace=WORKSPACE, user=OWNER.id, name="Ada", clock=clock)
    with suppress(Conflict):  # a second world on the same store
        await save(store, rules, workspace=WORKSPACE, name="rules.yaml", reason="test", by=OWNER, clock=clock)
    return World(store, guard, fetcher, web)
