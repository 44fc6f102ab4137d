"""Shops that were built once, and a home of its own with them for each test."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from remit.bootstrap import Runtime, open_runtime, prepare_home
from remit.guard.approval_decisions import decide
from remit.guard.approval_rows import read_request
from remit.guard.evidence import attest
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import ApprovalPending
from remit.settings import Settings

PACK = "remit.testing.shop:PACK"
OWNER = Principal(ActorKind.USER, "owner")

#: Every mission that a test wants, by name; all are reviewed but ``unread``.
INPUTS: dict[str, dict[str, Any]] = {
    "one": {"greeting": "one"},
    "two": {"greeting": "two"},
    "ill": {"greeting": "ill", "health": 500},
    "late": {"greeting": "late", "late": True},
    "broken": {"greeting": "broken", "test": False},
    "unread": {"greeting": "unread"},
}


@dataclass(frozen=True)
class Built:
    """A home with missions, by the names of ``INPUTS``, and the trees that they made."""

    home: Path
    missions: dict[str, str]
    trees: dict[str, str]


async def _build(home: Path) -> Built:
    settings = Settings(home)
    await prepare_home(settings)
    missions: dict[str, str] = {}
    trees: dict[str, str] = {}
    async with open_runtime(settings, pack=PACK) as runtime:
        await runtime.start()
        for name, given in INPUTS.items():
            data = json.dumps(given).encode()
            mission = await runtime.missions.create("default", PACK, data, name=f"{name}.json", originator=OWNER)
            view = await runtime.missions.run("default", mission)
            missions[name], trees[name] = mission, view.mission.tree
            if name != "unread":
                await review(runtime, mission)
    return Built(home, missions, trees)


async def review(runtime: Runtime, mission: str) -> None:
    """A person's word that somebody read the code."""
    await attest(
        runtime.store,
        "review",
        workspace="default",
        mission=mission,
        subject="",
        passed=True,
        reason="read it",
        by=OWNER,
        clock=runtime.clock,
    )


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built once."""
    return asyncio.run(_build(tmp_path_factory.mktemp("shops") / "home"))


@dataclass
class Yard:
    """A home with shops, and a place to deploy them to."""

    runtime: Runtime
    built: Built
    place: Path

    def mission(self, name: str) -> str:
        return self.built.missions[name]

    def tree(self, name: str) -> str:
        return self.built.trees[name]

    async def ask(self, name: str, **options: Any) -> Any:
        """The order as it is given, which waits for a person."""
        return await self.runtime.deployments.deploy(
            "default", self.mission(name), str(self.place), actor=OWNER, **options
        )

    async def approve(self, approval: str) -> None:
        """Leave for exactly what was asked."""
        request = await self.runtime.store.read(lambda tx: read_request(tx, "default", approval))
        await decide(
            self.runtime.store,
            approval,
            workspace="default",
            by=OWNER,
            approve=True,
            subject_hash=request.subject_hash,
            reason="looks good",
            clock=self.runtime.clock,
            redactor=self.runtime.redactor,
        )

    async def deploy(self, name: str, **options: Any) -> Any:
        """The order, approved."""
        try:
            return await self.ask(name, **options)
        except ApprovalPending as pending:
            await self.approve(pending.approval_id)
        return await self.ask(name, **options)

    @property
    def live(self) -> str:
        """The tree that is live; empty when none is."""
        link = self.place / "current"
        return link.readlink().name if link.is_symlink() else ""

    @property
    def greeting(self) -> str:
        return (self.place / "current" / "greeting.txt").read_text().strip()

    async def rows(self, statement: Any) -> list[dict[str, Any]]:
        found = await self.runtime.store.read(lambda tx: tx.rows(statement))
        return [dict(row) for row in found]


@pytest.fixture
async def yard(built: Built, tmp_path: Path) -> AsyncGenerator[Yard]:
    """A copy of the home."""
    home, place = tmp_path / "home", tmp_path / "site"
    shutil.copytree(built.home, home, symlinks=True)
    place.mkdir(mode=0o755)
    async with open_runtime(Settings(home), pack=PACK) as runtime:
        await runtime.start()
        yield Yard(runtime, built, place)


def files_of(root: Path) -> dict[str, bytes]:
    """Every file below a folder with its bytes."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}
