"""Every operation of the control API, and the documents that it takes and gives.

Written by ``scripts/client_operations.py`` from ``docs/openapi.json``: change the routes, then run it.
"""
# ruff: noqa: D101

from __future__ import annotations

import builtins
from collections.abc import Awaitable, Callable
from typing import Any, Literal, NotRequired, TypedDict, cast

from remit.client.steps import Call


class Acceptance(TypedDict):
    server: str
    tools: NotRequired[list[str]]
    sha256: NotRequired[str]


class Accepted(TypedDict):
    items: list[ToolShown]


class Accepting(TypedDict):
    token: str


class ActionShown(TypedDict):
    action: str
    step: str
    attempt: int
    kind: str
    target: str
    state: str
    reason: str | None
    principal: str
    subject_hash: str
    opened_at: str
    closed_at: str | None
    cost_usd: str


class AgentChanged(TypedDict):
    kind: NotRequired[str | None]
    owner: NotRequired[str | None]
    team: NotRequired[str | None]
    effects: NotRequired[Words | None]
    tools: NotRequired[Words | None]
    models: NotRequired[Words | None]
    domains: NotRequired[Words | None]
    may_spend_micros: NotRequired[int | None]


class AgentLimit(TypedDict):
    period: Period
    limit_micros: int
    spent_micros: int
    reserved_micros: int


class AgentShown(TypedDict):
    name: str
    kind: str
    status: AgentStatus
    revision: int
    owner: str
    team: str
    running: list[str]
    may_touch: MayTouch
    may_spend_micros: int | None
    spent_micros: int
    reserved_micros: int
    limits: list[AgentLimit]
    stopped_because: str
    stop: str


type AgentStatus = Literal["active", "paused", "killed", "retired"]


type Allows = Literal["allow", "deny"]


type Amount = int


type Anomaly = Literal["first_use", "denied", "unusual_count"]


class ApiKeyItem(TypedDict):
    api_key: str
    user: str
    name: str
    begins: str
    scopes: list[str]
    status: str
    created_at: str
    expires_at: str
    used_at: str | None
    token: NotRequired[str | None]


class ApiKeys(TypedDict):
    items: list[ApiKeyItem]


class ApprovalItem(TypedDict):
    approval: str
    state: str
    kind: str
    target: str
    principal: str
    on_behalf_of: str
    mission: str | None
    step: str | None
    risk: str
    cost_micros: int
    subject_hash: str
    policy_rev: str
    requested_at: str
    expires_at: str
    quorum: int
    approved_by: list[str]
    may_decide: bool
    why_not: str
    over_budget: bool


class ApprovalShown(TypedDict):
    approval: str
    state: str
    kind: str
    target: str
    principal: str
    on_behalf_of: str
    mission: str | None
    step: str | None
    risk: str
    cost_micros: int
    subject_hash: str
    policy_rev: str
    requested_at: str
    expires_at: str
    quorum: int
    approved_by: list[str]
    may_decide: bool
    why_not: str
    over_budget: bool
    reason: str
    used_by: str | None
    why: str
    payload: str
    exact: bool
    votes: list[VoteShown]
    checks: list[CheckView]
    evidence: list[EvidenceView]
    blast_radius: ReachView
    preview: PreviewView
    would_not_fit: list[ShortageView]


class Approve(TypedDict):
    subject_hash: str
    reason: NotRequired[str]


class ArtefactsShown(TypedDict):
    commit: str | None
    tree: str | None
    files: list[FileItem]
    more: int


class AskedFor(TypedDict):
    status: NotRequired[Literal["asked"]]
    minutes: NotRequired[int]


class AttemptShown(TypedDict):
    attempt: int
    generation: int
    outcome: str
    started_at: str
    seconds: float
    retry_after_seconds: float
    cost_usd: str
    error_code: str | None
    error: str | None
    log: str


class Attestation(TypedDict):
    critic: Literal["review", "kyc", "compliance", "jurisdiction", "risk_ack"]
    reason: str
    passed: NotRequired[bool]
    subject: NotRequired[str]


class Attested(TypedDict):
    mission: str
    critic: str
    subject: str
    passed: bool
    by: str
    at: str


class Back(TypedDict):
    target: str


class Because(TypedDict):
    reason: str


class Branch(TypedDict):
    from_step: str
    input: NotRequired[str | None]
    name: NotRequired[str]


class BreakerShown(TypedDict):
    kind: str
    operation: str
    phase: Phase
    why: str
    moved_by: str
    changed_at: str
    until: str | None
    trials: int
    successes: int
    trips: int
    trips_ever: int
    tripped_at: str | None


class BudgetForecast(TypedDict):
    window_hours: int
    burned_usd: str
    projected_usd: str | None
    reached_at: str | None


class BudgetItem(TypedDict):
    scope: BudgetScope
    name: str
    period: Period
    limit_usd: str
    spent_usd: str
    reserved_usd: str
    left_usd: str
    starts_at: str | None
    ends_at: str | None
    told_percent: list[int]
    forecast: BudgetForecast


class BudgetOfKey(TypedDict):
    period: Period
    limit_usd: str
    spent_usd: str
    reserved_usd: str


type BudgetScope = Literal["workspace", "agent", "key", "mission"]


class BudgetSet(TypedDict):
    scope: BudgetScope
    name: str
    period: Period
    limit_usd: str
    before_usd: str | None


class Budgets(TypedDict):
    items: list[BudgetItem]


class BurnShown(TypedDict):
    hours: int
    rate: float
    call: float


type By = Literal["agent", "user", "key", "mission", "provider", "model", "kind", "hour", "day"]


class CallItem(TypedDict):
    action: str
    at: str
    seconds: float | None
    mission: str
    principal: str
    on_behalf_of: str
    key: str
    kind: str
    provider: str
    model: str
    tokens_in: int
    tokens_out: int
    tokens_cached: int
    tokens_cache_write: int | None
    estimated: bool
    kept: bool
    cost_usd: str | None
    reserved_usd: str
    saved_usd: str
    corrected_usd: str | None
    terms: dict[str, Json]


class CallsShown(TypedDict):
    calls: list[dict[str, Any]]
    messages: list[dict[str, Any]]
    absent: str


class CedarAsked(TypedDict):
    text: str
    team: NotRequired[str]


class CedarShown(TypedDict):
    team: str
    revision: int
    sha256: str
    saved_by: str
    saved_at: str
    text: str


class ChangeShown(TypedDict):
    how: str
    what: str
    name: str
    field: str
    before: str
    after: str


class Changed(TypedDict):
    changed: bool


class CheckView(TypedDict):
    check: str
    verdict: str
    reason: str
    detail: str


class Checked(TypedDict):
    sha256: str
    rules: int
    own: int
    remarks: list[RemarkShown]


class CheckpointShown(TypedDict):
    size: int
    root: str
    note: str


class Cleared(TypedDict):
    cleared: int


class CloseAsked(TypedDict):
    reason: str


class Code(TypedDict):
    note: str
    code: str


class Component(TypedDict):
    state: StateOutput
    detail: NotRequired[str]


class Consistency(TypedDict):
    old: int
    new: int
    proof: list[str]


class CostParts(TypedDict):
    tokens: str
    gpu: str
    storage: str
    network: str
    other: str


class Credentials(TypedDict):
    user: Login
    password: Password
    workspace: NotRequired[str]


class Database(TypedDict):
    database: str
    rows: dict[str, int]
    bytes: int
    wal_bytes: int
    queued: int
    connections: dict[str, int]
    signed: int
    seal_error: str
    more: list[str]
    sizes: dict[str, int]
    version: str
    revision: str
    batches: int
    writes: int


class DayShown(TypedDict):
    day: str
    uses: int
    errors: int


class DelegationItem(TypedDict):
    giver: str
    taker: str
    reason: str
    until: str


class Delegations(TypedDict):
    items: list[DelegationItem]


class Deny(TypedDict):
    subject_hash: str
    reason: str


class Deploy(TypedDict):
    target: str
    smoke: NotRequired[list[str]]
    keep: NotRequired[int]


class DeployPlan(TypedDict):
    mission: str
    target: str
    release: str
    live: str | None
    summary: str
    diff: str
    holds: list[str]
    fails: list[str]
    missing: list[str]
    approval: str | None
    approval_state: str | None


class DeployedShown(TypedDict):
    mission: str
    status: Literal["deployed", "already", "switched_back", "smoke_failed", "running"]
    target: str
    release: str | None
    previous: str | None
    live: str | None
    action: str | None
    text: str


class Differences(TypedDict):
    before: int
    after: int
    changes: list[ChangeShown]


class DiscrepancyShown(TypedDict):
    place: str
    problem: str
    kind: str


type Dollars = str


class Ended(TypedDict):
    ended: int


class EntryItem(TypedDict):
    seq: int
    at: str
    actor: str
    on_behalf_of: str
    action: str
    domain: str
    result: str
    reason: str
    subject: str
    mission: str
    step: str
    approval_id: str
    policy_rev: str
    leaf_hash: str


class EntryShown(TypedDict):
    seq: int
    header: dict[str, Any]
    payload: dict[str, Any] | None
    leaf_hash: str


class ErrorBudgetShown(TypedDict):
    what: str
    objective: float
    good: int
    bad: int
    used: float
    burns: list[BurnShown]
    since: str | None


class ErrorBudgetsShown(TypedDict):
    items: list[ErrorBudgetShown]


class EstimateShown(TypedDict):
    cost_usd: Range
    seconds: Range
    from_missions: int
    actual_cost_usd: str | None
    actual_seconds: float | None


class EventShown(TypedDict):
    id: str
    at: str
    kind: KindOutput
    surface: str
    name: str
    outcome: str
    took_ms: float
    times: int
    rating: int
    comment: str


class EvidenceList(TypedDict):
    items: list[EvidenceShown]


class EvidenceShown(TypedDict):
    critic: str
    passed: bool
    holds: bool
    mission: str
    subject: str
    source: str
    at: str
    findings: list[FindingShown]


class EvidenceView(TypedDict):
    critic: str
    holds: bool
    source: str
    at: str
    findings: list[FindingView]


class ExplanationShown(TypedDict):
    kind: str
    target: str
    verdict: str
    rules: list[ToldShown]
    action: str
    policy_rev: str


class ExportAsked(TypedDict):
    format: NotRequired[str]
    since: NotRequired[str | None]
    until: NotRequired[str | None]
    user: NotRequired[str]
    action: NotRequired[str]
    domain: NotRequired[str]
    mission: NotRequired[str]


class ExportShown(TypedDict):
    export: str
    folder: str
    files: list[str]
    key: str
    manifest: dict[str, Any]


class FactorBegun(TypedDict):
    secret: str
    uri: str
    svg: str


class FactorCode(TypedDict):
    code: str


class FactorShown(TypedDict):
    enrolled: bool
    since: str | None
    recovery_codes_left: int


class FactorStart(TypedDict):
    password: NotRequired[str]


class FeatureShown(TypedDict):
    name: str
    surface: str
    uses: int
    errors: int
    p50_ms: float
    p95_ms: float


class FileItem(TypedDict):
    path: str
    content: str


class FindingShown(TypedDict):
    kind: str
    severity: str
    message: str
    place: str
    fix: str


class FindingView(TypedDict):
    kind: str
    severity: str
    message: str
    place: str
    fix: str


class ForgottenInput(TypedDict):
    user: Login
    workspace: NotRequired[str]


class ForgottenOutput(TypedDict):
    deleted: int


class FormShown(TypedDict):
    pack: str
    version: str
    json_schema: dict[str, JsonValue] | None
    fields: list[InputField]


class FormToken(TypedDict):
    token: str
    header: NotRequired[str]
    field: NotRequired[str]


type From = Literal["default", "file", "environment", "command line", "program"]


class GatewayChange(TypedDict):
    switches: dict[str, str]


class GatewayShown(TypedDict):
    revision: int
    switches: dict[str, str]
    known: dict[str, list[str]]


class GivenUp(TypedDict):
    cleared: int


class GrantShown(TypedDict):
    grant: str
    status: str
    lifts: Lifts
    what: str
    scope: KillScope
    name: str
    minutes: int
    reason: str
    requested_by: str
    confirmed_by: str
    closed_by: str
    expires_at: str
    uses: int


class HappeningItem(TypedDict):
    seq: int
    at: str
    who: str
    action: str
    subject: str
    team: str
    text: str


class HealthItem(TypedDict):
    target: str
    calls: int
    errors: int
    error_share: float
    first_byte_s: Spread
    total_s: Spread
    codes: dict[str, int]
    last_minute: str | None
    circuit: str
    why: str
    until: str | None


class HistoryPoint(TypedDict):
    calls: int
    errors: int
    p50_s: float | None
    p95_s: float | None


class HoldAsked(TypedDict):
    name: str
    subject: NotRequired[str]
    mission: NotRequired[str]
    since: NotRequired[str | None]
    until: NotRequired[str | None]
    reason: str


class HoldShown(TypedDict):
    name: str
    subject: str
    mission: str
    since: str | None
    until: str | None


class InputField(TypedDict):
    name: str
    path: str
    within: str
    kind: str
    label: str
    required: bool
    about: str
    choices: list[str]
    shown_empty: str
    most: int


class InvitationItem(TypedDict):
    invitation: str
    team: str
    email: str
    role: Role
    status: str
    expires_at: str
    invited_by: str
    token: NotRequired[str | None]


class Invitations(TypedDict):
    items: list[InvitationItem]


class Joined(TypedDict):
    team: str


class Joining(TypedDict):
    token: Token
    user: str
    name: NotRequired[str]
    password: Password
    workspace: NotRequired[str]


type Json = bool | int | float | str | list[Json] | dict[str, Json] | None


type JsonValue = Any


class KeptOutput(TypedDict):
    id: str


class KeptAnswer(TypedDict):
    hash: str
    target: str
    wire: str
    kept_at: str
    until: str
    used_at: str
    hits: int
    bytes: int
    saves_usd: str


class KeptAnswers(TypedDict):
    items: list[KeptAnswer]


class KeptResponses(TypedDict):
    endpoint: str
    kept: int
    hits: int
    misses: int


class KeptStatistics(TypedDict):
    entries: int
    bytes: int
    kept_answers: int
    model_calls: int
    hit_rate: float | None
    saved_usd: str
    targets: list[OfTarget]


class KeyItem(TypedDict):
    key: str
    agent: str
    owner: str
    models: list[str]
    scopes: list[KeyScope]
    addresses: list[str]
    created_at: str
    expires_at: str | None
    revoked_at: str | None
    status: str
    used_at: str | None
    tokens: list[TokenItem]
    budgets: list[BudgetOfKey]
    rates: list[str]
    token: NotRequired[str | None]


type KeyScope = Literal["chat", "responses", "messages", "embeddings", "models", "tools"]


type KillScope = Literal["install", "team", "agent", "mission"]


type KindOutput = Literal["feature", "error", "feedback"]


class LeavingShown(TypedDict):
    what: str
    holds: str
    to: str
    when: str
    leaves: bool


class LiftAsked(TypedDict):
    lifts: NotRequired[Lifts]
    what: str
    scope: NotRequired[KillScope]
    name: str
    minutes: NotRequired[int]
    reason: str


type Lifts = Literal["stop", "rule", "policy"]


class LimitAsked(TypedDict):
    amount: NotRequired[int | None]
    period_s: NotRequired[int | None]
    burst: NotRequired[int | None]
    measure: NotRequired[Measure | None]
    per: NotRequired[Per | None]
    kind: NotRequired[str | None]
    agent_kind: NotRequired[str | None]
    target: NotRequired[str | None]


class LimitShown(TypedDict):
    name: str
    per: Per
    amount: int
    period_s: int
    measure: Measure
    kind: str
    agent_kind: str
    target: str
    burst: int
    plan: str
    key: str
    text: str


class LimitsShown(TypedDict):
    plan: str
    limits: list[LimitShown]
    used: list[UseShown]


class LinkMade(TypedDict):
    user: str
    purpose: str
    path: str
    token: str
    expires_at: str


class LinkUse(TypedDict):
    token: Token
    password: Password


class Listed(TypedDict):
    name: RemitServeApiRoutesListingName
    target: Target
    weight: NotRequired[int]
    order: NotRequired[int]
    can: NotRequired[list[str] | None]
    quality: NotRequired[int | None]
    context: NotRequired[int | None]


class LiveShown(TypedDict):
    target: str
    live: str | None
    mission: str | None
    releases: list[str]
    history: list[dict[str, Any]]


class LogKeys(TypedDict):
    keys: list[str]
    checkpoint: str | None
    handovers: list[str]
    consistency: str


type Login = str


class MayTouch(TypedDict):
    effects: list[str]
    tools: list[str]
    models: list[str]
    domains: list[str]


class Me(TypedDict):
    user: str
    name: str
    email: str
    workspace: str
    role: str | None
    may: list[str]
    teams: dict[str, list[str]]
    via: str
    scopes: list[str]
    second_factor: bool


class Meaning(TypedDict):
    name: RemitServeApiRoutesListingName
    target: NotRequired[str]


type Measure = Literal["requests", "tokens", "minutes"]


class MemberChange(TypedDict):
    role: Role
    granted: NotRequired[list[Permission]]
    revoked: NotRequired[list[Permission]]


class MissionItem(TypedDict):
    mission: str
    title: str
    status: Shown
    pack: str
    input: str
    originator: str
    agents: list[str]
    parent: str | None
    steps: StepCounts
    cost_usd: str
    estimate: EstimateShown | None
    created_at: str
    updated_at: str
    waits_for: list[str]
    stuck_seconds: int
    error: str | None


class MissionShown(TypedDict):
    mission: str
    title: str
    status: Shown
    pack: str
    pack_version: str
    input: str
    input_sha256: str
    plan_sha256: str
    revision: int
    originator: str
    parent: str | None
    parent_step: str | None
    created_at: str
    updated_at: str
    cost_usd: str
    budget_usd: str | None
    seconds_left: float
    estimate: EstimateShown | None
    queue: QueuePlace | None
    critical_path: list[str]
    features: list[str]
    tree: str | None
    commit: str | None
    actions: dict[str, int]
    waits_for: list[str]
    error_code: str | None
    error: str | None
    steps: list[StepShown]


type Mode = Literal["kill", "pause"]


class ModelHealth(TypedDict):
    target: str
    calls: int
    errors: int
    error_share: float
    first_byte_s: Spread
    total_s: Spread
    codes: dict[str, int]
    last_minute: str | None
    circuit: str
    why: str
    until: str | None
    history: list[HistoryPoint]


class ModelItem(TypedDict):
    name: str
    target: str
    order: int
    weight: int
    quality: int
    context: int | None
    capabilities: list[str]
    price: dict[str, Json] | None
    own_price: bool


class ModelList(TypedDict):
    items: list[ModelItem]
    aliases: dict[str, str]
    fallbacks: dict[str, list[str]]


class MoveAsked(TypedDict):
    kind: str
    operation: str
    to: str
    reason: str


class NewAgent(TypedDict):
    name: str
    kind: NotRequired[str]
    owner: NotRequired[str]
    team: NotRequired[str]
    effects: NotRequired[Words]
    tools: NotRequired[Words]
    models: NotRequired[Words]
    domains: NotRequired[Words]
    may_spend_micros: NotRequired[int | None]


class NewApiKey(TypedDict):
    name: str
    scopes: list[Permission]
    days: NotRequired[int]


class NewBudget(TypedDict):
    scope: BudgetScope
    name: NotRequired[RemitServeApiRoutesSpendName]
    period: NotRequired[Period]
    limit_usd: str


class NewDelegation(TypedDict):
    user: str
    until: str
    reason: NotRequired[str]


class NewFeedback(TypedDict):
    rating: int
    comment: NotRequired[str]
    about: NotRequired[str]


class NewInvitation(TypedDict):
    email: str
    role: NotRequired[Role]
    days: NotRequired[int]


class NewKey(TypedDict):
    key: str
    agent: str
    owner: NotRequired[str]
    models: NotRequired[list[Pattern]]
    scopes: NotRequired[list[KeyScope]]
    addresses: NotRequired[list[Pattern]]
    days: NotRequired[int | None]
    budget_usd: NotRequired[str | None]


class NewLink(TypedDict):
    lost_factor: NotRequired[bool]


class NewMission(TypedDict):
    pack: str
    input: str
    name: NotRequired[str]
    preset: NotRequired[str]
    budget_usd: NotRequired[str]
    priority: NotRequired[Literal["critical", "high", "normal", "low"]]


class NewPlan(TypedDict):
    pack: str
    input: str
    name: NotRequired[str]
    preset: NotRequired[str]


class NewPosition(TypedDict):
    on: bool
    reason: str


class NewPriority(TypedDict):
    priority: Literal["critical", "high", "normal", "low"]


class NewRates(TypedDict):
    requests: NotRequired[Amount | None]
    tokens: NotRequired[Amount | None]
    every_s: NotRequired[int]


class NewRevision(TypedDict):
    text: RemitServeApiRoutesPolicyKept1
    reason: str


class NewStatus(TypedDict):
    status: ProviderStatus
    reason: Reason


class NewTeam(TypedDict):
    team: str
    name: str
    billing_email: NotRequired[str]
    owner: NotRequired[str]


class NewUser(TypedDict):
    user: str
    name: NotRequired[str]
    email: NotRequired[str]
    role: NotRequired[Role | None]


class OddityItem(TypedDict):
    secret: str
    principal: str
    what: Anomaly
    mission: str
    at: str
    seen: int
    usual: int
    told: bool


class OfTarget(TypedDict):
    target: str
    entries: int
    bytes: int
    hits: int


type OnDrift = Literal["refuse", "reset", "rerun"]


class Order(TypedDict):
    scope: KillScope
    name: NotRequired[str]
    mode: NotRequired[Mode]
    reason: str


class OutlookShown(TypedDict):
    spent_usd: str
    projected_usd: str
    ends_at: str
    window_hours: int


class Outlooks(TypedDict):
    day: OutlookShown
    month: OutlookShown


class OwnPrice(TypedDict):
    target: Target
    input: NotRequired[Dollars]
    output: NotRequired[Dollars]
    cached: NotRequired[Dollars]
    cache_write: NotRequired[Dollars]
    service: NotRequired[Word]
    tool: NotRequired[Word]
    each: NotRequired[Dollars]


class PackShown(TypedDict):
    name: str
    version: str
    presets: list[str]
    described: bool
    formed: bool


class PageActionShown(TypedDict):
    items: list[ActionShown]
    next: str | None


class PageAgentShown(TypedDict):
    items: list[AgentShown]
    next: str | None


class PageApprovalItem(TypedDict):
    items: list[ApprovalItem]
    next: str | None


class PageBreakerShown(TypedDict):
    items: list[BreakerShown]
    next: str | None


class PageCallItem(TypedDict):
    items: list[CallItem]
    next: str | None


class PageCedarShown(TypedDict):
    items: list[CedarShown]
    next: str | None


class PageEntryItem(TypedDict):
    items: list[EntryItem]
    next: str | None


class PageEventShown(TypedDict):
    items: list[EventShown]
    next: str | None


class PageGrantShown(TypedDict):
    items: list[GrantShown]
    next: str | None


class PageHappeningItem(TypedDict):
    items: list[HappeningItem]
    next: str | None


class PageHoldShown(TypedDict):
    items: list[HoldShown]
    next: str | None


class PageKeyItem(TypedDict):
    items: list[KeyItem]
    next: str | None


class PageMissionItem(TypedDict):
    items: list[MissionItem]
    next: str | None


class PagePackShown(TypedDict):
    items: list[PackShown]
    next: str | None


class PagePresetShown(TypedDict):
    items: list[PresetShown]
    next: str | None


class PageRevisionItem(TypedDict):
    items: list[RevisionItem]
    next: str | None


class PageServerShown(TypedDict):
    items: list[ServerShown]
    next: str | None


class PageStepAttempt(TypedDict):
    items: list[StepAttempt]
    next: str | None


class PageStepShown(TypedDict):
    items: list[StepShown]
    next: str | None


class PageStopShown(TypedDict):
    items: list[StopShown]
    next: str | None


class PageTeamItem(TypedDict):
    items: list[TeamItem]
    next: str | None


class PageTeamMember(TypedDict):
    items: list[TeamMember]
    next: str | None


class PageToolShown(TypedDict):
    items: list[ToolShown]
    next: str | None


class PageUseItem(TypedDict):
    items: list[UseItem]
    next: str | None


class PageUserItem(TypedDict):
    items: list[UserItem]
    next: str | None


type Password = str


class PasswordAgain(TypedDict):
    password: Password


class PasswordChange(TypedDict):
    current: Password
    new: Password


type Pattern = str


class Pause(TypedDict):
    paused: bool
    reason: str


type Per = Literal["agent", "key", "team", "workspace", "domain", "mission_domain", "tool"]


type Period = Literal["total", "month", "day"]


type Permission = Literal["read", "write", "delete", "approve", "admin"]


type Phase = Literal["closed", "open", "half_open"]


type Pinning = Literal["report", "hold", "strict"]


class PlanAsked(TypedDict):
    plan: PlanName
    numbers: NotRequired[dict[str, int | None]]


type PlanName = Literal["free", "pro", "studio", "enterprise"]


class PresetShown(TypedDict):
    name: str
    title: str
    pack: str
    installed: bool
    risk: str
    cost_usd: dict[str, str]
    seconds: dict[str, int]
    agents: list[str]
    tools: list[str]
    guardrails: list[str]
    critics: list[str]
    approval: str | None


class PreviewView(TypedDict):
    failed: str
    summary: str
    diff: str
    simulation: dict[str, str]
    links: list[str]


class Problem(TypedDict):
    type: str
    title: str
    status: int
    detail: str
    instance: str
    code: str
    hint: str
    docs: str
    retryable: bool
    request_id: str
    place: NotRequired[str | None]
    problems: NotRequired[list[str] | None]


class ProgramCredentials(TypedDict):
    user: Login
    password: Password
    workspace: NotRequired[str]
    code: NotRequired[str]


class ProofShown(TypedDict):
    index: int
    header: str
    path: list[str]
    checkpoint: str
    keys: list[str]
    tlog_proof: str


class ProviderItem(TypedDict):
    provider: str
    kind: str
    base_url: str
    key: str
    headers: list[str]
    status: ProviderStatus
    open_circuits: int
    health: HealthItem


type ProviderStatus = Literal["active", "paused"]


class Providers(TypedDict):
    items: list[ProviderItem]


class QueuePlace(TypedDict):
    mission: str
    state: str
    priority: Literal["critical", "high", "normal", "low"]
    position: int | None
    wait_seconds: float | None
    originator: str
    since: str
    worker: str | None


class QueueShown(TypedDict):
    running: list[QueuedItem]
    waiting: list[QueuedItem]
    workers: int
    slots: int
    plan: str
    parallel_missions: int
    queued_missions: int
    hint: str
    paused_since: str | None
    paused_home: bool


class QueuedItem(TypedDict):
    mission: str
    state: str
    priority: Literal["critical", "high", "normal", "low"]
    position: int | None
    wait_seconds: float | None
    originator: str
    since: str
    worker: str | None
    title: str
    pack: str
    reason: str


class Range(TypedDict):
    low: str
    high: str


class ReachShown(TypedDict):
    agents: int
    running: int
    queued: int
    calls: int
    requests: int
    keys: int
    more: bool


class ReachView(TypedDict):
    target: str
    files: list[str]
    files_in_all: int
    reversal: str
    undo: str
    network: str


type Reason = str


class RecoveryCodes(TypedDict):
    recovery_codes: list[str]


class RefreshToken(TypedDict):
    refresh_token: Token


class RefusedShown(TypedDict):
    count: int
    by_agent: dict[str, int]
    more: bool


class RehearsalAsked(TypedDict):
    action: RemitServeApiRoutesPolicyKept2
    text: NotRequired[RemitServeApiRoutesPolicyKept1 | None]


class RehearsalShown(TypedDict):
    kind: str
    target: str
    verdict: str
    rules: list[ToldShown]


class RemarkShown(TypedDict):
    kind: str
    rule: str
    line: int
    what: str


class ReportShown(TypedDict):
    mission: MissionShown
    approvals: list[dict[str, Any]]
    deployments: list[dict[str, Any]]
    made_at: str


class Reset(TypedDict):
    target: str
    reason: Reason


class ResponseCache(TypedDict):
    bytes: int
    most_bytes: int
    endpoints: list[KeptResponses]


type Result = Literal["success", "failure", "blocked", "pending"]


class Resume(TypedDict):
    from_step: NotRequired[str]
    drift: NotRequired[OnDrift]


class RevisionItem(TypedDict):
    revision: int
    sha256: str
    origin: str
    saved_by: str
    saved_at: str | None
    reason: str


class RevisionShown(TypedDict):
    revision: int
    sha256: str
    origin: str
    saved_by: str
    saved_at: str | None
    reason: str
    text: str
    rules: list[dict[str, Any]]
    limits: dict[str, float]
    lists: dict[str, list[str]]


type Role = Literal["owner", "admin", "member", "viewer"]


class RoleChange(TypedDict):
    role: NotRequired[Role | None]
    granted: NotRequired[list[Permission]]
    revoked: NotRequired[list[Permission]]


class Rollback(TypedDict):
    to_step: NotRequired[str]
    feature: NotRequired[str]


class Rotation(TypedDict):
    overlap_s: NotRequired[int]


class RouteShown(TypedDict):
    name: str
    candidates: list[str]
    why: list[str]


class RuleItem(TypedDict):
    rule: str
    effect: Allows
    secret: str
    agent: str
    kind: str
    mission: str
    target: str
    set_by: str


class RulesShown(TypedDict):
    items: list[RuleItem]


class SecretItem(TypedDict):
    name: str
    backend: str
    version: str
    status: str
    set_by: str
    set_at: str | None


class SecretUses(TypedDict):
    secret: str
    principal: str
    mission: str
    uses: int
    denied: int
    first: str
    last: str


class SecretsShown(TypedDict):
    secrets: list[SecretItem]
    statistics: list[SecretUses]
    anomalies: list[OddityItem]


class ServerShown(TypedDict):
    server: str
    command: list[str]
    env: list[str]
    url: str
    headers: list[str]
    pinning: Pinning


class SessionItem(TypedDict):
    session: str
    user: str
    kind: str
    how: str
    second_factor: bool
    address: str
    agent: str
    created_at: str
    seen_at: str
    expires_at: str
    status: str
    ended_why: str
    current: bool


class Sessions(TypedDict):
    items: list[SessionItem]


class SettingShown(TypedDict):
    name: str
    variable: str
    value: str
    default: str
    origin: From
    place: str
    hidden: bool
    changed: bool
    meaning: str


class SettingsShown(TypedDict):
    items: list[SettingShown]


class ShadowAsked(TypedDict):
    text: RemitServeApiRoutesPolicyKept1
    days: NotRequired[int]
    limit: NotRequired[int]


class ShadowShown(TypedDict):
    judged: int
    unreached: int
    unknown: int
    more: bool
    moves: list[dict[str, Any]]
    changed: list[dict[str, Any]]


class ShortageView(TypedDict):
    what: str
    detail: str


type Shown = Literal["queued", "running", "waiting", "succeeded", "failed", "cancelled", "rolled_back", "interrupted"]


class SignedIn(TypedDict):
    status: Literal["signed_in", "code_needed"]
    note: NotRequired[str]
    user: NotRequired[str]
    workspace: NotRequired[str]
    session: NotRequired[str]
    until: NotRequired[str | None]
    limited: NotRequired[bool]


type Span = Literal["day", "week", "month", "quarter"]


class SpendShown(TypedDict):
    span: Span
    total: UsedItem
    calls: int
    models: list[UsedItem]
    teams: list[UsedItem]
    agents: list[UsedItem]
    users: list[UsedItem]
    keys: list[UsedItem]
    missions: list[UsedItem]
    curve_micros: list[int]
    forecast: Outlooks
    budgets: list[BudgetItem]
    refused: RefusedShown


class Spread(TypedDict):
    p50: float | None
    p95: float | None
    p99: float | None


class StandIns(TypedDict):
    name: RemitServeApiRoutesListingName
    targets: NotRequired[list[Target]]


type StateInput = Literal["waiting", "all", "approved", "used", "denied", "expired", "withdrawn", "superseded"]


type StateOutput = Literal["ok", "failed", "draining"]


class StepAttempt(TypedDict):
    attempt: int
    generation: int
    outcome: str
    started_at: str
    seconds: float
    retry_after_seconds: float
    cost_usd: str
    error_code: str | None
    error: str | None
    log: str
    step: str


class StepCounts(TypedDict):
    total: int
    done: int
    running: int
    failed: int
    retry_at: str | None


class StepShown(TypedDict):
    step: str
    title: str
    feature: str | None
    agent: str
    critic: str | None
    status: str
    word: str
    needs: list[str]
    waits_for: list[str]
    attempts: list[AttemptShown]
    next_attempt_at: str | None
    generation: int
    seconds: float
    expected_seconds: float
    cost_usd: str
    commit: str | None
    paths: list[str]
    result: dict[str, Any]
    error_code: str | None
    error: str | None
    verdicts: list[VerdictShown]
    approvals: list[str]


class StopShown(TypedDict):
    id: str
    scope: KillScope
    name: str
    mode: Mode
    reason: str
    by: str
    at: str
    in_force: bool
    lifted_by: str | None
    lifted_at: str | None
    lifted_reason: str | None


class StoryShown(TypedDict):
    id: str
    kind: str
    actions: list[dict[str, Any]]


type Switch = Literal["telemetry", "feedback"]


class SwitchShown(TypedDict):
    name: Switch
    on: bool
    setting: bool
    by: str
    reason: str
    at: str | None


class SwitchedBack(TypedDict):
    mission: str
    status: Literal["back", "running"]
    target: str
    live: str | None


type Target = str


class TeamChange(TypedDict):
    name: NotRequired[str | None]
    billing_email: NotRequired[str | None]


class TeamItem(TypedDict):
    team: str
    name: str
    billing_email: str
    created_at: str
    members: int
    agents: int
    role: Role | None


class TeamMember(TypedDict):
    user: str
    role: Role
    granted: list[Permission]
    revoked: list[Permission]
    may: list[str]


class TeamShown(TypedDict):
    team: str
    name: str
    billing_email: str
    members: list[TeamMember]
    agents: list[str]


class TelemetryShown(TypedDict):
    switches: list[SwitchShown]
    leaving: list[LeavingShown]
    kept_days: int
    events: int
    more: bool
    errors: int
    features: list[FeatureShown]
    days: list[DayShown]
    ratings: list[int]


class Text(TypedDict):
    text: RemitServeApiRoutesPolicyKept1


class TextShown(TypedDict):
    text: str
    cut: bool
    binary: bool


type Token = str


class TokenAnswer(TypedDict):
    access_token: str
    token_type: NotRequired[Literal["Bearer"]]
    expires_in: int
    refresh_token: str
    refresh_expires_in: int
    session: str


class TokenItem(TypedDict):
    begins: str
    created_at: str
    until: str | None
    used_at: str | None


ToldShown = TypedDict(
    "ToldShown",
    {"rule": "str", "set": "str", "said": "str", "else": "str", "message": "str", "conditions": "list[dict[str, Any]]"},
)


class ToolShown(TypedDict):
    server: str
    tool: str
    held: bool
    why: str
    sha256: str
    accepted_by: str
    description: str
    signs: str
    first_at: str
    changed_at: str


class TrueUpAsked(TypedDict):
    since: str
    until: NotRequired[str | None]
    dry_run: NotRequired[bool]


class TruedUp(TypedDict):
    dry_run: bool
    looked_at: int
    corrected: int
    unknown_price: int
    uncounted: int
    booked_usd: str
    models: list[TruedUpModel]


class TruedUpModel(TypedDict):
    provider: str
    model: str
    calls: int
    charged_usd: str
    exact_usd: str
    over_usd: str
    unknown: int


class UsageReport(TypedDict):
    by: By
    usage: list[UsedItem]
    total: UsedItem
    forecast: Outlooks


class UseItem(TypedDict):
    entry: int
    at: str
    secret: str
    principal: str
    on_behalf_of: str
    mission: str
    step: str
    denied: bool
    reason: str


class UseShown(TypedDict):
    limit: str
    whose: str
    used: int
    remaining: int
    full_in_s: float | None


class UsedItem(TypedDict):
    key: str
    attempts: int
    unknown_price: int
    cost_usd: str
    cost_parts_usd: CostParts
    estimated: int
    kept_answers: int
    saved_usd: str
    corrected_usd: str
    tokens_in: int
    tokens_out: int
    gpu_ms: int
    storage_bytes: int
    network_bytes: int
    tokens_cached: int
    tokens_cache_write: int
    share: NotRequired[float | None]


class UserItem(TypedDict):
    user: str
    name: str
    email: str
    role: str | None
    status: str
    may: list[str]
    teams: dict[str, list[str]]


class VerdictShown(TypedDict):
    critic: str
    passed: bool
    at: str
    subject: str
    findings: list[dict[str, str]]


class VerificationShown(TypedDict):
    ok: bool
    size: int
    root: str
    signed: int
    heads: int
    pruned: int
    erased: int
    pending: int
    discrepancies: list[DiscrepancyShown]


class VoteShown(TypedDict):
    by: str
    right_of: str
    verdict: str
    reason: str
    at: str


class WasReset(TypedDict):
    circuits: list[str]


class Why(TypedDict):
    reason: str


type Word = str


type Words = list[str]


type RemitAccountsTelemetryEventsKind = Literal["feature", "error", "feedback"]


class RemitServeApiHealthHealth(TypedDict):
    status: StateOutput
    components: NotRequired[dict[str, Component]]


type RemitServeApiRoutesApprovalsKind = Literal[
    "", "command", "deploy", "fetch", "files", "model", "notify", "order", "publish", "tool"
]


type RemitServeApiRoutesListingName = str


class RemitServeApiRoutesMissionModelsPlanShown(TypedDict):
    pack: str
    preset: str | None
    risk: str | None
    approval: str | None
    summary: str
    notes: list[str]
    steps: list[dict[str, Any]]
    critical_path: list[str]
    critical_seconds: float
    estimate: EstimateShown


class RemitServeApiRoutesModelsHealth(TypedDict):
    items: list[ModelHealth]


class RemitServeApiRoutesPlanPlanShown(TypedDict):
    plan: PlanName
    numbers: dict[str, int | None]
    own: list[str]
    plans: list[PlanName]


type RemitServeApiRoutesPolicyKept1 = str


type RemitServeApiRoutesPolicyKept2 = str


type RemitServeApiRoutesSpendName = str


class AboutCalls:
    """About about."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def description(self) -> dict[str, Any]:
        """This description."""
        return cast("dict[str, Any]", self._run(Call("GET", "/openapi.json")))

    def form_token(self) -> FormToken:
        """The token of a session's forms."""
        return cast("FormToken", self._run(Call("GET", "/api/v1/csrf")))


class AccountCalls:
    """About account."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def begin(self, body: FactorStart) -> FactorBegun:
        """Set up a second factor."""
        return cast("FactorBegun", self._run(Call("POST", "/api/v1/me/second-factor", body=body)))

    def confirm(self, body: FactorCode) -> RecoveryCodes:
        """Confirm the second factor."""
        return cast("RecoveryCodes", self._run(Call("POST", "/api/v1/me/second-factor/confirm", body=body)))

    def end(self, session: str, *, if_match: str = "") -> None:
        """End a sign-in."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/sessions/{session}",
                params={"session": session},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def end_others(self, *, if_match: str = "") -> Ended:
        """Sign out everywhere else."""
        return cast(
            "Ended", self._run(Call("DELETE", "/api/v1/sessions", headers={"if-match": if_match} if if_match else {}))
        )

    def factor(self) -> FactorShown:
        """Show the second factor."""
        return cast("FactorShown", self._run(Call("GET", "/api/v1/me/second-factor")))

    def factor_off(self, body: PasswordAgain) -> None:
        """Turn the second factor off."""
        self._run(Call("POST", "/api/v1/me/second-factor/off", body=body))

    def keys(self, *, everybody: bool | None = None) -> ApiKeys:
        """List API keys."""
        return cast("ApiKeys", self._run(Call("GET", "/api/v1/api-keys", query={"everybody": everybody})))

    def make_key(self, body: NewApiKey) -> ApiKeyItem:
        """Make an API key."""
        return cast("ApiKeyItem", self._run(Call("POST", "/api/v1/api-keys", body=body)))

    def me(self) -> Me:
        """Who asks."""
        return cast("Me", self._run(Call("GET", "/api/v1/me")))

    def password(self, body: PasswordChange) -> None:
        """Change the password."""
        self._run(Call("POST", "/api/v1/me/password", body=body))

    def revoke_key(self, key: str, *, if_match: str = "") -> None:
        """Revoke an API key."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/api-keys/{key}",
                params={"key": key},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def sessions(self, *, user: str | None = None) -> Sessions:
        """List sign-ins."""
        return cast("Sessions", self._run(Call("GET", "/api/v1/sessions", query={"user": user})))


class AgentsCalls:
    """About agents."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def change(self, agent: str, body: AgentChanged, *, if_match: str = "") -> AgentShown:
        """Change an agent."""
        return cast(
            "AgentShown",
            self._run(
                Call(
                    "PATCH",
                    "/api/v1/agents/{agent}",
                    params={"agent": agent},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def list(
        self,
        *,
        text: str | None = None,
        kind: str | None = None,
        team: str | None = None,
        owner: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PageAgentShown:
        """List agents."""
        return cast(
            "PageAgentShown",
            self._run(
                Call(
                    "GET",
                    "/api/v1/agents",
                    query={"text": text, "kind": kind, "team": team, "owner": owner, "limit": limit, "cursor": cursor},
                )
            ),
        )

    def make(self, body: NewAgent) -> AgentShown:
        """Register an agent."""
        return cast("AgentShown", self._run(Call("POST", "/api/v1/agents", body=body)))

    def retire(self, agent: str, body: Why) -> AgentShown:
        """Retire an agent."""
        return cast(
            "AgentShown",
            self._run(Call("POST", "/api/v1/agents/{agent}/retirement", params={"agent": agent}, body=body)),
        )

    def show(self, agent: str) -> AgentShown:
        """Show an agent."""
        return cast("AgentShown", self._run(Call("GET", "/api/v1/agents/{agent}", params={"agent": agent})))


class ApprovalsCalls:
    """About approvals."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def approve(self, approval: str, body: Approve) -> ApprovalShown:
        """Approve a request."""
        return cast(
            "ApprovalShown",
            self._run(Call("POST", "/api/v1/approvals/{approval}/approve", params={"approval": approval}, body=body)),
        )

    def delegate(self, body: NewDelegation) -> DelegationItem:
        """Hand your right to somebody."""
        return cast("DelegationItem", self._run(Call("POST", "/api/v1/delegations", body=body)))

    def delegations(self) -> Delegations:
        """List delegations."""
        return cast("Delegations", self._run(Call("GET", "/api/v1/delegations")))

    def deny(self, approval: str, body: Deny) -> ApprovalShown:
        """Deny a request."""
        return cast(
            "ApprovalShown",
            self._run(Call("POST", "/api/v1/approvals/{approval}/deny", params={"approval": approval}, body=body)),
        )

    def list(
        self,
        *,
        state: StateInput | None = None,
        kind: RemitServeApiRoutesApprovalsKind | None = None,
        risk: Literal["", "low", "medium", "high"] | None = None,
        mission: str | None = None,
        on_behalf_of: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PageApprovalItem:
        """List requests for approval."""
        return cast(
            "PageApprovalItem",
            self._run(
                Call(
                    "GET",
                    "/api/v1/approvals",
                    query={
                        "state": state,
                        "kind": kind,
                        "risk": risk,
                        "mission": mission,
                        "on_behalf_of": on_behalf_of,
                        "limit": limit,
                        "cursor": cursor,
                    },
                )
            ),
        )

    def show(self, approval: str) -> ApprovalShown:
        """Show a request for approval."""
        return cast(
            "ApprovalShown", self._run(Call("GET", "/api/v1/approvals/{approval}", params={"approval": approval}))
        )

    def take_back(self, user: str, *, if_match: str = "") -> None:
        """Take your right back."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/delegations/{user}",
                params={"user": user},
                headers={"if-match": if_match} if if_match else {},
            )
        )


class AuditCalls:
    """About audit."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def checkpoint(self) -> CheckpointShown:
        """The newest checkpoint."""
        return cast("CheckpointShown", self._run(Call("GET", "/api/v1/audit/checkpoint")))

    def consistency(self, *, old: int, new: int) -> Consistency:
        """Prove that the log was only added to."""
        return cast("Consistency", self._run(Call("GET", "/api/v1/audit/consistency", query={"old": old, "new": new})))

    def export(self, body: ExportAsked) -> ExportShown:
        """Export entries."""
        return cast("ExportShown", self._run(Call("POST", "/api/v1/audit/exports", body=body)))

    def fetch(self, export: str, file: str) -> None:
        """Fetch a file of an export."""
        self._run(Call("GET", "/api/v1/audit/exports/{export}/{file}", params={"export": export, "file": file}))

    def keys(self) -> LogKeys:
        """The keys of the audit log."""
        return cast("LogKeys", self._run(Call("GET", "/.well-known/remit-audit")))

    def list(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        mission: str | None = None,
        domain: str | None = None,
        result: Result | None = None,
        text: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PageEntryItem:
        """Search the audit log."""
        return cast(
            "PageEntryItem",
            self._run(
                Call(
                    "GET",
                    "/api/v1/audit/entries",
                    query={
                        "actor": actor,
                        "action": action,
                        "mission": mission,
                        "domain": domain,
                        "result": result,
                        "text": text,
                        "since": since,
                        "until": until,
                        "limit": limit,
                        "cursor": cursor,
                    },
                )
            ),
        )

    def prove(self, seq: int) -> ProofShown:
        """Prove an entry."""
        return cast("ProofShown", self._run(Call("GET", "/api/v1/audit/entries/{seq}/proof", params={"seq": seq})))

    def show(self, seq: int) -> EntryShown:
        """Show an entry."""
        return cast("EntryShown", self._run(Call("GET", "/api/v1/audit/entries/{seq}", params={"seq": seq})))

    def verify(self) -> VerificationShown:
        """Verify the log."""
        return cast("VerificationShown", self._run(Call("POST", "/api/v1/audit/verifications")))


class BreakGlassCalls:
    """About break-glass."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def ask(self, body: LiftAsked) -> GrantShown:
        """Ask for break-glass."""
        return cast("GrantShown", self._run(Call("POST", "/api/v1/break-glass", body=body)))

    def close(self, grant: str, body: CloseAsked) -> GrantShown:
        """End break-glass."""
        return cast(
            "GrantShown",
            self._run(Call("POST", "/api/v1/break-glass/{grant}/close", params={"grant": grant}, body=body)),
        )

    def confirm(self, grant: str) -> GrantShown:
        """Confirm break-glass."""
        return cast(
            "GrantShown", self._run(Call("POST", "/api/v1/break-glass/{grant}/confirm", params={"grant": grant}))
        )

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageGrantShown:
        """List break-glass."""
        return cast(
            "PageGrantShown", self._run(Call("GET", "/api/v1/break-glass", query={"limit": limit, "cursor": cursor}))
        )

    def show(self, grant: str) -> GrantShown:
        """Show break-glass."""
        return cast("GrantShown", self._run(Call("GET", "/api/v1/break-glass/{grant}", params={"grant": grant})))


class BreakersCalls:
    """About breakers."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageBreakerShown:
        """List breakers."""
        return cast(
            "PageBreakerShown", self._run(Call("GET", "/api/v1/breakers", query={"limit": limit, "cursor": cursor}))
        )

    def moved(self, body: MoveAsked) -> BreakerShown:
        """Reset or open a breaker."""
        return cast("BreakerShown", self._run(Call("POST", "/api/v1/breakers/moves", body=body)))


class HealthCalls:
    """About health."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def health(self) -> RemitServeApiHealthHealth:
        """Of what it is made, and how it is."""
        return cast("RemitServeApiHealthHealth", self._run(Call("GET", "/health")))

    def live(self) -> RemitServeApiHealthHealth:
        """Whether the process lives."""
        return cast("RemitServeApiHealthHealth", self._run(Call("GET", "/health/live")))

    def ready(self) -> RemitServeApiHealthHealth:
        """Whether requests may come."""
        return cast("RemitServeApiHealthHealth", self._run(Call("GET", "/health/ready")))


class HoldsCalls:
    """About holds."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageHoldShown:
        """List legal holds."""
        return cast(
            "PageHoldShown", self._run(Call("GET", "/api/v1/audit/holds", query={"limit": limit, "cursor": cursor}))
        )

    def place(self, body: HoldAsked) -> HoldShown:
        """Put a legal hold in force."""
        return cast("HoldShown", self._run(Call("POST", "/api/v1/audit/holds", body=body)))

    def release(self, hold: str, *, reason: str, if_match: str = "") -> None:
        """Release a legal hold."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/audit/holds/{hold}",
                params={"hold": hold},
                query={"reason": reason},
                headers={"if-match": if_match} if if_match else {},
            )
        )


class KeptAnswersCalls:
    """About kept-answers."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def give_up(self, *, reason: str, target: str | None = None, if_match: str = "") -> GivenUp:
        """Give up kept answers."""
        return cast(
            "GivenUp",
            self._run(
                Call(
                    "DELETE",
                    "/api/v1/kept-answers",
                    query={"reason": reason, "target": target},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def list(self, *, limit: int | None = None) -> KeptAnswers:
        """List kept answers."""
        return cast("KeptAnswers", self._run(Call("GET", "/api/v1/kept-answers", query={"limit": limit})))

    def statistics(self) -> KeptStatistics:
        """What kept answers spare."""
        return cast("KeptStatistics", self._run(Call("GET", "/api/v1/kept-answers/statistics")))


class KeysCalls:
    """About keys."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def list(self, *, ended: bool | None = None, limit: int | None = None, cursor: str | None = None) -> PageKeyItem:
        """List keys."""
        return cast(
            "PageKeyItem",
            self._run(Call("GET", "/api/v1/keys", query={"ended": ended, "limit": limit, "cursor": cursor})),
        )

    def make(self, body: NewKey) -> KeyItem:
        """Make a key."""
        return cast("KeyItem", self._run(Call("POST", "/api/v1/keys", body=body)))

    def rates(self, key: str, body: NewRates, *, if_match: str = "") -> None:
        """Set a key's own rates."""
        self._run(
            Call(
                "PUT",
                "/api/v1/keys/{key}/rates",
                params={"key": key},
                body=body,
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def revoke(self, key: str, *, reason: str | None = None, if_match: str = "") -> None:
        """Revoke a key."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/keys/{key}",
                params={"key": key},
                query={"reason": reason},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def rotate(self, key: str, body: Rotation) -> KeyItem:
        """Give a key a new token."""
        return cast("KeyItem", self._run(Call("POST", "/api/v1/keys/{key}/rotate", params={"key": key}, body=body)))

    def show(self, key: str) -> KeyItem:
        """Show a key."""
        return cast("KeyItem", self._run(Call("GET", "/api/v1/keys/{key}", params={"key": key})))


class LimitsCalls:
    """About limits."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def forget(self, limit: str, *, if_match: str = "") -> None:
        """Forget what was set of a limit."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/limits/{limit}",
                params={"limit": limit},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def list(self) -> LimitsShown:
        """List limits."""
        return cast("LimitsShown", self._run(Call("GET", "/api/v1/limits")))

    def off(self, limit: str) -> None:
        """Take a limit out of force."""
        self._run(Call("POST", "/api/v1/limits/{limit}/off", params={"limit": limit}))

    def set(self, limit: str, body: LimitAsked, *, if_match: str = "") -> LimitShown:
        """Set a limit."""
        return cast(
            "LimitShown",
            self._run(
                Call(
                    "PUT",
                    "/api/v1/limits/{limit}",
                    params={"limit": limit},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def show(self, limit: str) -> LimitShown:
        """Show a limit."""
        return cast("LimitShown", self._run(Call("GET", "/api/v1/limits/{limit}", params={"limit": limit})))


class MissionsCalls:
    """About missions."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def actions(self, mission: str, *, step: str | None = None) -> PageActionShown:
        """What a mission asked the guard for."""
        return cast(
            "PageActionShown",
            self._run(
                Call("GET", "/api/v1/missions/{mission}/actions", params={"mission": mission}, query={"step": step})
            ),
        )

    def artefacts(self, mission: str, *, step: str | None = None) -> ArtefactsShown:
        """List a mission's files."""
        return cast(
            "ArtefactsShown",
            self._run(
                Call("GET", "/api/v1/missions/{mission}/artefacts", params={"mission": mission}, query={"step": step})
            ),
        )

    def attest_of(self, mission: str, body: Attestation) -> Attested:
        """Attest of a mission."""
        return cast(
            "Attested",
            self._run(Call("POST", "/api/v1/missions/{mission}/attestations", params={"mission": mission}, body=body)),
        )

    def branch(self, mission: str, body: Branch) -> MissionShown:
        """Branch off a mission."""
        return cast(
            "MissionShown",
            self._run(Call("POST", "/api/v1/missions/{mission}/branches", params={"mission": mission}, body=body)),
        )

    def calls(self, mission: str, step: str) -> CallsShown:
        """A step's model calls."""
        return cast(
            "CallsShown",
            self._run(
                Call("GET", "/api/v1/missions/{mission}/steps/{step}/calls", params={"mission": mission, "step": step})
            ),
        )

    def cancel(self, mission: str) -> MissionShown:
        """Stop a mission."""
        return cast(
            "MissionShown", self._run(Call("POST", "/api/v1/missions/{mission}/cancel", params={"mission": mission}))
        )

    def content(self, mission: str, *, path: str, step: str | None = None) -> TextShown:
        """Read one of a mission's files."""
        return cast(
            "TextShown",
            self._run(
                Call(
                    "GET",
                    "/api/v1/missions/{mission}/artefacts/content",
                    params={"mission": mission},
                    query={"path": path, "step": step},
                )
            ),
        )

    def deploy(self, mission: str, body: Deploy) -> DeployedShown:
        """Deploy a mission."""
        return cast(
            "DeployedShown",
            self._run(Call("POST", "/api/v1/missions/{mission}/deployments", params={"mission": mission}, body=body)),
        )

    def deployment_plan(self, mission: str, *, target: str) -> DeployPlan:
        """What a deployment would change."""
        return cast(
            "DeployPlan",
            self._run(
                Call(
                    "GET",
                    "/api/v1/missions/{mission}/deployments/plan",
                    params={"mission": mission},
                    query={"target": target},
                )
            ),
        )

    def diff(self, mission: str, step: str, *, old: int | None = None, new: int | None = None) -> TextShown:
        """What a step changed."""
        return cast(
            "TextShown",
            self._run(
                Call(
                    "GET",
                    "/api/v1/missions/{mission}/steps/{step}/diff",
                    params={"mission": mission, "step": step},
                    query={"old": old, "new": new},
                )
            ),
        )

    def list(
        self,
        *,
        status: builtins.list[Shown] | None = None,
        pack: str | None = None,
        originator: str | None = None,
        agent: str | None = None,
        q: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PageMissionItem:
        """List missions."""
        return cast(
            "PageMissionItem",
            self._run(
                Call(
                    "GET",
                    "/api/v1/missions",
                    query={
                        "status": status,
                        "pack": pack,
                        "originator": originator,
                        "agent": agent,
                        "q": q,
                        "since": since,
                        "until": until,
                        "limit": limit,
                        "cursor": cursor,
                    },
                )
            ),
        )

    def logs(self, mission: str, *, step: str | None = None) -> PageStepAttempt:
        """What a mission's steps said."""
        return cast(
            "PageStepAttempt",
            self._run(
                Call("GET", "/api/v1/missions/{mission}/logs", params={"mission": mission}, query={"step": step})
            ),
        )

    def make(self, body: NewMission) -> MissionShown:
        """Make a mission and queue it."""
        return cast("MissionShown", self._run(Call("POST", "/api/v1/missions", body=body)))

    def plan(self, body: NewPlan) -> RemitServeApiRoutesMissionModelsPlanShown:
        """Plan a mission."""
        return cast(
            "RemitServeApiRoutesMissionModelsPlanShown", self._run(Call("POST", "/api/v1/missions/plan", body=body))
        )

    def priority(self, mission: str, body: NewPriority, *, if_match: str = "") -> QueuePlace:
        """Move a waiting mission."""
        return cast(
            "QueuePlace",
            self._run(
                Call(
                    "PUT",
                    "/api/v1/missions/{mission}/priority",
                    params={"mission": mission},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def report(self, mission: str) -> ReportShown:
        """What came of a mission."""
        return cast(
            "ReportShown", self._run(Call("GET", "/api/v1/missions/{mission}/report", params={"mission": mission}))
        )

    def resume(self, mission: str, body: Resume) -> MissionShown:
        """Go on with a mission."""
        return cast(
            "MissionShown",
            self._run(Call("POST", "/api/v1/missions/{mission}/resume", params={"mission": mission}, body=body)),
        )

    def rollback(self, mission: str, body: Rollback) -> MissionShown:
        """Roll a mission back."""
        return cast(
            "MissionShown",
            self._run(Call("POST", "/api/v1/missions/{mission}/rollback", params={"mission": mission}, body=body)),
        )

    def show(self, mission: str) -> MissionShown:
        """Show a mission."""
        return cast("MissionShown", self._run(Call("GET", "/api/v1/missions/{mission}", params={"mission": mission})))

    def step(self, mission: str, step: str) -> StepShown:
        """Show a step."""
        return cast(
            "StepShown",
            self._run(
                Call("GET", "/api/v1/missions/{mission}/steps/{step}", params={"mission": mission, "step": step})
            ),
        )

    def steps(self, mission: str) -> PageStepShown:
        """List a mission's steps."""
        return cast(
            "PageStepShown", self._run(Call("GET", "/api/v1/missions/{mission}/steps", params={"mission": mission}))
        )

    def switch_back(self, mission: str, body: Back) -> SwitchedBack:
        """Switch back."""
        return cast(
            "SwitchedBack",
            self._run(
                Call("POST", "/api/v1/missions/{mission}/deployments/back", params={"mission": mission}, body=body)
            ),
        )


class ModelsCalls:
    """About models."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def alias(self, body: Meaning, *, if_match: str = "") -> Changed:
        """Let a name mean another."""
        return cast(
            "Changed",
            self._run(
                Call("PUT", "/api/v1/models/aliases", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    def fallback(self, body: StandIns, *, if_match: str = "") -> Changed:
        """Say who stands in."""
        return cast(
            "Changed",
            self._run(
                Call("PUT", "/api/v1/models/fallbacks", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    def health(self, *, minutes: int | None = None) -> RemitServeApiRoutesModelsHealth:
        """How models are."""
        return cast(
            "RemitServeApiRoutesModelsHealth",
            self._run(Call("GET", "/api/v1/models/health", query={"minutes": minutes})),
        )

    def list(self) -> ModelList:
        """List models."""
        return cast("ModelList", self._run(Call("GET", "/api/v1/models")))

    def list_under(self, body: Listed, *, if_match: str = "") -> Changed:
        """List a model under a name."""
        return cast(
            "Changed",
            self._run(
                Call("PUT", "/api/v1/models/listed", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    def move(self, provider: str, body: NewStatus, *, if_match: str = "") -> Changed:
        """Pause or resume a provider."""
        return cast(
            "Changed",
            self._run(
                Call(
                    "PUT",
                    "/api/v1/providers/{provider}/status",
                    params={"provider": provider},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def price(self, body: OwnPrice, *, if_match: str = "") -> Changed:
        """Set a model's price."""
        return cast(
            "Changed",
            self._run(
                Call("PUT", "/api/v1/models/prices", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    def providers(self, *, minutes: int | None = None) -> Providers:
        """List providers."""
        return cast("Providers", self._run(Call("GET", "/api/v1/providers", query={"minutes": minutes})))

    def published_price(
        self, *, target: str, service: str | None = None, tool: str | None = None, if_match: str = ""
    ) -> Changed:
        """Forget a model's own price."""
        return cast(
            "Changed",
            self._run(
                Call(
                    "DELETE",
                    "/api/v1/models/prices",
                    query={"target": target, "service": service, "tool": tool},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def reset(self, body: Reset) -> WasReset:
        """Reset the breakers of a model."""
        return cast("WasReset", self._run(Call("POST", "/api/v1/models/reset", body=body)))

    def route(self, *, name: str | None = None, tokens_in: int | None = None, max_out: int | None = None) -> RouteShown:
        """Who would be asked."""
        return cast(
            "RouteShown",
            self._run(
                Call("GET", "/api/v1/models/route", query={"name": name, "tokens_in": tokens_in, "max_out": max_out})
            ),
        )

    def unlist(self, *, name: str, target: str | None = None, if_match: str = "") -> Changed:
        """Take a model off the list."""
        return cast(
            "Changed",
            self._run(
                Call(
                    "DELETE",
                    "/api/v1/models/listed",
                    query={"name": name, "target": target},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )


class OperationsCalls:
    """About operations."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def clear(self, *, endpoint: str | None = None, if_match: str = "") -> Cleared:
        """Forget kept answers."""
        return cast(
            "Cleared",
            self._run(
                Call(
                    "DELETE",
                    "/api/v1/response-cache",
                    query={"endpoint": endpoint},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def database(self) -> Database:
        """Database statistics."""
        return cast("Database", self._run(Call("GET", "/api/v1/database")))

    def kept(self) -> ResponseCache:
        """Kept answers."""
        return cast("ResponseCache", self._run(Call("GET", "/api/v1/response-cache")))

    def list(self) -> ErrorBudgetsShown:
        """Error budgets."""
        return cast("ErrorBudgetsShown", self._run(Call("GET", "/api/v1/error-budgets")))

    def settings(self, *, q: str | None = None, changed: bool | None = None) -> SettingsShown:
        """List settings."""
        return cast("SettingsShown", self._run(Call("GET", "/api/v1/settings", query={"q": q, "changed": changed})))


class PacksCalls:
    """About packs."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def form(self, pack: str) -> FormShown:
        """Show what a pack's input looks like."""
        return cast("FormShown", self._run(Call("GET", "/api/v1/packs/{pack}/form", params={"pack": pack})))

    def packs(self) -> PagePackShown:
        """List packs."""
        return cast("PagePackShown", self._run(Call("GET", "/api/v1/packs")))


class PeopleCalls:
    """About people."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def accept(self, body: Accepting) -> Joined:
        """Accept an invitation."""
        return cast("Joined", self._run(Call("POST", "/api/v1/invitations/accept", body=body)))

    def add(self, body: NewUser) -> UserItem:
        """Add somebody."""
        return cast("UserItem", self._run(Call("POST", "/api/v1/users", body=body)))

    def happenings(
        self, *, team: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> PageHappeningItem:
        """List what was done."""
        return cast(
            "PageHappeningItem",
            self._run(Call("GET", "/api/v1/activity", query={"team": team, "limit": limit, "cursor": cursor})),
        )

    def invitations(self, team: str) -> Invitations:
        """List invitations."""
        return cast("Invitations", self._run(Call("GET", "/api/v1/teams/{team}/invitations", params={"team": team})))

    def invite(self, team: str, body: NewInvitation) -> InvitationItem:
        """Invite somebody."""
        return cast(
            "InvitationItem",
            self._run(Call("POST", "/api/v1/teams/{team}/invitations", params={"team": team}, body=body)),
        )

    def link(self, user: str, body: NewLink) -> LinkMade:
        """Make a one-time link."""
        return cast("LinkMade", self._run(Call("POST", "/api/v1/users/{user}/link", params={"user": user}, body=body)))

    def remove(self, user: str, *, if_match: str = "") -> None:
        """End somebody's account."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/users/{user}",
                params={"user": user},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def revoke(self, invitation: str, *, if_match: str = "") -> None:
        """Take an invitation back."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/invitations/{invitation}",
                params={"invitation": invitation},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def role(self, user: str, body: RoleChange, *, if_match: str = "") -> UserItem:
        """Set somebody's role."""
        return cast(
            "UserItem",
            self._run(
                Call(
                    "PUT",
                    "/api/v1/users/{user}/role",
                    params={"user": user},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def show(self, user: str) -> UserItem:
        """Show somebody."""
        return cast("UserItem", self._run(Call("GET", "/api/v1/users/{user}", params={"user": user})))

    def sign_out(self, user: str, *, if_match: str = "") -> Ended:
        """Sign somebody out."""
        return cast(
            "Ended",
            self._run(
                Call(
                    "DELETE",
                    "/api/v1/users/{user}/sessions",
                    params={"user": user},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def users(self, *, limit: int | None = None, cursor: str | None = None) -> PageUserItem:
        """List people."""
        return cast("PageUserItem", self._run(Call("GET", "/api/v1/users", query={"limit": limit, "cursor": cursor})))


class PlanCalls:
    """About plan."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def set(self, body: PlanAsked, *, if_match: str = "") -> RemitServeApiRoutesPlanPlanShown:
        """Set the plan."""
        return cast(
            "RemitServeApiRoutesPlanPlanShown",
            self._run(Call("PUT", "/api/v1/plan", body=body, headers={"if-match": if_match} if if_match else {})),
        )

    def show(self) -> RemitServeApiRoutesPlanPlanShown:
        """Show the plan."""
        return cast("RemitServeApiRoutesPlanPlanShown", self._run(Call("GET", "/api/v1/plan")))


class PolicyCalls:
    """About policy."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def check(self, body: Text) -> Checked:
        """Check a rule file."""
        return cast("Checked", self._run(Call("POST", "/api/v1/policy/checks", body=body)))

    def compare(self, *, before: int, after: int | None = None) -> Differences:
        """Compare revisions."""
        return cast(
            "Differences",
            self._run(Call("GET", "/api/v1/policy/differences", query={"before": before, "after": after})),
        )

    def custom(self, *, team: str | None = None, limit: int | None = None, cursor: str | None = None) -> PageCedarShown:
        """List custom policies."""
        return cast(
            "PageCedarShown",
            self._run(Call("GET", "/api/v1/policy/cedar", query={"team": team, "limit": limit, "cursor": cursor})),
        )

    def evidence(self, *, mission: str | None = None) -> EvidenceList:
        """List evidence."""
        return cast("EvidenceList", self._run(Call("GET", "/api/v1/policy/evidence", query={"mission": mission})))

    def explained(self, action: str) -> ExplanationShown:
        """Explain a decision."""
        return cast(
            "ExplanationShown",
            self._run(Call("GET", "/api/v1/policy/explanations/{action}", params={"action": action})),
        )

    def gateway(self) -> GatewayShown:
        """The gateway's switches."""
        return cast("GatewayShown", self._run(Call("GET", "/api/v1/policy/gateway")))

    def in_force(self) -> RevisionShown:
        """The rules in force."""
        return cast("RevisionShown", self._run(Call("GET", "/api/v1/policy")))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageRevisionItem:
        """List revisions."""
        return cast(
            "PageRevisionItem",
            self._run(Call("GET", "/api/v1/policy/revisions", query={"limit": limit, "cursor": cursor})),
        )

    def restore(self, number: int, body: Because) -> RevisionShown:
        """Restore a revision."""
        return cast(
            "RevisionShown",
            self._run(
                Call("POST", "/api/v1/policy/revisions/{number}/restoration", params={"number": number}, body=body)
            ),
        )

    def save(self, body: NewRevision) -> RevisionShown:
        """Save rules."""
        return cast("RevisionShown", self._run(Call("POST", "/api/v1/policy/revisions", body=body)))

    def save_custom(self, body: CedarAsked) -> CedarShown:
        """Put custom policies in force."""
        return cast("CedarShown", self._run(Call("POST", "/api/v1/policy/cedar", body=body)))

    def set_gateway(self, body: GatewayChange, *, if_match: str = "") -> GatewayShown:
        """Set switches of the gateway."""
        return cast(
            "GatewayShown",
            self._run(
                Call("PATCH", "/api/v1/policy/gateway", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    def shadow(self, body: ShadowAsked) -> ShadowShown:
        """Try rules on what was recorded."""
        return cast("ShadowShown", self._run(Call("POST", "/api/v1/policy/shadow", body=body)))

    def show(self, number: int) -> RevisionShown:
        """Show a revision."""
        return cast(
            "RevisionShown", self._run(Call("GET", "/api/v1/policy/revisions/{number}", params={"number": number}))
        )

    def try_action(self, body: RehearsalAsked) -> RehearsalShown:
        """Try an action."""
        return cast("RehearsalShown", self._run(Call("POST", "/api/v1/policy/rehearsals", body=body)))


class QueueCalls:
    """About queue."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def deployments(self, *, target: str) -> LiveShown:
        """What is deployed at a place."""
        return cast("LiveShown", self._run(Call("GET", "/api/v1/deployments", query={"target": target})))

    def leave(self, mission: str, *, if_match: str = "") -> MissionShown:
        """Take a mission out."""
        return cast(
            "MissionShown",
            self._run(
                Call(
                    "DELETE",
                    "/api/v1/queue/{mission}",
                    params={"mission": mission},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def pause(self, body: Pause, *, if_match: str = "") -> QueueShown:
        """Pause the queue, or let it go on."""
        return cast(
            "QueueShown",
            self._run(
                Call("PUT", "/api/v1/queue/pause", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    def presets(self) -> PagePresetShown:
        """List presets."""
        return cast("PagePresetShown", self._run(Call("GET", "/api/v1/presets")))

    def queue(self) -> QueueShown:
        """Show the queue."""
        return cast("QueueShown", self._run(Call("GET", "/api/v1/queue")))

    def why(self, *, id_: str) -> StoryShown:
        """Why something was, or was not, done."""
        return cast("StoryShown", self._run(Call("GET", "/api/v1/why", query={"id": id_})))


class SecretsCalls:
    """About secrets."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def overview(self, *, days: int | None = None) -> SecretsShown:
        """What is known of secrets."""
        return cast("SecretsShown", self._run(Call("GET", "/api/v1/secrets", query={"days": days})))

    def rules(self) -> RulesShown:
        """List rules of secrets."""
        return cast("RulesShown", self._run(Call("GET", "/api/v1/secrets/rules")))

    def uses(self, *, denied: bool | None = None, limit: int | None = None, cursor: str | None = None) -> PageUseItem:
        """List uses of secrets."""
        return cast(
            "PageUseItem",
            self._run(Call("GET", "/api/v1/secrets/uses", query={"denied": denied, "limit": limit, "cursor": cursor})),
        )


class SignInCalls:
    """About sign-in."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def enter(self, body: Credentials) -> SignedIn:
        """Sign in."""
        return cast("SignedIn", self._run(Call("POST", "/api/v1/sign-in", body=body)))

    def enter_code(self, body: Code) -> SignedIn:
        """Sign in: the second factor."""
        return cast("SignedIn", self._run(Call("POST", "/api/v1/sign-in/code", body=body)))

    def forgotten(self, body: ForgottenInput) -> AskedFor:
        """Have a link mailed."""
        return cast("AskedFor", self._run(Call("POST", "/api/v1/password/forgotten", body=body)))

    def join(self, body: Joining) -> SignedIn:
        """Join with an invitation."""
        return cast("SignedIn", self._run(Call("POST", "/api/v1/invitations/join", body=body)))

    def leave(self) -> None:
        """Sign out."""
        self._run(Call("POST", "/api/v1/sign-out"))

    def renew(self, body: RefreshToken) -> TokenAnswer:
        """Renew tokens."""
        return cast("TokenAnswer", self._run(Call("POST", "/api/v1/token/refresh", body=body)))

    def revoke(self, body: RefreshToken) -> None:
        """Sign a program out."""
        self._run(Call("POST", "/api/v1/token/revoke", body=body))

    def set_up(self, body: LinkUse) -> SignedIn:
        """Set a password with a one-time link."""
        return cast("SignedIn", self._run(Call("POST", "/api/v1/set-up", body=body)))

    def token(self, body: ProgramCredentials) -> TokenAnswer:
        """Sign a program in."""
        return cast("TokenAnswer", self._run(Call("POST", "/api/v1/token", body=body)))


class SpendCalls:
    """About spend."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def budgets(self) -> Budgets:
        """List budgets."""
        return cast("Budgets", self._run(Call("GET", "/api/v1/budgets")))

    def calls(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        agent: str | None = None,
        user: str | None = None,
        key: str | None = None,
        mission: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> PageCallItem:
        """List calls."""
        return cast(
            "PageCallItem",
            self._run(
                Call(
                    "GET",
                    "/api/v1/usage/calls",
                    query={
                        "limit": limit,
                        "cursor": cursor,
                        "agent": agent,
                        "user": user,
                        "key": key,
                        "mission": mission,
                        "provider": provider,
                        "model": model,
                        "kind": kind,
                        "since": since,
                        "until": until,
                    },
                )
            ),
        )

    def overview(self, *, span: Span | None = None) -> SpendShown:
        """What was spent."""
        return cast("SpendShown", self._run(Call("GET", "/api/v1/spend", query={"span": span})))

    def remove(
        self, *, scope: BudgetScope, name: str | None = None, period: Period | None = None, if_match: str = ""
    ) -> None:
        """Remove a budget."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/budgets",
                query={"scope": scope, "name": name, "period": period},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def set(self, body: NewBudget, *, if_match: str = "") -> BudgetSet:
        """Set a budget."""
        return cast(
            "BudgetSet",
            self._run(Call("PUT", "/api/v1/budgets", body=body, headers={"if-match": if_match} if if_match else {})),
        )

    def true_up(self, body: TrueUpAsked) -> TruedUp:
        """True prices up."""
        return cast("TruedUp", self._run(Call("POST", "/api/v1/usage/true-up", body=body)))

    def usage(
        self,
        *,
        by: By | None = None,
        agent: str | None = None,
        user: str | None = None,
        key: str | None = None,
        mission: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> UsageReport:
        """Usage, added up."""
        return cast(
            "UsageReport",
            self._run(
                Call(
                    "GET",
                    "/api/v1/usage",
                    query={
                        "by": by,
                        "agent": agent,
                        "user": user,
                        "key": key,
                        "mission": mission,
                        "provider": provider,
                        "model": model,
                        "kind": kind,
                        "since": since,
                        "until": until,
                    },
                )
            ),
        )


class StopsCalls:
    """About stops."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def lift(self, body: Order) -> None:
        """Let go."""
        self._run(Call("POST", "/api/v1/stops/lift", body=body))

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageStopShown:
        """List stops."""
        return cast("PageStopShown", self._run(Call("GET", "/api/v1/stops", query={"limit": limit, "cursor": cursor})))

    def reach(self, *, scope: KillScope, name: str | None = None) -> ReachShown:
        """What a stop would reach."""
        return cast("ReachShown", self._run(Call("GET", "/api/v1/stops/reach", query={"scope": scope, "name": name})))

    def stop(self, body: Order) -> StopShown:
        """Stop or pause."""
        return cast("StopShown", self._run(Call("POST", "/api/v1/stops", body=body)))


class TeamsCalls:
    """About teams."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def change(self, team: str, body: TeamChange, *, if_match: str = "") -> TeamShown:
        """Change a team."""
        return cast(
            "TeamShown",
            self._run(
                Call(
                    "PATCH",
                    "/api/v1/teams/{team}",
                    params={"team": team},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def end(self, team: str, *, if_match: str = "") -> None:
        """End a team."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/teams/{team}",
                params={"team": team},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def leave(self, team: str, user: str, *, if_match: str = "") -> None:
        """Take a member out."""
        self._run(
            Call(
                "DELETE",
                "/api/v1/teams/{team}/members/{user}",
                params={"team": team, "user": user},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageTeamItem:
        """List teams."""
        return cast("PageTeamItem", self._run(Call("GET", "/api/v1/teams", query={"limit": limit, "cursor": cursor})))

    def make(self, body: NewTeam) -> TeamShown:
        """Make a team."""
        return cast("TeamShown", self._run(Call("POST", "/api/v1/teams", body=body)))

    def members(self, team: str, *, limit: int | None = None, cursor: str | None = None) -> PageTeamMember:
        """List a team's members."""
        return cast(
            "PageTeamMember",
            self._run(
                Call(
                    "GET",
                    "/api/v1/teams/{team}/members",
                    params={"team": team},
                    query={"limit": limit, "cursor": cursor},
                )
            ),
        )

    def place(self, team: str, user: str, body: MemberChange, *, if_match: str = "") -> TeamMember:
        """Set a member's role."""
        return cast(
            "TeamMember",
            self._run(
                Call(
                    "PUT",
                    "/api/v1/teams/{team}/members/{user}",
                    params={"team": team, "user": user},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def show(self, team: str) -> TeamShown:
        """Show a team."""
        return cast("TeamShown", self._run(Call("GET", "/api/v1/teams/{team}", params={"team": team})))


class TelemetryCalls:
    """About telemetry."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def events(
        self,
        *,
        kind: RemitAccountsTelemetryEventsKind | None = None,
        surface: str | None = None,
        name: str | None = None,
        outcome: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PageEventShown:
        """List events."""
        return cast(
            "PageEventShown",
            self._run(
                Call(
                    "GET",
                    "/api/v1/telemetry/events",
                    query={
                        "kind": kind,
                        "surface": surface,
                        "name": name,
                        "outcome": outcome,
                        "since": since,
                        "until": until,
                        "limit": limit,
                        "cursor": cursor,
                    },
                )
            ),
        )

    def feedback(self, body: NewFeedback) -> KeptOutput:
        """Say something about Remit."""
        return cast("KeptOutput", self._run(Call("POST", "/api/v1/telemetry/feedback", body=body)))

    def forgotten(self, *, reason: str, if_match: str = "") -> ForgottenOutput:
        """Delete every event."""
        return cast(
            "ForgottenOutput",
            self._run(
                Call(
                    "DELETE",
                    "/api/v1/telemetry/events",
                    query={"reason": reason},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    def show(self, *, days: int | None = None) -> TelemetryShown:
        """Telemetry."""
        return cast("TelemetryShown", self._run(Call("GET", "/api/v1/telemetry", query={"days": days})))

    def turned(self, switch: Switch, body: NewPosition, *, if_match: str = "") -> SwitchShown:
        """Turn a switch."""
        return cast(
            "SwitchShown",
            self._run(
                Call(
                    "PUT",
                    "/api/v1/telemetry/switches/{switch}",
                    params={"switch": switch},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )


class ToolsCalls:
    """About tools."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self._run = run

    def accept(self, body: Acceptance) -> Accepted:
        """Accept what tools say."""
        return cast("Accepted", self._run(Call("POST", "/api/v1/mcp/tools/accept", body=body)))

    def servers(self, *, limit: int | None = None, cursor: str | None = None) -> PageServerShown:
        """List tool servers."""
        return cast(
            "PageServerShown", self._run(Call("GET", "/api/v1/mcp/servers", query={"limit": limit, "cursor": cursor}))
        )

    def tools(self, *, server: str | None = None, limit: int | None = None, cursor: str | None = None) -> PageToolShown:
        """List tools."""
        return cast(
            "PageToolShown",
            self._run(Call("GET", "/api/v1/mcp/tools", query={"server": server, "limit": limit, "cursor": cursor})),
        )


class Operations:
    """Every operation, by its noun."""

    def __init__(self, run: Callable[[Call], Any]) -> None:
        self.about = AboutCalls(run)
        self.account = AccountCalls(run)
        self.agents = AgentsCalls(run)
        self.approvals = ApprovalsCalls(run)
        self.audit = AuditCalls(run)
        self.break_glass = BreakGlassCalls(run)
        self.breakers = BreakersCalls(run)
        self.health = HealthCalls(run)
        self.holds = HoldsCalls(run)
        self.kept_answers = KeptAnswersCalls(run)
        self.keys = KeysCalls(run)
        self.limits = LimitsCalls(run)
        self.missions = MissionsCalls(run)
        self.models = ModelsCalls(run)
        self.operations = OperationsCalls(run)
        self.packs = PacksCalls(run)
        self.people = PeopleCalls(run)
        self.plan = PlanCalls(run)
        self.policy = PolicyCalls(run)
        self.queue = QueueCalls(run)
        self.secrets = SecretsCalls(run)
        self.sign_in = SignInCalls(run)
        self.spend = SpendCalls(run)
        self.stops = StopsCalls(run)
        self.teams = TeamsCalls(run)
        self.telemetry = TelemetryCalls(run)
        self.tools = ToolsCalls(run)


class AsyncAboutCalls:
    """About about."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def description(self) -> dict[str, Any]:
        """This description."""
        return cast("dict[str, Any]", await self._run(Call("GET", "/openapi.json")))

    async def form_token(self) -> FormToken:
        """The token of a session's forms."""
        return cast("FormToken", await self._run(Call("GET", "/api/v1/csrf")))


class AsyncAccountCalls:
    """About account."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def begin(self, body: FactorStart) -> FactorBegun:
        """Set up a second factor."""
        return cast("FactorBegun", await self._run(Call("POST", "/api/v1/me/second-factor", body=body)))

    async def confirm(self, body: FactorCode) -> RecoveryCodes:
        """Confirm the second factor."""
        return cast("RecoveryCodes", await self._run(Call("POST", "/api/v1/me/second-factor/confirm", body=body)))

    async def end(self, session: str, *, if_match: str = "") -> None:
        """End a sign-in."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/sessions/{session}",
                params={"session": session},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def end_others(self, *, if_match: str = "") -> Ended:
        """Sign out everywhere else."""
        return cast(
            "Ended",
            await self._run(Call("DELETE", "/api/v1/sessions", headers={"if-match": if_match} if if_match else {})),
        )

    async def factor(self) -> FactorShown:
        """Show the second factor."""
        return cast("FactorShown", await self._run(Call("GET", "/api/v1/me/second-factor")))

    async def factor_off(self, body: PasswordAgain) -> None:
        """Turn the second factor off."""
        await self._run(Call("POST", "/api/v1/me/second-factor/off", body=body))

    async def keys(self, *, everybody: bool | None = None) -> ApiKeys:
        """List API keys."""
        return cast("ApiKeys", await self._run(Call("GET", "/api/v1/api-keys", query={"everybody": everybody})))

    async def make_key(self, body: NewApiKey) -> ApiKeyItem:
        """Make an API key."""
        return cast("ApiKeyItem", await self._run(Call("POST", "/api/v1/api-keys", body=body)))

    async def me(self) -> Me:
        """Who asks."""
        return cast("Me", await self._run(Call("GET", "/api/v1/me")))

    async def password(self, body: PasswordChange) -> None:
        """Change the password."""
        await self._run(Call("POST", "/api/v1/me/password", body=body))

    async def revoke_key(self, key: str, *, if_match: str = "") -> None:
        """Revoke an API key."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/api-keys/{key}",
                params={"key": key},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def sessions(self, *, user: str | None = None) -> Sessions:
        """List sign-ins."""
        return cast("Sessions", await self._run(Call("GET", "/api/v1/sessions", query={"user": user})))


class AsyncAgentsCalls:
    """About agents."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def change(self, agent: str, body: AgentChanged, *, if_match: str = "") -> AgentShown:
        """Change an agent."""
        return cast(
            "AgentShown",
            await self._run(
                Call(
                    "PATCH",
                    "/api/v1/agents/{agent}",
                    params={"agent": agent},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def list(
        self,
        *,
        text: str | None = None,
        kind: str | None = None,
        team: str | None = None,
        owner: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PageAgentShown:
        """List agents."""
        return cast(
            "PageAgentShown",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/agents",
                    query={"text": text, "kind": kind, "team": team, "owner": owner, "limit": limit, "cursor": cursor},
                )
            ),
        )

    async def make(self, body: NewAgent) -> AgentShown:
        """Register an agent."""
        return cast("AgentShown", await self._run(Call("POST", "/api/v1/agents", body=body)))

    async def retire(self, agent: str, body: Why) -> AgentShown:
        """Retire an agent."""
        return cast(
            "AgentShown",
            await self._run(Call("POST", "/api/v1/agents/{agent}/retirement", params={"agent": agent}, body=body)),
        )

    async def show(self, agent: str) -> AgentShown:
        """Show an agent."""
        return cast("AgentShown", await self._run(Call("GET", "/api/v1/agents/{agent}", params={"agent": agent})))


class AsyncApprovalsCalls:
    """About approvals."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def approve(self, approval: str, body: Approve) -> ApprovalShown:
        """Approve a request."""
        return cast(
            "ApprovalShown",
            await self._run(
                Call("POST", "/api/v1/approvals/{approval}/approve", params={"approval": approval}, body=body)
            ),
        )

    async def delegate(self, body: NewDelegation) -> DelegationItem:
        """Hand your right to somebody."""
        return cast("DelegationItem", await self._run(Call("POST", "/api/v1/delegations", body=body)))

    async def delegations(self) -> Delegations:
        """List delegations."""
        return cast("Delegations", await self._run(Call("GET", "/api/v1/delegations")))

    async def deny(self, approval: str, body: Deny) -> ApprovalShown:
        """Deny a request."""
        return cast(
            "ApprovalShown",
            await self._run(
                Call("POST", "/api/v1/approvals/{approval}/deny", params={"approval": approval}, body=body)
            ),
        )

    async def list(
        self,
        *,
        state: StateInput | None = None,
        kind: RemitServeApiRoutesApprovalsKind | None = None,
        risk: Literal["", "low", "medium", "high"] | None = None,
        mission: str | None = None,
        on_behalf_of: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PageApprovalItem:
        """List requests for approval."""
        return cast(
            "PageApprovalItem",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/approvals",
                    query={
                        "state": state,
                        "kind": kind,
                        "risk": risk,
                        "mission": mission,
                        "on_behalf_of": on_behalf_of,
                        "limit": limit,
                        "cursor": cursor,
                    },
                )
            ),
        )

    async def show(self, approval: str) -> ApprovalShown:
        """Show a request for approval."""
        return cast(
            "ApprovalShown", await self._run(Call("GET", "/api/v1/approvals/{approval}", params={"approval": approval}))
        )

    async def take_back(self, user: str, *, if_match: str = "") -> None:
        """Take your right back."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/delegations/{user}",
                params={"user": user},
                headers={"if-match": if_match} if if_match else {},
            )
        )


class AsyncAuditCalls:
    """About audit."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def checkpoint(self) -> CheckpointShown:
        """The newest checkpoint."""
        return cast("CheckpointShown", await self._run(Call("GET", "/api/v1/audit/checkpoint")))

    async def consistency(self, *, old: int, new: int) -> Consistency:
        """Prove that the log was only added to."""
        return cast(
            "Consistency", await self._run(Call("GET", "/api/v1/audit/consistency", query={"old": old, "new": new}))
        )

    async def export(self, body: ExportAsked) -> ExportShown:
        """Export entries."""
        return cast("ExportShown", await self._run(Call("POST", "/api/v1/audit/exports", body=body)))

    async def fetch(self, export: str, file: str) -> None:
        """Fetch a file of an export."""
        await self._run(Call("GET", "/api/v1/audit/exports/{export}/{file}", params={"export": export, "file": file}))

    async def keys(self) -> LogKeys:
        """The keys of the audit log."""
        return cast("LogKeys", await self._run(Call("GET", "/.well-known/remit-audit")))

    async def list(
        self,
        *,
        actor: str | None = None,
        action: str | None = None,
        mission: str | None = None,
        domain: str | None = None,
        result: Result | None = None,
        text: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PageEntryItem:
        """Search the audit log."""
        return cast(
            "PageEntryItem",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/audit/entries",
                    query={
                        "actor": actor,
                        "action": action,
                        "mission": mission,
                        "domain": domain,
                        "result": result,
                        "text": text,
                        "since": since,
                        "until": until,
                        "limit": limit,
                        "cursor": cursor,
                    },
                )
            ),
        )

    async def prove(self, seq: int) -> ProofShown:
        """Prove an entry."""
        return cast(
            "ProofShown", await self._run(Call("GET", "/api/v1/audit/entries/{seq}/proof", params={"seq": seq}))
        )

    async def show(self, seq: int) -> EntryShown:
        """Show an entry."""
        return cast("EntryShown", await self._run(Call("GET", "/api/v1/audit/entries/{seq}", params={"seq": seq})))

    async def verify(self) -> VerificationShown:
        """Verify the log."""
        return cast("VerificationShown", await self._run(Call("POST", "/api/v1/audit/verifications")))


class AsyncBreakGlassCalls:
    """About break-glass."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def ask(self, body: LiftAsked) -> GrantShown:
        """Ask for break-glass."""
        return cast("GrantShown", await self._run(Call("POST", "/api/v1/break-glass", body=body)))

    async def close(self, grant: str, body: CloseAsked) -> GrantShown:
        """End break-glass."""
        return cast(
            "GrantShown",
            await self._run(Call("POST", "/api/v1/break-glass/{grant}/close", params={"grant": grant}, body=body)),
        )

    async def confirm(self, grant: str) -> GrantShown:
        """Confirm break-glass."""
        return cast(
            "GrantShown", await self._run(Call("POST", "/api/v1/break-glass/{grant}/confirm", params={"grant": grant}))
        )

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageGrantShown:
        """List break-glass."""
        return cast(
            "PageGrantShown",
            await self._run(Call("GET", "/api/v1/break-glass", query={"limit": limit, "cursor": cursor})),
        )

    async def show(self, grant: str) -> GrantShown:
        """Show break-glass."""
        return cast("GrantShown", await self._run(Call("GET", "/api/v1/break-glass/{grant}", params={"grant": grant})))


class AsyncBreakersCalls:
    """About breakers."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageBreakerShown:
        """List breakers."""
        return cast(
            "PageBreakerShown",
            await self._run(Call("GET", "/api/v1/breakers", query={"limit": limit, "cursor": cursor})),
        )

    async def moved(self, body: MoveAsked) -> BreakerShown:
        """Reset or open a breaker."""
        return cast("BreakerShown", await self._run(Call("POST", "/api/v1/breakers/moves", body=body)))


class AsyncHealthCalls:
    """About health."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def health(self) -> RemitServeApiHealthHealth:
        """Of what it is made, and how it is."""
        return cast("RemitServeApiHealthHealth", await self._run(Call("GET", "/health")))

    async def live(self) -> RemitServeApiHealthHealth:
        """Whether the process lives."""
        return cast("RemitServeApiHealthHealth", await self._run(Call("GET", "/health/live")))

    async def ready(self) -> RemitServeApiHealthHealth:
        """Whether requests may come."""
        return cast("RemitServeApiHealthHealth", await self._run(Call("GET", "/health/ready")))


class AsyncHoldsCalls:
    """About holds."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageHoldShown:
        """List legal holds."""
        return cast(
            "PageHoldShown",
            await self._run(Call("GET", "/api/v1/audit/holds", query={"limit": limit, "cursor": cursor})),
        )

    async def place(self, body: HoldAsked) -> HoldShown:
        """Put a legal hold in force."""
        return cast("HoldShown", await self._run(Call("POST", "/api/v1/audit/holds", body=body)))

    async def release(self, hold: str, *, reason: str, if_match: str = "") -> None:
        """Release a legal hold."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/audit/holds/{hold}",
                params={"hold": hold},
                query={"reason": reason},
                headers={"if-match": if_match} if if_match else {},
            )
        )


class AsyncKeptAnswersCalls:
    """About kept-answers."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def give_up(self, *, reason: str, target: str | None = None, if_match: str = "") -> GivenUp:
        """Give up kept answers."""
        return cast(
            "GivenUp",
            await self._run(
                Call(
                    "DELETE",
                    "/api/v1/kept-answers",
                    query={"reason": reason, "target": target},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def list(self, *, limit: int | None = None) -> KeptAnswers:
        """List kept answers."""
        return cast("KeptAnswers", await self._run(Call("GET", "/api/v1/kept-answers", query={"limit": limit})))

    async def statistics(self) -> KeptStatistics:
        """What kept answers spare."""
        return cast("KeptStatistics", await self._run(Call("GET", "/api/v1/kept-answers/statistics")))


class AsyncKeysCalls:
    """About keys."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def list(
        self, *, ended: bool | None = None, limit: int | None = None, cursor: str | None = None
    ) -> PageKeyItem:
        """List keys."""
        return cast(
            "PageKeyItem",
            await self._run(Call("GET", "/api/v1/keys", query={"ended": ended, "limit": limit, "cursor": cursor})),
        )

    async def make(self, body: NewKey) -> KeyItem:
        """Make a key."""
        return cast("KeyItem", await self._run(Call("POST", "/api/v1/keys", body=body)))

    async def rates(self, key: str, body: NewRates, *, if_match: str = "") -> None:
        """Set a key's own rates."""
        await self._run(
            Call(
                "PUT",
                "/api/v1/keys/{key}/rates",
                params={"key": key},
                body=body,
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def revoke(self, key: str, *, reason: str | None = None, if_match: str = "") -> None:
        """Revoke a key."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/keys/{key}",
                params={"key": key},
                query={"reason": reason},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def rotate(self, key: str, body: Rotation) -> KeyItem:
        """Give a key a new token."""
        return cast(
            "KeyItem", await self._run(Call("POST", "/api/v1/keys/{key}/rotate", params={"key": key}, body=body))
        )

    async def show(self, key: str) -> KeyItem:
        """Show a key."""
        return cast("KeyItem", await self._run(Call("GET", "/api/v1/keys/{key}", params={"key": key})))


class AsyncLimitsCalls:
    """About limits."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def forget(self, limit: str, *, if_match: str = "") -> None:
        """Forget what was set of a limit."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/limits/{limit}",
                params={"limit": limit},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def list(self) -> LimitsShown:
        """List limits."""
        return cast("LimitsShown", await self._run(Call("GET", "/api/v1/limits")))

    async def off(self, limit: str) -> None:
        """Take a limit out of force."""
        await self._run(Call("POST", "/api/v1/limits/{limit}/off", params={"limit": limit}))

    async def set(self, limit: str, body: LimitAsked, *, if_match: str = "") -> LimitShown:
        """Set a limit."""
        return cast(
            "LimitShown",
            await self._run(
                Call(
                    "PUT",
                    "/api/v1/limits/{limit}",
                    params={"limit": limit},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def show(self, limit: str) -> LimitShown:
        """Show a limit."""
        return cast("LimitShown", await self._run(Call("GET", "/api/v1/limits/{limit}", params={"limit": limit})))


class AsyncMissionsCalls:
    """About missions."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def actions(self, mission: str, *, step: str | None = None) -> PageActionShown:
        """What a mission asked the guard for."""
        return cast(
            "PageActionShown",
            await self._run(
                Call("GET", "/api/v1/missions/{mission}/actions", params={"mission": mission}, query={"step": step})
            ),
        )

    async def artefacts(self, mission: str, *, step: str | None = None) -> ArtefactsShown:
        """List a mission's files."""
        return cast(
            "ArtefactsShown",
            await self._run(
                Call("GET", "/api/v1/missions/{mission}/artefacts", params={"mission": mission}, query={"step": step})
            ),
        )

    async def attest_of(self, mission: str, body: Attestation) -> Attested:
        """Attest of a mission."""
        return cast(
            "Attested",
            await self._run(
                Call("POST", "/api/v1/missions/{mission}/attestations", params={"mission": mission}, body=body)
            ),
        )

    async def branch(self, mission: str, body: Branch) -> MissionShown:
        """Branch off a mission."""
        return cast(
            "MissionShown",
            await self._run(
                Call("POST", "/api/v1/missions/{mission}/branches", params={"mission": mission}, body=body)
            ),
        )

    async def calls(self, mission: str, step: str) -> CallsShown:
        """A step's model calls."""
        return cast(
            "CallsShown",
            await self._run(
                Call("GET", "/api/v1/missions/{mission}/steps/{step}/calls", params={"mission": mission, "step": step})
            ),
        )

    async def cancel(self, mission: str) -> MissionShown:
        """Stop a mission."""
        return cast(
            "MissionShown",
            await self._run(Call("POST", "/api/v1/missions/{mission}/cancel", params={"mission": mission})),
        )

    async def content(self, mission: str, *, path: str, step: str | None = None) -> TextShown:
        """Read one of a mission's files."""
        return cast(
            "TextShown",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/missions/{mission}/artefacts/content",
                    params={"mission": mission},
                    query={"path": path, "step": step},
                )
            ),
        )

    async def deploy(self, mission: str, body: Deploy) -> DeployedShown:
        """Deploy a mission."""
        return cast(
            "DeployedShown",
            await self._run(
                Call("POST", "/api/v1/missions/{mission}/deployments", params={"mission": mission}, body=body)
            ),
        )

    async def deployment_plan(self, mission: str, *, target: str) -> DeployPlan:
        """What a deployment would change."""
        return cast(
            "DeployPlan",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/missions/{mission}/deployments/plan",
                    params={"mission": mission},
                    query={"target": target},
                )
            ),
        )

    async def diff(self, mission: str, step: str, *, old: int | None = None, new: int | None = None) -> TextShown:
        """What a step changed."""
        return cast(
            "TextShown",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/missions/{mission}/steps/{step}/diff",
                    params={"mission": mission, "step": step},
                    query={"old": old, "new": new},
                )
            ),
        )

    async def list(
        self,
        *,
        status: builtins.list[Shown] | None = None,
        pack: str | None = None,
        originator: str | None = None,
        agent: str | None = None,
        q: str | None = None,
        since: str | None = None,
        until: str | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PageMissionItem:
        """List missions."""
        return cast(
            "PageMissionItem",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/missions",
                    query={
                        "status": status,
                        "pack": pack,
                        "originator": originator,
                        "agent": agent,
                        "q": q,
                        "since": since,
                        "until": until,
                        "limit": limit,
                        "cursor": cursor,
                    },
                )
            ),
        )

    async def logs(self, mission: str, *, step: str | None = None) -> PageStepAttempt:
        """What a mission's steps said."""
        return cast(
            "PageStepAttempt",
            await self._run(
                Call("GET", "/api/v1/missions/{mission}/logs", params={"mission": mission}, query={"step": step})
            ),
        )

    async def make(self, body: NewMission) -> MissionShown:
        """Make a mission and queue it."""
        return cast("MissionShown", await self._run(Call("POST", "/api/v1/missions", body=body)))

    async def plan(self, body: NewPlan) -> RemitServeApiRoutesMissionModelsPlanShown:
        """Plan a mission."""
        return cast(
            "RemitServeApiRoutesMissionModelsPlanShown",
            await self._run(Call("POST", "/api/v1/missions/plan", body=body)),
        )

    async def priority(self, mission: str, body: NewPriority, *, if_match: str = "") -> QueuePlace:
        """Move a waiting mission."""
        return cast(
            "QueuePlace",
            await self._run(
                Call(
                    "PUT",
                    "/api/v1/missions/{mission}/priority",
                    params={"mission": mission},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def report(self, mission: str) -> ReportShown:
        """What came of a mission."""
        return cast(
            "ReportShown",
            await self._run(Call("GET", "/api/v1/missions/{mission}/report", params={"mission": mission})),
        )

    async def resume(self, mission: str, body: Resume) -> MissionShown:
        """Go on with a mission."""
        return cast(
            "MissionShown",
            await self._run(Call("POST", "/api/v1/missions/{mission}/resume", params={"mission": mission}, body=body)),
        )

    async def rollback(self, mission: str, body: Rollback) -> MissionShown:
        """Roll a mission back."""
        return cast(
            "MissionShown",
            await self._run(
                Call("POST", "/api/v1/missions/{mission}/rollback", params={"mission": mission}, body=body)
            ),
        )

    async def show(self, mission: str) -> MissionShown:
        """Show a mission."""
        return cast(
            "MissionShown", await self._run(Call("GET", "/api/v1/missions/{mission}", params={"mission": mission}))
        )

    async def step(self, mission: str, step: str) -> StepShown:
        """Show a step."""
        return cast(
            "StepShown",
            await self._run(
                Call("GET", "/api/v1/missions/{mission}/steps/{step}", params={"mission": mission, "step": step})
            ),
        )

    async def steps(self, mission: str) -> PageStepShown:
        """List a mission's steps."""
        return cast(
            "PageStepShown",
            await self._run(Call("GET", "/api/v1/missions/{mission}/steps", params={"mission": mission})),
        )

    async def switch_back(self, mission: str, body: Back) -> SwitchedBack:
        """Switch back."""
        return cast(
            "SwitchedBack",
            await self._run(
                Call("POST", "/api/v1/missions/{mission}/deployments/back", params={"mission": mission}, body=body)
            ),
        )


class AsyncModelsCalls:
    """About models."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def alias(self, body: Meaning, *, if_match: str = "") -> Changed:
        """Let a name mean another."""
        return cast(
            "Changed",
            await self._run(
                Call("PUT", "/api/v1/models/aliases", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    async def fallback(self, body: StandIns, *, if_match: str = "") -> Changed:
        """Say who stands in."""
        return cast(
            "Changed",
            await self._run(
                Call("PUT", "/api/v1/models/fallbacks", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    async def health(self, *, minutes: int | None = None) -> RemitServeApiRoutesModelsHealth:
        """How models are."""
        return cast(
            "RemitServeApiRoutesModelsHealth",
            await self._run(Call("GET", "/api/v1/models/health", query={"minutes": minutes})),
        )

    async def list(self) -> ModelList:
        """List models."""
        return cast("ModelList", await self._run(Call("GET", "/api/v1/models")))

    async def list_under(self, body: Listed, *, if_match: str = "") -> Changed:
        """List a model under a name."""
        return cast(
            "Changed",
            await self._run(
                Call("PUT", "/api/v1/models/listed", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    async def move(self, provider: str, body: NewStatus, *, if_match: str = "") -> Changed:
        """Pause or resume a provider."""
        return cast(
            "Changed",
            await self._run(
                Call(
                    "PUT",
                    "/api/v1/providers/{provider}/status",
                    params={"provider": provider},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def price(self, body: OwnPrice, *, if_match: str = "") -> Changed:
        """Set a model's price."""
        return cast(
            "Changed",
            await self._run(
                Call("PUT", "/api/v1/models/prices", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    async def providers(self, *, minutes: int | None = None) -> Providers:
        """List providers."""
        return cast("Providers", await self._run(Call("GET", "/api/v1/providers", query={"minutes": minutes})))

    async def published_price(
        self, *, target: str, service: str | None = None, tool: str | None = None, if_match: str = ""
    ) -> Changed:
        """Forget a model's own price."""
        return cast(
            "Changed",
            await self._run(
                Call(
                    "DELETE",
                    "/api/v1/models/prices",
                    query={"target": target, "service": service, "tool": tool},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def reset(self, body: Reset) -> WasReset:
        """Reset the breakers of a model."""
        return cast("WasReset", await self._run(Call("POST", "/api/v1/models/reset", body=body)))

    async def route(
        self, *, name: str | None = None, tokens_in: int | None = None, max_out: int | None = None
    ) -> RouteShown:
        """Who would be asked."""
        return cast(
            "RouteShown",
            await self._run(
                Call("GET", "/api/v1/models/route", query={"name": name, "tokens_in": tokens_in, "max_out": max_out})
            ),
        )

    async def unlist(self, *, name: str, target: str | None = None, if_match: str = "") -> Changed:
        """Take a model off the list."""
        return cast(
            "Changed",
            await self._run(
                Call(
                    "DELETE",
                    "/api/v1/models/listed",
                    query={"name": name, "target": target},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )


class AsyncOperationsCalls:
    """About operations."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def clear(self, *, endpoint: str | None = None, if_match: str = "") -> Cleared:
        """Forget kept answers."""
        return cast(
            "Cleared",
            await self._run(
                Call(
                    "DELETE",
                    "/api/v1/response-cache",
                    query={"endpoint": endpoint},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def database(self) -> Database:
        """Database statistics."""
        return cast("Database", await self._run(Call("GET", "/api/v1/database")))

    async def kept(self) -> ResponseCache:
        """Kept answers."""
        return cast("ResponseCache", await self._run(Call("GET", "/api/v1/response-cache")))

    async def list(self) -> ErrorBudgetsShown:
        """Error budgets."""
        return cast("ErrorBudgetsShown", await self._run(Call("GET", "/api/v1/error-budgets")))

    async def settings(self, *, q: str | None = None, changed: bool | None = None) -> SettingsShown:
        """List settings."""
        return cast(
            "SettingsShown", await self._run(Call("GET", "/api/v1/settings", query={"q": q, "changed": changed}))
        )


class AsyncPacksCalls:
    """About packs."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def form(self, pack: str) -> FormShown:
        """Show what a pack's input looks like."""
        return cast("FormShown", await self._run(Call("GET", "/api/v1/packs/{pack}/form", params={"pack": pack})))

    async def packs(self) -> PagePackShown:
        """List packs."""
        return cast("PagePackShown", await self._run(Call("GET", "/api/v1/packs")))


class AsyncPeopleCalls:
    """About people."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def accept(self, body: Accepting) -> Joined:
        """Accept an invitation."""
        return cast("Joined", await self._run(Call("POST", "/api/v1/invitations/accept", body=body)))

    async def add(self, body: NewUser) -> UserItem:
        """Add somebody."""
        return cast("UserItem", await self._run(Call("POST", "/api/v1/users", body=body)))

    async def happenings(
        self, *, team: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> PageHappeningItem:
        """List what was done."""
        return cast(
            "PageHappeningItem",
            await self._run(Call("GET", "/api/v1/activity", query={"team": team, "limit": limit, "cursor": cursor})),
        )

    async def invitations(self, team: str) -> Invitations:
        """List invitations."""
        return cast(
            "Invitations", await self._run(Call("GET", "/api/v1/teams/{team}/invitations", params={"team": team}))
        )

    async def invite(self, team: str, body: NewInvitation) -> InvitationItem:
        """Invite somebody."""
        return cast(
            "InvitationItem",
            await self._run(Call("POST", "/api/v1/teams/{team}/invitations", params={"team": team}, body=body)),
        )

    async def link(self, user: str, body: NewLink) -> LinkMade:
        """Make a one-time link."""
        return cast(
            "LinkMade", await self._run(Call("POST", "/api/v1/users/{user}/link", params={"user": user}, body=body))
        )

    async def remove(self, user: str, *, if_match: str = "") -> None:
        """End somebody's account."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/users/{user}",
                params={"user": user},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def revoke(self, invitation: str, *, if_match: str = "") -> None:
        """Take an invitation back."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/invitations/{invitation}",
                params={"invitation": invitation},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def role(self, user: str, body: RoleChange, *, if_match: str = "") -> UserItem:
        """Set somebody's role."""
        return cast(
            "UserItem",
            await self._run(
                Call(
                    "PUT",
                    "/api/v1/users/{user}/role",
                    params={"user": user},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def show(self, user: str) -> UserItem:
        """Show somebody."""
        return cast("UserItem", await self._run(Call("GET", "/api/v1/users/{user}", params={"user": user})))

    async def sign_out(self, user: str, *, if_match: str = "") -> Ended:
        """Sign somebody out."""
        return cast(
            "Ended",
            await self._run(
                Call(
                    "DELETE",
                    "/api/v1/users/{user}/sessions",
                    params={"user": user},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def users(self, *, limit: int | None = None, cursor: str | None = None) -> PageUserItem:
        """List people."""
        return cast(
            "PageUserItem", await self._run(Call("GET", "/api/v1/users", query={"limit": limit, "cursor": cursor}))
        )


class AsyncPlanCalls:
    """About plan."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def set(self, body: PlanAsked, *, if_match: str = "") -> RemitServeApiRoutesPlanPlanShown:
        """Set the plan."""
        return cast(
            "RemitServeApiRoutesPlanPlanShown",
            await self._run(Call("PUT", "/api/v1/plan", body=body, headers={"if-match": if_match} if if_match else {})),
        )

    async def show(self) -> RemitServeApiRoutesPlanPlanShown:
        """Show the plan."""
        return cast("RemitServeApiRoutesPlanPlanShown", await self._run(Call("GET", "/api/v1/plan")))


class AsyncPolicyCalls:
    """About policy."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def check(self, body: Text) -> Checked:
        """Check a rule file."""
        return cast("Checked", await self._run(Call("POST", "/api/v1/policy/checks", body=body)))

    async def compare(self, *, before: int, after: int | None = None) -> Differences:
        """Compare revisions."""
        return cast(
            "Differences",
            await self._run(Call("GET", "/api/v1/policy/differences", query={"before": before, "after": after})),
        )

    async def custom(
        self, *, team: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> PageCedarShown:
        """List custom policies."""
        return cast(
            "PageCedarShown",
            await self._run(
                Call("GET", "/api/v1/policy/cedar", query={"team": team, "limit": limit, "cursor": cursor})
            ),
        )

    async def evidence(self, *, mission: str | None = None) -> EvidenceList:
        """List evidence."""
        return cast("EvidenceList", await self._run(Call("GET", "/api/v1/policy/evidence", query={"mission": mission})))

    async def explained(self, action: str) -> ExplanationShown:
        """Explain a decision."""
        return cast(
            "ExplanationShown",
            await self._run(Call("GET", "/api/v1/policy/explanations/{action}", params={"action": action})),
        )

    async def gateway(self) -> GatewayShown:
        """The gateway's switches."""
        return cast("GatewayShown", await self._run(Call("GET", "/api/v1/policy/gateway")))

    async def in_force(self) -> RevisionShown:
        """The rules in force."""
        return cast("RevisionShown", await self._run(Call("GET", "/api/v1/policy")))

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageRevisionItem:
        """List revisions."""
        return cast(
            "PageRevisionItem",
            await self._run(Call("GET", "/api/v1/policy/revisions", query={"limit": limit, "cursor": cursor})),
        )

    async def restore(self, number: int, body: Because) -> RevisionShown:
        """Restore a revision."""
        return cast(
            "RevisionShown",
            await self._run(
                Call("POST", "/api/v1/policy/revisions/{number}/restoration", params={"number": number}, body=body)
            ),
        )

    async def save(self, body: NewRevision) -> RevisionShown:
        """Save rules."""
        return cast("RevisionShown", await self._run(Call("POST", "/api/v1/policy/revisions", body=body)))

    async def save_custom(self, body: CedarAsked) -> CedarShown:
        """Put custom policies in force."""
        return cast("CedarShown", await self._run(Call("POST", "/api/v1/policy/cedar", body=body)))

    async def set_gateway(self, body: GatewayChange, *, if_match: str = "") -> GatewayShown:
        """Set switches of the gateway."""
        return cast(
            "GatewayShown",
            await self._run(
                Call("PATCH", "/api/v1/policy/gateway", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    async def shadow(self, body: ShadowAsked) -> ShadowShown:
        """Try rules on what was recorded."""
        return cast("ShadowShown", await self._run(Call("POST", "/api/v1/policy/shadow", body=body)))

    async def show(self, number: int) -> RevisionShown:
        """Show a revision."""
        return cast(
            "RevisionShown",
            await self._run(Call("GET", "/api/v1/policy/revisions/{number}", params={"number": number})),
        )

    async def try_action(self, body: RehearsalAsked) -> RehearsalShown:
        """Try an action."""
        return cast("RehearsalShown", await self._run(Call("POST", "/api/v1/policy/rehearsals", body=body)))


class AsyncQueueCalls:
    """About queue."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def deployments(self, *, target: str) -> LiveShown:
        """What is deployed at a place."""
        return cast("LiveShown", await self._run(Call("GET", "/api/v1/deployments", query={"target": target})))

    async def leave(self, mission: str, *, if_match: str = "") -> MissionShown:
        """Take a mission out."""
        return cast(
            "MissionShown",
            await self._run(
                Call(
                    "DELETE",
                    "/api/v1/queue/{mission}",
                    params={"mission": mission},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def pause(self, body: Pause, *, if_match: str = "") -> QueueShown:
        """Pause the queue, or let it go on."""
        return cast(
            "QueueShown",
            await self._run(
                Call("PUT", "/api/v1/queue/pause", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    async def presets(self) -> PagePresetShown:
        """List presets."""
        return cast("PagePresetShown", await self._run(Call("GET", "/api/v1/presets")))

    async def queue(self) -> QueueShown:
        """Show the queue."""
        return cast("QueueShown", await self._run(Call("GET", "/api/v1/queue")))

    async def why(self, *, id_: str) -> StoryShown:
        """Why something was, or was not, done."""
        return cast("StoryShown", await self._run(Call("GET", "/api/v1/why", query={"id": id_})))


class AsyncSecretsCalls:
    """About secrets."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def overview(self, *, days: int | None = None) -> SecretsShown:
        """What is known of secrets."""
        return cast("SecretsShown", await self._run(Call("GET", "/api/v1/secrets", query={"days": days})))

    async def rules(self) -> RulesShown:
        """List rules of secrets."""
        return cast("RulesShown", await self._run(Call("GET", "/api/v1/secrets/rules")))

    async def uses(
        self, *, denied: bool | None = None, limit: int | None = None, cursor: str | None = None
    ) -> PageUseItem:
        """List uses of secrets."""
        return cast(
            "PageUseItem",
            await self._run(
                Call("GET", "/api/v1/secrets/uses", query={"denied": denied, "limit": limit, "cursor": cursor})
            ),
        )


class AsyncSignInCalls:
    """About sign-in."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def enter(self, body: Credentials) -> SignedIn:
        """Sign in."""
        return cast("SignedIn", await self._run(Call("POST", "/api/v1/sign-in", body=body)))

    async def enter_code(self, body: Code) -> SignedIn:
        """Sign in: the second factor."""
        return cast("SignedIn", await self._run(Call("POST", "/api/v1/sign-in/code", body=body)))

    async def forgotten(self, body: ForgottenInput) -> AskedFor:
        """Have a link mailed."""
        return cast("AskedFor", await self._run(Call("POST", "/api/v1/password/forgotten", body=body)))

    async def join(self, body: Joining) -> SignedIn:
        """Join with an invitation."""
        return cast("SignedIn", await self._run(Call("POST", "/api/v1/invitations/join", body=body)))

    async def leave(self) -> None:
        """Sign out."""
        await self._run(Call("POST", "/api/v1/sign-out"))

    async def renew(self, body: RefreshToken) -> TokenAnswer:
        """Renew tokens."""
        return cast("TokenAnswer", await self._run(Call("POST", "/api/v1/token/refresh", body=body)))

    async def revoke(self, body: RefreshToken) -> None:
        """Sign a program out."""
        await self._run(Call("POST", "/api/v1/token/revoke", body=body))

    async def set_up(self, body: LinkUse) -> SignedIn:
        """Set a password with a one-time link."""
        return cast("SignedIn", await self._run(Call("POST", "/api/v1/set-up", body=body)))

    async def token(self, body: ProgramCredentials) -> TokenAnswer:
        """Sign a program in."""
        return cast("TokenAnswer", await self._run(Call("POST", "/api/v1/token", body=body)))


class AsyncSpendCalls:
    """About spend."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def budgets(self) -> Budgets:
        """List budgets."""
        return cast("Budgets", await self._run(Call("GET", "/api/v1/budgets")))

    async def calls(
        self,
        *,
        limit: int | None = None,
        cursor: str | None = None,
        agent: str | None = None,
        user: str | None = None,
        key: str | None = None,
        mission: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> PageCallItem:
        """List calls."""
        return cast(
            "PageCallItem",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/usage/calls",
                    query={
                        "limit": limit,
                        "cursor": cursor,
                        "agent": agent,
                        "user": user,
                        "key": key,
                        "mission": mission,
                        "provider": provider,
                        "model": model,
                        "kind": kind,
                        "since": since,
                        "until": until,
                    },
                )
            ),
        )

    async def overview(self, *, span: Span | None = None) -> SpendShown:
        """What was spent."""
        return cast("SpendShown", await self._run(Call("GET", "/api/v1/spend", query={"span": span})))

    async def remove(
        self, *, scope: BudgetScope, name: str | None = None, period: Period | None = None, if_match: str = ""
    ) -> None:
        """Remove a budget."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/budgets",
                query={"scope": scope, "name": name, "period": period},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def set(self, body: NewBudget, *, if_match: str = "") -> BudgetSet:
        """Set a budget."""
        return cast(
            "BudgetSet",
            await self._run(
                Call("PUT", "/api/v1/budgets", body=body, headers={"if-match": if_match} if if_match else {})
            ),
        )

    async def true_up(self, body: TrueUpAsked) -> TruedUp:
        """True prices up."""
        return cast("TruedUp", await self._run(Call("POST", "/api/v1/usage/true-up", body=body)))

    async def usage(
        self,
        *,
        by: By | None = None,
        agent: str | None = None,
        user: str | None = None,
        key: str | None = None,
        mission: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        kind: str | None = None,
        since: str | None = None,
        until: str | None = None,
    ) -> UsageReport:
        """Usage, added up."""
        return cast(
            "UsageReport",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/usage",
                    query={
                        "by": by,
                        "agent": agent,
                        "user": user,
                        "key": key,
                        "mission": mission,
                        "provider": provider,
                        "model": model,
                        "kind": kind,
                        "since": since,
                        "until": until,
                    },
                )
            ),
        )


class AsyncStopsCalls:
    """About stops."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def lift(self, body: Order) -> None:
        """Let go."""
        await self._run(Call("POST", "/api/v1/stops/lift", body=body))

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageStopShown:
        """List stops."""
        return cast(
            "PageStopShown", await self._run(Call("GET", "/api/v1/stops", query={"limit": limit, "cursor": cursor}))
        )

    async def reach(self, *, scope: KillScope, name: str | None = None) -> ReachShown:
        """What a stop would reach."""
        return cast(
            "ReachShown", await self._run(Call("GET", "/api/v1/stops/reach", query={"scope": scope, "name": name}))
        )

    async def stop(self, body: Order) -> StopShown:
        """Stop or pause."""
        return cast("StopShown", await self._run(Call("POST", "/api/v1/stops", body=body)))


class AsyncTeamsCalls:
    """About teams."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def change(self, team: str, body: TeamChange, *, if_match: str = "") -> TeamShown:
        """Change a team."""
        return cast(
            "TeamShown",
            await self._run(
                Call(
                    "PATCH",
                    "/api/v1/teams/{team}",
                    params={"team": team},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def end(self, team: str, *, if_match: str = "") -> None:
        """End a team."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/teams/{team}",
                params={"team": team},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def leave(self, team: str, user: str, *, if_match: str = "") -> None:
        """Take a member out."""
        await self._run(
            Call(
                "DELETE",
                "/api/v1/teams/{team}/members/{user}",
                params={"team": team, "user": user},
                headers={"if-match": if_match} if if_match else {},
            )
        )

    async def list(self, *, limit: int | None = None, cursor: str | None = None) -> PageTeamItem:
        """List teams."""
        return cast(
            "PageTeamItem", await self._run(Call("GET", "/api/v1/teams", query={"limit": limit, "cursor": cursor}))
        )

    async def make(self, body: NewTeam) -> TeamShown:
        """Make a team."""
        return cast("TeamShown", await self._run(Call("POST", "/api/v1/teams", body=body)))

    async def members(self, team: str, *, limit: int | None = None, cursor: str | None = None) -> PageTeamMember:
        """List a team's members."""
        return cast(
            "PageTeamMember",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/teams/{team}/members",
                    params={"team": team},
                    query={"limit": limit, "cursor": cursor},
                )
            ),
        )

    async def place(self, team: str, user: str, body: MemberChange, *, if_match: str = "") -> TeamMember:
        """Set a member's role."""
        return cast(
            "TeamMember",
            await self._run(
                Call(
                    "PUT",
                    "/api/v1/teams/{team}/members/{user}",
                    params={"team": team, "user": user},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def show(self, team: str) -> TeamShown:
        """Show a team."""
        return cast("TeamShown", await self._run(Call("GET", "/api/v1/teams/{team}", params={"team": team})))


class AsyncTelemetryCalls:
    """About telemetry."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def events(
        self,
        *,
        kind: RemitAccountsTelemetryEventsKind | None = None,
        surface: str | None = None,
        name: str | None = None,
        outcome: str | None = None,
        since: int | None = None,
        until: int | None = None,
        limit: int | None = None,
        cursor: str | None = None,
    ) -> PageEventShown:
        """List events."""
        return cast(
            "PageEventShown",
            await self._run(
                Call(
                    "GET",
                    "/api/v1/telemetry/events",
                    query={
                        "kind": kind,
                        "surface": surface,
                        "name": name,
                        "outcome": outcome,
                        "since": since,
                        "until": until,
                        "limit": limit,
                        "cursor": cursor,
                    },
                )
            ),
        )

    async def feedback(self, body: NewFeedback) -> KeptOutput:
        """Say something about Remit."""
        return cast("KeptOutput", await self._run(Call("POST", "/api/v1/telemetry/feedback", body=body)))

    async def forgotten(self, *, reason: str, if_match: str = "") -> ForgottenOutput:
        """Delete every event."""
        return cast(
            "ForgottenOutput",
            await self._run(
                Call(
                    "DELETE",
                    "/api/v1/telemetry/events",
                    query={"reason": reason},
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )

    async def show(self, *, days: int | None = None) -> TelemetryShown:
        """Telemetry."""
        return cast("TelemetryShown", await self._run(Call("GET", "/api/v1/telemetry", query={"days": days})))

    async def turned(self, switch: Switch, body: NewPosition, *, if_match: str = "") -> SwitchShown:
        """Turn a switch."""
        return cast(
            "SwitchShown",
            await self._run(
                Call(
                    "PUT",
                    "/api/v1/telemetry/switches/{switch}",
                    params={"switch": switch},
                    body=body,
                    headers={"if-match": if_match} if if_match else {},
                )
            ),
        )


class AsyncToolsCalls:
    """About tools."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self._run = run

    async def accept(self, body: Acceptance) -> Accepted:
        """Accept what tools say."""
        return cast("Accepted", await self._run(Call("POST", "/api/v1/mcp/tools/accept", body=body)))

    async def servers(self, *, limit: int | None = None, cursor: str | None = None) -> PageServerShown:
        """List tool servers."""
        return cast(
            "PageServerShown",
            await self._run(Call("GET", "/api/v1/mcp/servers", query={"limit": limit, "cursor": cursor})),
        )

    async def tools(
        self, *, server: str | None = None, limit: int | None = None, cursor: str | None = None
    ) -> PageToolShown:
        """List tools."""
        return cast(
            "PageToolShown",
            await self._run(
                Call("GET", "/api/v1/mcp/tools", query={"server": server, "limit": limit, "cursor": cursor})
            ),
        )


class AsyncOperations:
    """Every operation, by its noun."""

    def __init__(self, run: Callable[[Call], Awaitable[Any]]) -> None:
        self.about = AsyncAboutCalls(run)
        self.account = AsyncAccountCalls(run)
        self.agents = AsyncAgentsCalls(run)
        self.approvals = AsyncApprovalsCalls(run)
        self.audit = AsyncAuditCalls(run)
        self.break_glass = AsyncBreakGlassCalls(run)
        self.breakers = AsyncBreakersCalls(run)
        self.health = AsyncHealthCalls(run)
        self.holds = AsyncHoldsCalls(run)
        self.kept_answers = AsyncKeptAnswersCalls(run)
        self.keys = AsyncKeysCalls(run)
        self.limits = AsyncLimitsCalls(run)
        self.missions = AsyncMissionsCalls(run)
        self.models = AsyncModelsCalls(run)
        self.operations = AsyncOperationsCalls(run)
        self.packs = AsyncPacksCalls(run)
        self.people = AsyncPeopleCalls(run)
        self.plan = AsyncPlanCalls(run)
        self.policy = AsyncPolicyCalls(run)
        self.queue = AsyncQueueCalls(run)
        self.secrets = AsyncSecretsCalls(run)
        self.sign_in = AsyncSignInCalls(run)
        self.spend = AsyncSpendCalls(run)
        self.stops = AsyncStopsCalls(run)
        self.teams = AsyncTeamsCalls(run)
        self.telemetry = AsyncTelemetryCalls(run)
        self.tools = AsyncToolsCalls(run)
