"""Settings, telemetry, error budgets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from remit.accounts.telemetry import turn

from .samples import Params, Sample

if TYPE_CHECKING:
    from .serving import Api

TELEMETRY = "/api/v1/telemetry"


async def open_to_feedback(api: Api) -> Params:
    runtime = api.runtime
    await turn(
        runtime.store, "feedback", on=True, workspace="default", reason="x", by=runtime.owner, clock=runtime.clock
    )
    return {"switch": "feedback"}


SAMPLES = {
    ("GET", "/api/v1/settings"): Sample(query="?changed=true"),
    ("GET", "/api/v1/error-budgets"): Sample(),
    ("GET", TELEMETRY): Sample(query="?days=2"),
    ("PUT", f"{TELEMETRY}/switches/{{switch}}"): Sample(
        open_to_feedback, lambda _made: {"on": False, "reason": "enough"}
    ),
    ("GET", f"{TELEMETRY}/events"): Sample(query="?kind=feature&limit=5"),
    ("DELETE", f"{TELEMETRY}/events"): Sample(query="?reason=over"),
    ("POST", f"{TELEMETRY}/feedback"): Sample(open_to_feedback, lambda _made: {"rating": 4, "comment": "clear"}),
}
