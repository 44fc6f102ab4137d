"""``remit policy attest`` and ``evidence``: what critics and persons found, which rules may ask for."""

from __future__ import annotations

import asyncio

import click

from remit.cli.context import acting, settings_of
from remit.cli.output import common, emit, say, table


@click.command()
@click.argument("critic", metavar="CRITIC")
@click.option("--mission", default="", help="Of this mission; of the whole workspace when left out.")
@click.option("--subject", default="", metavar="HASH", help="Only of what has this hash.")
@click.option("--failed", is_flag=True, help="It did not pass.")
@click.option("--reason", required=True, help="What the word rests on, for the audit log.")
@common
def attest(
    critic: str,
    mission: str,
    subject: str,
    reason: str,
    home: str | None,
    *,
    failed: bool,
    as_json: bool,
    debug: bool,
) -> int:
    """Give your word on what no program can judge: review, kyc, compliance, jurisdiction, risk_ack."""
    del debug
    from remit.bootstrap import open_store
    from remit.guard.evidence import attest as given
    from remit.kernel.clock import SystemClock

    settings = settings_of(home)
    with open_store(settings) as store:
        made = asyncio.run(
            given(
                store,
                critic,
                workspace=settings.workspace,
                mission=mission,
                subject=subject,
                passed=not failed,
                reason=reason,
                by=acting(settings),
                clock=SystemClock(),
            )
        )
        store.seal()
    if as_json:
        emit({"evidence": made.as_json(), "reason": reason})
    else:
        of = f"mission {mission}" if mission else f"the workspace {settings.workspace}"
        said = "holds" if made.holds else "does not hold"
        say(f"{critic} of {of}{f' for {subject}' if subject else ''} {said}: {reason}")
    return 0


@click.command()
@click.option("--mission", default="", help="Only what this mission can rely on.")
@common
def evidence(mission: str, home: str | None, *, as_json: bool, debug: bool) -> int:
    """What critics and persons found, newest first."""
    del debug
    from remit.bootstrap import open_store
    from remit.guard.evidence import find_evidence

    settings = settings_of(home)
    with open_store(settings) as store:
        found = store.view(lambda tx: find_evidence(tx, settings.workspace, mission=mission))
    if as_json:
        emit({"evidence": [each.as_json() for each in found]})
        return 0
    rows = [
        (
            each.critic,
            "holds" if each.holds else "failed",
            each.mission or "(workspace)",
            each.subject[:16] or "-",
            each.source,
            str(len(each.findings)),
            str(each.as_json()["at"]),
        )
        for each in found
    ]
    say(table(rows, head=("critic", "verdict", "mission", "subject", "source", "findings", "at")))
    return 0


COMMANDS = (attest, evidence)
