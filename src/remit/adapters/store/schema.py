"""Every room's tables in one place. A room that has tables is named here, once."""

from __future__ import annotations

from sqlalchemy import MetaData

from remit.accounts import budget_tables as _budgets
from remit.accounts import key_tables as _keys
from remit.accounts import repeated_tables as _repeated
from remit.accounts import sign_in_tables as _sign_in
from remit.accounts import tables as _accounts
from remit.accounts import team_tables as _teams
from remit.accounts import telemetry_tables as _telemetry
from remit.audit import tables as _audit
from remit.guard import approval_tables as _approvals
from remit.guard import continuing_tables as _continuing
from remit.guard import fetching_tables as _fetching
from remit.guard import mcp_tables as _mcp
from remit.guard import personal_tables as _personal
from remit.guard import provenance_tables as _provenance
from remit.guard import rate_tables as _rates
from remit.guard import rule_tables as _rules
from remit.guard import secrets_tables as _secrets
from remit.guard import tables as _guard
from remit.kernel.tables import METADATA
from remit.missions import deployment_tables as _deployments
from remit.missions import estimate_tables as _estimates
from remit.missions import queue_tables as _queue
from remit.missions import recorded_tables as _recorded
from remit.missions import tables as _missions
from remit.models import cache_tables as _answers
from remit.models import tables as _models

#: Importing a room's tables registers them; the tuple keeps the imports honest.
ROOMS = (
    *(_audit, _accounts, _budgets, _keys, _teams, _sign_in),
    *(_guard, _approvals, _rates, _rules),
    *(_personal, _provenance, _secrets, _fetching, _mcp, _continuing),
    *(_missions, _estimates, _deployments, _queue, _recorded),
    *(_answers,),
    *(_repeated, _telemetry),
    *(_models,),
)


def metadata() -> MetaData:
    """The schema that the migrations lead to."""
    return METADATA
