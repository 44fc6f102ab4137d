"""``remit doctor``: every fact of an install, then what they mean."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sqlalchemy import bindparam, select

from remit.accounts.budget_tables import BUDGET
from remit.accounts.signing import weakness
from remit.adapters.checkup import looking
from remit.adapters.store.journal import Store
from remit.adapters.store.migrate import HEAD
from remit.audit.entry import read_header
from remit.audit.tables import ENTRY
from remit.guard.rate_limits import SHIPPED, read_limits
from remit.kernel.clock import Clock, micros_of
from remit.kernel.ports import ReadTx
from remit.models.tables import PROVIDER
from remit.operations import checkup, deployment
from remit.operations.checkup import Check, Facts, Trouble
from remit.operations.deployment import Deployed
from remit.settings import Settings

_PROVIDERS = select(PROVIDER.c.name).where(PROVIDER.c.workspace == bindparam("of")).order_by(PROVIDER.c.name)
_BUDGETS = select(BUDGET.c.scope).where(BUDGET.c.workspace == bindparam("of"), BUDGET.c.scope == "workspace")
_BACKUPS = (
    select(ENTRY.c.ts_us, ENTRY.c.header)
    .where(ENTRY.c.workspace == bindparam("of"), ENTRY.c.action == "home.backup")
    .order_by(ENTRY.c.seq.desc())
    .limit(20)
)

type Asked = Mapping[str, float | Trouble]


def look(
    settings: Settings,
    open_store: Callable[[], Store],
    *,
    tools: Sequence[str],
    sandbox: Callable[[], tuple[int, str]],
    git: str,
    secrets: Callable[[], int],
    providers: Asked,
    served: bool,
    clock: Clock,
) -> list[Check]:
    """Look at an install, and say what was found.

    Args:
        settings: The settings in force.
        open_store: Opens the store as it is, without migrating it.
        tools: Modules of the build environment.
        sandbox: The strongest tier and its name.
        git: What ``git --version`` says.
        secrets: How many secrets can be got.
        providers: Those that were asked, with what came of it.
        served: Whether a ``remit up`` serves this home.
        clock: The time.
    """
    home = settings.home
    facts = Facts(
        python=(sys.version_info.major, sys.version_info.minor, sys.version_info.micro),
        libraries=looking.libraries(),
        sqlite=looking.sqlite_version(),
        git=git,
        sandbox=looking.tried(sandbox),
        sandbox_wanted=settings.sandbox_tier,
        missing_tools=looking.modules_missing(tools),
        files=looking.files_limit(),
        home=str(home),
        home_there=(home / "audit.key").is_file(),
        uid=os.getuid(),
    )
    if not facts.home_there:
        return checkup.examine(facts)
    state = home.stat()
    facts = replace(
        facts,
        home_mode=state.st_mode & 0o777,
        home_uid=state.st_uid,
        keys=looking.keys(home),
        unwritable=looking.unwritable(home),
        free=looking.free(home),
        disk_skew_s=looking.disk_skew_s(home),
        store_skew_s=looking.store_skew_s(settings.store_url),
        secrets=looking.tried(secrets),
        port=looking.port(served=served),
    )
    found = looking.tried(lambda: _stored(facts, settings, open_store, providers, clock))
    return checkup.examine(replace(facts, store=found) if isinstance(found, Trouble) else found)


def _stored(facts: Facts, settings: Settings, open_store: Callable[[], Store], asked: Asked, clock: Clock) -> Facts:
    """With what the store tells; of one that is of another version only that."""
    name = "Postgres" if settings.store_url else "SQLite"
    revision, newer = looking.schema(settings.home, settings.store_url)
    facts = replace(facts, store=name, schema=revision, schema_newer=newer, schema_known=HEAD)
    if revision != HEAD:
        return facts
    with open_store() as store:
        statistics = store.statistics()
        newest = store.view(looking.newest_s)
        names = [row["name"] for row in store.view(lambda tx: tx.rows(_PROVIDERS, {"of": settings.workspace}))]
        return replace(
            facts,
            store=f"{name}, {statistics.bytes >> 10} KiB",
            log=looking.tried(lambda: looking.log_of(store)),
            future_s=newest - micros_of(clock.now()) / 1_000_000 if newest else 0.0,
            providers={each: asked.get(each) for each in names},
        )


def look_at_deployment(settings: Settings, open_store: Callable[[], Store], *, clock: Clock) -> list[Check]:
    """The deployment checklist; of a home that can't be opened only what the settings say."""

    def seen() -> tuple[float | None, list[str], bool]:
        with open_store() as store:
            return store.view(lambda tx: _rows(tx, settings.workspace, micros_of(clock.now())))

    found = looking.tried(seen)
    age, off, budget = (None, [], False) if isinstance(found, Trouble) else found
    deployed = Deployed(
        uid=os.getuid(),
        secret_weakness=weakness(settings.signing_secret),
        backup_age_s=age,
        limits_off=off,
        workspace_budget=budget,
        crash_points=looking.crash_points(os.environ),
    )
    return deployment.checklist(settings, deployed)


def _rows(tx: ReadTx, workspace: str, now_us: int) -> tuple[float | None, list[str], bool]:
    taken = [
        int(row["ts_us"])
        for row in tx.rows(_BACKUPS, {"of": workspace})
        if read_header(bytes(row["header"]))["result"] == "success"
    ]
    known = read_limits(tx, workspace).by_name
    off = [limit.name for limit in SHIPPED if limit.name not in known]
    budget = bool(tx.rows(_BUDGETS, {"of": workspace}))
    return ((now_us - taken[0]) / 1_000_000 if taken else None), off, budget
