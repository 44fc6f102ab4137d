-- revisions cb0567da25bdb12d6751134cdd4136b6cdf0ef6849ef160edec94e43cf3ffb55
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
)
;
CREATE TABLE account_user (
	workspace TEXT NOT NULL, 
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	role TEXT NOT NULL, 
	created_us BIGINT NOT NULL, email TEXT DEFAULT '' NOT NULL, status TEXT DEFAULT 'active' NOT NULL, granted INTEGER DEFAULT '0' NOT NULL, revoked INTEGER DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_account_user PRIMARY KEY (workspace, id)
)
;
CREATE TABLE action (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	step TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	target TEXT NOT NULL, 
	subject_hash TEXT NOT NULL, 
	effect_key TEXT NOT NULL, 
	principal TEXT NOT NULL, 
	on_behalf_of TEXT NOT NULL, 
	parent TEXT NOT NULL, 
	estimate_micros BIGINT NOT NULL, 
	cost_micros BIGINT NOT NULL, 
	state TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	tries INTEGER NOT NULL, 
	checks TEXT NOT NULL, 
	policy_rev TEXT NOT NULL, 
	opened_us BIGINT NOT NULL, 
	closed_us BIGINT, spent_ns TEXT DEFAULT '[]' NOT NULL, facts TEXT DEFAULT '' NOT NULL, owner TEXT DEFAULT '' NOT NULL, "key" TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_action PRIMARY KEY (id)
)
;
CREATE INDEX ix_action_open ON action (workspace, state, mission) WHERE state = 'open'
;
CREATE INDEX ix_action_workspace_effect_key ON action (workspace, effect_key)
;
CREATE INDEX ix_action_workspace_mission ON action (workspace, mission)
;
CREATE TABLE agent (
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	team TEXT NOT NULL, 
	effects TEXT NOT NULL, 
	tools TEXT NOT NULL, 
	status TEXT NOT NULL, 
	created_us BIGINT NOT NULL, models TEXT DEFAULT '["*"]' NOT NULL, domains TEXT DEFAULT '["*"]' NOT NULL, revision INTEGER DEFAULT '1' NOT NULL, 
	CONSTRAINT pk_agent PRIMARY KEY (workspace, name)
)
;
CREATE TABLE audit_checkpoint (
	size INTEGER NOT NULL, 
	note TEXT NOT NULL, 
	CONSTRAINT pk_audit_checkpoint PRIMARY KEY (size)
)
;
CREATE TABLE audit_entry (
	seq INTEGER NOT NULL, 
	workspace TEXT NOT NULL, 
	ts_us INTEGER NOT NULL, 
	mission TEXT NOT NULL, 
	action TEXT NOT NULL, 
	actor TEXT NOT NULL, 
	header BLOB NOT NULL, 
	leaf_hash BLOB NOT NULL, 
	CONSTRAINT pk_audit_entry PRIMARY KEY (seq)
)
;
CREATE INDEX ix_audit_entry_workspace_action_seq ON audit_entry (workspace, action, seq)
;
CREATE INDEX ix_audit_entry_workspace_actor_seq ON audit_entry (workspace, actor, seq)
;
CREATE INDEX ix_audit_entry_workspace_mission_seq ON audit_entry (workspace, mission, seq)
;
CREATE INDEX ix_audit_entry_workspace_ts_us ON audit_entry (workspace, ts_us)
;
CREATE TABLE audit_node (
	level INTEGER NOT NULL, 
	idx INTEGER NOT NULL, 
	hash BLOB NOT NULL, 
	CONSTRAINT pk_audit_node PRIMARY KEY (level, idx)
)
 WITHOUT ROWID


;
CREATE TABLE audit_payload (
	seq INTEGER NOT NULL, 
	workspace TEXT NOT NULL, 
	salt BLOB NOT NULL, 
	body BLOB NOT NULL, dek TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_audit_payload PRIMARY KEY (seq)
)
;
CREATE TABLE audit_pending (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	ts_us INTEGER NOT NULL, 
	fields BLOB NOT NULL, 
	salt BLOB NOT NULL, 
	body BLOB NOT NULL, 
	mac BLOB NOT NULL, 
	CONSTRAINT pk_audit_pending PRIMARY KEY (id)
)
;
CREATE TABLE breaker (
	workspace TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	operation TEXT NOT NULL, 
	phase TEXT NOT NULL, 
	trips INTEGER NOT NULL, 
	cooldown_ms BIGINT NOT NULL, 
	changed_us BIGINT NOT NULL, until_us BIGINT DEFAULT '0' NOT NULL, successes INTEGER DEFAULT '0' NOT NULL, generation INTEGER DEFAULT '0' NOT NULL, issued INTEGER DEFAULT '0' NOT NULL, trips_ever INTEGER DEFAULT '0' NOT NULL, tripped_us BIGINT DEFAULT '0' NOT NULL, why TEXT DEFAULT '' NOT NULL, moved_by TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_breaker PRIMARY KEY (workspace, kind, operation)
)
;
CREATE TABLE child_process (
	workspace TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	step TEXT NOT NULL, 
	host TEXT NOT NULL, 
	pgid INTEGER NOT NULL, 
	start_time TEXT NOT NULL, 
	recorded_us INTEGER NOT NULL, 
	CONSTRAINT pk_child_process PRIMARY KEY (mission, host, pgid, start_time)
)
;
CREATE INDEX ix_child_process_workspace_mission ON child_process (workspace, mission)
;
CREATE TABLE kill (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	name TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	killed_by TEXT NOT NULL, 
	killed_us BIGINT NOT NULL, 
	lifted_by TEXT, 
	lifted_us BIGINT, 
	lifted_reason TEXT, mode TEXT DEFAULT 'kill' NOT NULL, 
	CONSTRAINT pk_kill PRIMARY KEY (id)
)
;
CREATE INDEX ix_kill_workspace_lifted_us ON kill (workspace, lifted_us)
;
CREATE TABLE mission (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	pack TEXT NOT NULL, 
	pack_version TEXT NOT NULL, 
	input_name TEXT NOT NULL, 
	input BLOB NOT NULL, 
	input_sha256 TEXT NOT NULL, 
	"plan" BLOB NOT NULL, 
	plan_hash TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	status TEXT NOT NULL, 
	run INTEGER NOT NULL, 
	fence INTEGER NOT NULL, 
	owner TEXT NOT NULL, 
	originator TEXT NOT NULL, 
	parent TEXT NOT NULL, 
	parent_step TEXT NOT NULL, 
	control TEXT NOT NULL, 
	pending TEXT NOT NULL, 
	drift TEXT NOT NULL, 
	error_code TEXT NOT NULL, 
	error TEXT NOT NULL, 
	start_commit TEXT NOT NULL, 
	floor_commit TEXT NOT NULL, 
	head_commit TEXT NOT NULL, 
	workspace_commit TEXT NOT NULL, 
	tree TEXT NOT NULL, 
	budget_micros INTEGER NOT NULL, 
	cost_micros INTEGER NOT NULL, 
	created_us INTEGER NOT NULL, 
	updated_us INTEGER NOT NULL, title TEXT DEFAULT '' NOT NULL, agents TEXT DEFAULT '' NOT NULL, searched TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_mission PRIMARY KEY (id)
)
;
CREATE INDEX ix_mission_workspace_parent ON mission (workspace, parent)
;
CREATE INDEX ix_mission_workspace_status_created_us_id ON mission (workspace, status, created_us, id)
;
CREATE TABLE step (
	workspace TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	title TEXT NOT NULL, 
	feature TEXT NOT NULL, 
	status TEXT NOT NULL, 
	generation INTEGER NOT NULL, 
	attempts INTEGER NOT NULL, 
	failures INTEGER NOT NULL, 
	standing INTEGER NOT NULL, 
	skip_key TEXT NOT NULL, 
	commit_id TEXT NOT NULL, 
	result BLOB NOT NULL, 
	output_hash TEXT NOT NULL, 
	paths BLOB NOT NULL, 
	error_code TEXT NOT NULL, 
	error TEXT NOT NULL, 
	started_us INTEGER NOT NULL, 
	finished_us INTEGER NOT NULL, 
	not_before_us INTEGER NOT NULL, 
	changed_us INTEGER NOT NULL, 
	cost_micros INTEGER NOT NULL, 
	CONSTRAINT pk_step PRIMARY KEY (mission, revision, name)
)
;
CREATE INDEX ix_step_workspace_mission_changed_us ON step (workspace, mission, changed_us)
;
CREATE INDEX ix_step_workspace_mission_revision_position ON step (workspace, mission, revision, position)
;
CREATE TABLE step_attempt (
	workspace TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	step TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	generation INTEGER NOT NULL, 
	outcome TEXT NOT NULL, 
	error_code TEXT NOT NULL, 
	error TEXT NOT NULL, 
	log TEXT NOT NULL, 
	started_us INTEGER NOT NULL, 
	ended_us INTEGER NOT NULL, 
	delay_us INTEGER NOT NULL, 
	cost_micros INTEGER NOT NULL, 
	CONSTRAINT pk_step_attempt PRIMARY KEY (mission, revision, step, number)
)
;
CREATE INDEX ix_step_attempt_workspace_mission_started_us ON step_attempt (workspace, mission, started_us)
;
CREATE TABLE workspace (
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	created_us BIGINT NOT NULL, "plan" TEXT DEFAULT 'free' NOT NULL, plan_numbers TEXT DEFAULT '{}' NOT NULL, team TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_workspace PRIMARY KEY (workspace)
)
;
CREATE TRIGGER audit_entry_no_update BEFORE UPDATE ON audit_entry BEGIN SELECT RAISE(ABORT, 'audit_entry is append-only'); END
;
CREATE TRIGGER audit_entry_no_delete BEFORE DELETE ON audit_entry BEGIN SELECT RAISE(ABORT, 'audit_entry is append-only'); END
;
CREATE TRIGGER audit_node_no_update BEFORE UPDATE ON audit_node BEGIN SELECT RAISE(ABORT, 'audit_node is append-only'); END
;
CREATE TRIGGER audit_node_no_delete BEFORE DELETE ON audit_node BEGIN SELECT RAISE(ABORT, 'audit_node is append-only'); END
;
CREATE TRIGGER audit_checkpoint_no_update BEFORE UPDATE ON audit_checkpoint BEGIN SELECT RAISE(ABORT, 'audit_checkpoint is append-only'); END
;
CREATE TRIGGER audit_checkpoint_no_delete BEFORE DELETE ON audit_checkpoint BEGIN SELECT RAISE(ABORT, 'audit_checkpoint is append-only'); END
;
CREATE TRIGGER audit_payload_no_update BEFORE UPDATE ON audit_payload BEGIN SELECT RAISE(ABORT, 'audit_payload is append-only'); END
;
CREATE TABLE team (
	workspace TEXT NOT NULL, 
	slug TEXT NOT NULL, 
	name TEXT NOT NULL, 
	billing_email TEXT NOT NULL, 
	created_by TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	CONSTRAINT pk_team PRIMARY KEY (workspace, slug)
)
;
CREATE TABLE team_member (
	workspace TEXT NOT NULL, 
	team TEXT NOT NULL, 
	person TEXT NOT NULL, 
	role TEXT NOT NULL, 
	granted INTEGER NOT NULL, 
	revoked INTEGER NOT NULL, 
	joined_us BIGINT NOT NULL, 
	CONSTRAINT pk_team_member PRIMARY KEY (workspace, team, person)
)
;
CREATE INDEX ix_team_member_workspace_person ON team_member (workspace, person)
;
CREATE TABLE invitation (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	team TEXT NOT NULL, 
	email TEXT NOT NULL, 
	role TEXT NOT NULL, 
	token_hash TEXT NOT NULL, 
	invited_by TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	status TEXT NOT NULL, 
	closed_by TEXT NOT NULL, 
	closed_us BIGINT, 
	CONSTRAINT pk_invitation PRIMARY KEY (id)
)
;
CREATE UNIQUE INDEX ix_invitation_workspace_token_hash ON invitation (workspace, token_hash)
;
CREATE TABLE break_glass (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	lifts TEXT NOT NULL, 
	what TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	name TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	minutes INTEGER NOT NULL, 
	requested_by TEXT NOT NULL, 
	requested_us BIGINT NOT NULL, 
	confirmed_by TEXT NOT NULL, 
	confirmed_us BIGINT, 
	expires_us BIGINT NOT NULL, 
	closed_by TEXT NOT NULL, 
	closed_us BIGINT, 
	closed_reason TEXT NOT NULL, 
	uses INTEGER NOT NULL, 
	CONSTRAINT pk_break_glass PRIMARY KEY (id)
)
;
CREATE INDEX ix_break_glass_workspace_expires_us ON break_glass (workspace, expires_us)
;
CREATE TABLE cedar_policy (
	workspace TEXT NOT NULL, 
	team TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	text TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	saved_by TEXT NOT NULL, 
	saved_us BIGINT NOT NULL, 
	CONSTRAINT pk_cedar_policy PRIMARY KEY (workspace, team, revision)
)
;
CREATE TABLE rule_revision (
	workspace TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	sha256 TEXT NOT NULL, 
	written TEXT NOT NULL, 
	resolved TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	saved_by TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	saved_us BIGINT NOT NULL, 
	CONSTRAINT pk_rule_revision PRIMARY KEY (workspace, number)
)
;
CREATE TABLE evidence (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	critic TEXT NOT NULL, 
	passed BOOLEAN NOT NULL, 
	findings TEXT NOT NULL, 
	source TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_evidence PRIMARY KEY (id)
)
;
CREATE INDEX ix_evidence_workspace_mission_subject ON evidence (workspace, mission, subject)
;
CREATE TRIGGER rule_revision_no_update BEFORE UPDATE ON rule_revision BEGIN SELECT RAISE(ABORT, 'rule_revision is append-only'); END
;
CREATE TRIGGER rule_revision_no_delete BEFORE DELETE ON rule_revision BEGIN SELECT RAISE(ABORT, 'rule_revision is append-only'); END
;
CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END
;
CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END
;
CREATE TABLE approval (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	step TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	effect_key TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	domain TEXT NOT NULL, 
	target TEXT NOT NULL, 
	principal TEXT NOT NULL, 
	on_behalf_of TEXT NOT NULL, 
	subject_hash TEXT NOT NULL, 
	policy_rev TEXT NOT NULL, 
	estimate_micros BIGINT NOT NULL, 
	risk TEXT NOT NULL, 
	shown TEXT NOT NULL, 
	requested_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	quorum INTEGER NOT NULL, 
	separated INTEGER NOT NULL, 
	status TEXT NOT NULL, 
	open_key TEXT, 
	reason TEXT NOT NULL, 
	decided_us BIGINT, 
	used_us BIGINT, 
	used_by TEXT, 
	told_us BIGINT, 
	notified_us BIGINT, 
	CONSTRAINT pk_approval PRIMARY KEY (id)
)
;
CREATE UNIQUE INDEX ix_approval_workspace_open_key ON approval (workspace, open_key)
;
CREATE INDEX ix_approval_workspace_mission_step ON approval (workspace, mission, step)
;
CREATE INDEX ix_approval_workspace_subject_hash ON approval (workspace, subject_hash)
;
CREATE TABLE approval_vote (
	workspace TEXT NOT NULL, 
	approval TEXT NOT NULL, 
	voter TEXT NOT NULL, 
	right_of TEXT NOT NULL, 
	verdict TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	voted_us BIGINT NOT NULL, 
	CONSTRAINT pk_approval_vote PRIMARY KEY (approval, voter)
)
;
CREATE UNIQUE INDEX ix_approval_vote_approval_right_of ON approval_vote (approval, right_of)
;
CREATE TABLE approval_delegation (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	giver TEXT NOT NULL, 
	taker TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	given_us BIGINT NOT NULL, 
	until_us BIGINT NOT NULL, 
	revoked_us BIGINT, 
	CONSTRAINT pk_approval_delegation PRIMARY KEY (id)
)
;
CREATE INDEX ix_approval_delegation_workspace_taker ON approval_delegation (workspace, taker)
;
CREATE TABLE mission_estimate (
	workspace TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	pack TEXT NOT NULL, 
	preset TEXT NOT NULL, 
	size INTEGER NOT NULL, 
	samples INTEGER NOT NULL, 
	cost_low INTEGER NOT NULL, 
	cost_high INTEGER NOT NULL, 
	time_low_us INTEGER NOT NULL, 
	time_high_us INTEGER NOT NULL, 
	status TEXT NOT NULL, 
	cost_micros INTEGER NOT NULL, 
	time_us INTEGER NOT NULL, 
	ended_us INTEGER NOT NULL, 
	CONSTRAINT pk_mission_estimate PRIMARY KEY (mission)
)
;
CREATE INDEX ix_mission_estimate_workspace_pack_preset_size_ended_us ON mission_estimate (workspace, pack, preset, size, ended_us)
;
CREATE TABLE deployment (
	workspace TEXT NOT NULL, 
	action TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	step TEXT NOT NULL, 
	target TEXT NOT NULL, 
	tree TEXT NOT NULL, 
	previous TEXT NOT NULL, 
	compensates TEXT NOT NULL, 
	smoke TEXT NOT NULL, 
	ordered_by TEXT NOT NULL, 
	at_us INTEGER NOT NULL, 
	CONSTRAINT pk_deployment PRIMARY KEY (action)
)
;
CREATE INDEX ix_deployment_workspace_mission_at_us ON deployment (workspace, mission, at_us)
;
CREATE INDEX ix_deployment_workspace_target_at_us ON deployment (workspace, target, at_us)
;
CREATE TABLE budget (
	workspace TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	name TEXT NOT NULL, 
	period TEXT NOT NULL, 
	limit_micros BIGINT NOT NULL, 
	starts_us BIGINT NOT NULL, 
	spent BIGINT NOT NULL, 
	reserved BIGINT NOT NULL, 
	carried BIGINT NOT NULL, 
	CONSTRAINT pk_budget PRIMARY KEY (workspace, scope, name, period)
)
;
CREATE TABLE budget_past (
	workspace TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	name TEXT NOT NULL, 
	period TEXT NOT NULL, 
	starts_us BIGINT NOT NULL, 
	limit_micros BIGINT NOT NULL, 
	spent BIGINT NOT NULL, 
	reserved BIGINT NOT NULL, 
	CONSTRAINT pk_budget_past PRIMARY KEY (workspace, scope, name, period, starts_us)
)
;
CREATE TABLE budget_event (
	workspace TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	name TEXT NOT NULL, 
	period TEXT NOT NULL, 
	starts_us BIGINT NOT NULL, 
	percent INTEGER NOT NULL, 
	limit_micros BIGINT NOT NULL, 
	spent BIGINT NOT NULL, 
	at_us BIGINT NOT NULL, 
	told_us BIGINT, 
	CONSTRAINT pk_budget_event PRIMARY KEY (workspace, scope, name, period, starts_us, percent)
)
;
CREATE TABLE usage (
	action TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	step TEXT NOT NULL, 
	attempt INTEGER NOT NULL, 
	principal TEXT NOT NULL, 
	on_behalf_of TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	model TEXT NOT NULL, 
	priced INTEGER NOT NULL, 
	estimate_micros BIGINT NOT NULL, 
	cost_micros BIGINT NOT NULL, 
	tokens_micros BIGINT NOT NULL, 
	gpu_micros BIGINT NOT NULL, 
	storage_micros BIGINT NOT NULL, 
	network_micros BIGINT NOT NULL, 
	tokens_in BIGINT NOT NULL, 
	tokens_out BIGINT NOT NULL, 
	gpu_ms BIGINT NOT NULL, 
	storage_bytes BIGINT NOT NULL, 
	network_bytes BIGINT NOT NULL, 
	holds TEXT NOT NULL, 
	opened_us BIGINT NOT NULL, 
	settled_us BIGINT, 
	rolled INTEGER NOT NULL, "key" TEXT DEFAULT '' NOT NULL, tokens_cached BIGINT DEFAULT '0' NOT NULL, estimated INTEGER DEFAULT '0' NOT NULL, kept INTEGER DEFAULT '0' NOT NULL, saved_micros BIGINT DEFAULT '0' NOT NULL, tokens_cache_write BIGINT, correction_micros BIGINT DEFAULT '0' NOT NULL, corrected_us BIGINT, terms TEXT DEFAULT '' NOT NULL, 
	CONSTRAINT pk_usage PRIMARY KEY (action)
)
;
CREATE INDEX ix_usage_workspace_opened_us ON usage (workspace, opened_us)
;
CREATE INDEX ix_usage_unrolled ON usage (workspace, rolled, opened_us) WHERE rolled = 0
;
CREATE TABLE rate_bucket (
	workspace TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	tat_us BIGINT NOT NULL, 
	CONSTRAINT pk_rate_bucket PRIMARY KEY (workspace, "key")
)
;
CREATE INDEX ix_rate_bucket_workspace_mission ON rate_bucket (workspace, mission)
;
CREATE TABLE rate_taken (
	workspace TEXT NOT NULL, 
	action TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	measure TEXT NOT NULL, 
	unit_us BIGINT NOT NULL, 
	cost BIGINT NOT NULL, 
	taken_us BIGINT NOT NULL, 
	CONSTRAINT pk_rate_taken PRIMARY KEY (workspace, action, "key")
)
;
CREATE TABLE rate_waiter (
	workspace TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	waiter TEXT NOT NULL, 
	since_us BIGINT NOT NULL, 
	until_us BIGINT NOT NULL, 
	CONSTRAINT pk_rate_waiter PRIMARY KEY (workspace, "key", waiter)
)
;
CREATE INDEX ix_rate_waiter_workspace_waiter ON rate_waiter (workspace, waiter)
;
CREATE TABLE rate_limit (
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	body TEXT NOT NULL, 
	set_by TEXT NOT NULL, 
	set_us BIGINT NOT NULL, 
	CONSTRAINT pk_rate_limit PRIMARY KEY (workspace, name)
)
;
CREATE TABLE mission_queue (
	workspace TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	run INTEGER NOT NULL, 
	pack TEXT NOT NULL, 
	originator TEXT NOT NULL, 
	priority INTEGER NOT NULL, 
	state TEXT NOT NULL, 
	expected_us INTEGER NOT NULL, 
	entered_us INTEGER NOT NULL, 
	taken_us INTEGER NOT NULL, 
	ended_us INTEGER NOT NULL, 
	waiter TEXT NOT NULL, 
	taker TEXT NOT NULL, 
	CONSTRAINT pk_mission_queue PRIMARY KEY (workspace, mission)
)
;
CREATE INDEX ix_mission_queue_state_workspace ON mission_queue (state, workspace)
;
CREATE INDEX ix_mission_queue_workspace_pack_ended_us ON mission_queue (workspace, pack, ended_us)
;
CREATE TABLE queue_share (
	workspace TEXT NOT NULL, 
	originator TEXT NOT NULL, 
	pass_units INTEGER NOT NULL, 
	CONSTRAINT pk_queue_share PRIMARY KEY (workspace, originator)
)
;
CREATE TABLE queue_worker (
	workspace TEXT NOT NULL, 
	executor TEXT NOT NULL, 
	concurrency INTEGER NOT NULL, 
	started_us INTEGER NOT NULL, 
	CONSTRAINT pk_queue_worker PRIMARY KEY (workspace, executor)
)
;
CREATE TABLE action_attempt (
	action TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	workspace TEXT NOT NULL, 
	began_us BIGINT NOT NULL, 
	ended_us BIGINT NOT NULL, 
	code TEXT NOT NULL, 
	wait_ms BIGINT NOT NULL, 
	cost_micros BIGINT NOT NULL, 
	CONSTRAINT pk_action_attempt PRIMARY KEY (action, number)
)
;
CREATE TABLE breaker_trial (
	workspace TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	operation TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	action TEXT NOT NULL, 
	until_us BIGINT NOT NULL, 
	CONSTRAINT pk_breaker_trial PRIMARY KEY (workspace, kind, operation, number)
)
;
CREATE INDEX ix_action_parent ON action (workspace, parent) WHERE parent != ''
;
CREATE INDEX ix_breaker_unwell ON breaker (workspace) WHERE phase != 'closed'
;
CREATE TABLE audit_dek (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	period TEXT NOT NULL, 
	kek TEXT NOT NULL, 
	wrapped BLOB NOT NULL, 
	CONSTRAINT pk_audit_dek PRIMARY KEY (id)
)
;
CREATE UNIQUE INDEX ix_audit_dek_workspace_subject_period ON audit_dek (workspace, subject, period)
;
CREATE TABLE audit_hold (
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	salt BLOB NOT NULL, 
	subject TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	since_us INTEGER NOT NULL, 
	until_us INTEGER NOT NULL, 
	CONSTRAINT pk_audit_hold PRIMARY KEY (workspace, name)
)
;
CREATE TABLE secret (
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	backend TEXT NOT NULL, 
	version TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	status TEXT NOT NULL, 
	set_by TEXT NOT NULL, 
	set_us BIGINT NOT NULL, 
	CONSTRAINT pk_secret PRIMARY KEY (workspace, name)
)
;
CREATE TABLE secret_retired (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	version TEXT NOT NULL, 
	sealed BLOB NOT NULL, 
	retired_us BIGINT NOT NULL, 
	until_us BIGINT NOT NULL, 
	CONSTRAINT pk_secret_retired PRIMARY KEY (id)
)
;
CREATE INDEX ix_secret_retired_workspace_until_us ON secret_retired (workspace, until_us)
;
CREATE TABLE secret_rule (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	effect TEXT NOT NULL, 
	secret TEXT NOT NULL, 
	agent TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	target TEXT NOT NULL, 
	set_by TEXT NOT NULL, 
	set_us BIGINT NOT NULL, 
	CONSTRAINT pk_secret_rule PRIMARY KEY (id)
)
;
CREATE INDEX ix_secret_rule_workspace ON secret_rule (workspace)
;
CREATE TABLE secret_use (
	workspace TEXT NOT NULL, 
	secret TEXT NOT NULL, 
	principal TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	hour_us BIGINT NOT NULL, 
	uses INTEGER NOT NULL, 
	denied INTEGER NOT NULL, 
	first_us BIGINT NOT NULL, 
	last_us BIGINT NOT NULL, 
	CONSTRAINT pk_secret_use PRIMARY KEY (workspace, secret, principal, mission, hour_us)
)
;
CREATE TABLE secret_anomaly (
	workspace TEXT NOT NULL, 
	secret TEXT NOT NULL, 
	principal TEXT NOT NULL, 
	what TEXT NOT NULL, 
	hour_us BIGINT NOT NULL, 
	mission TEXT NOT NULL, 
	seen INTEGER NOT NULL, 
	usual INTEGER NOT NULL, 
	at_us BIGINT NOT NULL, 
	told_us BIGINT, 
	CONSTRAINT pk_secret_anomaly PRIMARY KEY (workspace, secret, principal, what, hour_us)
)
;
CREATE INDEX ix_secret_anomaly_workspace_told_us ON secret_anomaly (workspace, told_us)
;
CREATE TABLE personal_vault (
	workspace TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	label TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	tag TEXT NOT NULL, 
	dek TEXT NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_personal_vault PRIMARY KEY (workspace, mission, label, number, tag)
)
;
CREATE TABLE fetch_robots (
	workspace TEXT NOT NULL, 
	origin TEXT NOT NULL, 
	state TEXT NOT NULL, 
	status INTEGER NOT NULL, 
	body BLOB NOT NULL, 
	read_us BIGINT NOT NULL, 
	until_us BIGINT NOT NULL, 
	CONSTRAINT pk_fetch_robots PRIMARY KEY (workspace, origin)
)
;
CREATE TABLE provenance (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	step TEXT NOT NULL, 
	source TEXT NOT NULL, 
	place TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	characters INTEGER NOT NULL, 
	score INTEGER NOT NULL, 
	signals TEXT NOT NULL, 
	prints BLOB NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_provenance PRIMARY KEY (id)
)
;
CREATE INDEX ix_provenance_workspace_mission ON provenance (workspace, mission)
;
CREATE TABLE virtual_key (
	workspace TEXT NOT NULL, 
	id TEXT NOT NULL, 
	agent TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	models TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	addresses TEXT NOT NULL, 
	created_by TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT, 
	revoked_by TEXT NOT NULL, 
	revoked_us BIGINT, 
	CONSTRAINT pk_virtual_key PRIMARY KEY (workspace, id)
)
;
CREATE TABLE key_token (
	prefix TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	until_us BIGINT, 
	used_us BIGINT, 
	CONSTRAINT pk_key_token PRIMARY KEY (prefix)
)
;
CREATE INDEX ix_key_token_workspace_key ON key_token (workspace, "key")
;
CREATE TABLE gateway (
	workspace TEXT NOT NULL, 
	revision INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	stamp TEXT NOT NULL, 
	set_by TEXT NOT NULL, 
	set_us BIGINT NOT NULL, 
	CONSTRAINT pk_gateway PRIMARY KEY (workspace)
)
;
CREATE TABLE observed (
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	times BIGINT NOT NULL, 
	CONSTRAINT pk_observed PRIMARY KEY (workspace, name, reason)
)
;
CREATE TABLE model_provider (
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	base_url TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	headers TEXT NOT NULL, 
	status TEXT NOT NULL, 
	set_by TEXT NOT NULL, 
	set_us BIGINT NOT NULL, 
	CONSTRAINT pk_model_provider PRIMARY KEY (workspace, name)
)
;
CREATE TABLE model_deployment (
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	model TEXT NOT NULL, 
	weight INTEGER NOT NULL, 
	tier INTEGER NOT NULL, 
	capabilities TEXT, 
	quality INTEGER, 
	context INTEGER, 
	set_by TEXT NOT NULL, 
	set_us BIGINT NOT NULL, 
	CONSTRAINT pk_model_deployment PRIMARY KEY (workspace, name, provider, model)
)
;
CREATE INDEX ix_model_deployment_workspace_provider ON model_deployment (workspace, provider)
;
CREATE TABLE model_alias (
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	place INTEGER NOT NULL, 
	target TEXT NOT NULL, 
	set_by TEXT NOT NULL, 
	set_us BIGINT NOT NULL, 
	CONSTRAINT pk_model_alias PRIMARY KEY (workspace, name, place)
)
;
CREATE TABLE model_price (
	workspace TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	model TEXT NOT NULL, 
	body TEXT NOT NULL, 
	set_by TEXT NOT NULL, 
	set_us BIGINT NOT NULL, 
	CONSTRAINT pk_model_price PRIMARY KEY (workspace, provider, model)
)
;
CREATE TABLE model_health (
	workspace TEXT NOT NULL, 
	target TEXT NOT NULL, 
	minute_us BIGINT NOT NULL, 
	process TEXT NOT NULL, 
	calls INTEGER NOT NULL, 
	errors INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	CONSTRAINT pk_model_health PRIMARY KEY (workspace, target, minute_us, process)
)
;
CREATE INDEX ix_model_health_workspace_minute_us ON model_health (workspace, minute_us)
;
CREATE INDEX ix_usage_workspace_mission_opened_us ON usage (workspace, mission, opened_us)
;
CREATE INDEX ix_usage_key ON usage (workspace, "key", opened_us) WHERE key != ''
;
CREATE TABLE usage_hour (
	workspace TEXT NOT NULL, 
	hour_us BIGINT NOT NULL, 
	principal TEXT NOT NULL, 
	on_behalf_of TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	provider TEXT NOT NULL, 
	model TEXT NOT NULL, 
	"key" TEXT DEFAULT '' NOT NULL, 
	attempts BIGINT NOT NULL, 
	unpriced BIGINT NOT NULL, 
	cost_micros BIGINT NOT NULL, 
	tokens_micros BIGINT NOT NULL, 
	gpu_micros BIGINT NOT NULL, 
	storage_micros BIGINT NOT NULL, 
	network_micros BIGINT NOT NULL, 
	tokens_in BIGINT NOT NULL, 
	tokens_out BIGINT NOT NULL, 
	gpu_ms BIGINT NOT NULL, 
	storage_bytes BIGINT NOT NULL, 
	network_bytes BIGINT NOT NULL, 
	tokens_cached BIGINT DEFAULT '0' NOT NULL, 
	estimated BIGINT DEFAULT '0' NOT NULL, 
	kept BIGINT DEFAULT '0' NOT NULL, 
	saved_micros BIGINT DEFAULT '0' NOT NULL, tokens_cache_write BIGINT DEFAULT '0' NOT NULL, correction_micros BIGINT DEFAULT '0' NOT NULL, 
	CONSTRAINT pk_usage_hour PRIMARY KEY (workspace, hour_us, principal, on_behalf_of, mission, kind, provider, model, "key")
)
;
CREATE TABLE answer (
	workspace TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	target TEXT NOT NULL, 
	wire TEXT NOT NULL, 
	kept_us BIGINT NOT NULL, 
	until_us BIGINT NOT NULL, 
	used_us BIGINT NOT NULL, 
	hits BIGINT NOT NULL, 
	size BIGINT NOT NULL, 
	saved_micros BIGINT NOT NULL, 
	dek TEXT NOT NULL, 
	body BLOB NOT NULL, 
	CONSTRAINT pk_answer PRIMARY KEY (workspace, hash)
)
;
CREATE INDEX ix_answer_workspace_until_us ON answer (workspace, until_us)
;
CREATE INDEX ix_answer_workspace_used_us ON answer (workspace, used_us)
;
CREATE TABLE answer_sum (
	workspace TEXT NOT NULL, 
	entries BIGINT NOT NULL, 
	bytes BIGINT NOT NULL, 
	CONSTRAINT pk_answer_sum PRIMARY KEY (workspace)
)
;
CREATE TABLE mcp_server (
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	command TEXT NOT NULL, 
	env TEXT NOT NULL, 
	url TEXT NOT NULL, 
	headers TEXT NOT NULL, 
	pinning TEXT NOT NULL, 
	added_us BIGINT NOT NULL, 
	added_by TEXT NOT NULL, 
	CONSTRAINT pk_mcp_server PRIMARY KEY (workspace, name)
)
;
CREATE TABLE mcp_tool (
	workspace TEXT NOT NULL, 
	server TEXT NOT NULL, 
	name TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	accepted TEXT NOT NULL, 
	description TEXT NOT NULL, 
	signs TEXT NOT NULL, 
	first_us BIGINT NOT NULL, 
	changed_us BIGINT NOT NULL, 
	accepted_us BIGINT, 
	accepted_by TEXT NOT NULL, 
	CONSTRAINT pk_mcp_tool PRIMARY KEY (workspace, server, name)
)
;
CREATE TABLE recorded_effect (
	workspace TEXT NOT NULL, 
	effect_key TEXT NOT NULL, 
	mission TEXT NOT NULL, 
	step TEXT NOT NULL, 
	action TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	answer TEXT NOT NULL, 
	at_us INTEGER NOT NULL, 
	CONSTRAINT pk_recorded_effect PRIMARY KEY (workspace, effect_key)
)
;
CREATE INDEX ix_recorded_effect_workspace_mission ON recorded_effect (workspace, mission)
;
CREATE TABLE sign_in_password (
	workspace TEXT NOT NULL, 
	person TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	set_us BIGINT NOT NULL, 
	CONSTRAINT pk_sign_in_password PRIMARY KEY (workspace, person)
)
;
CREATE TABLE sign_in_session (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	person TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	token_hash TEXT NOT NULL, 
	previous_hash TEXT NOT NULL, 
	salt BLOB NOT NULL, 
	generation INTEGER NOT NULL, 
	rotated_us BIGINT NOT NULL, 
	created_us BIGINT NOT NULL, 
	seen_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	how TEXT NOT NULL, 
	strong INTEGER NOT NULL, 
	limited INTEGER NOT NULL, 
	address TEXT NOT NULL, 
	agent TEXT NOT NULL, 
	ended_us BIGINT, 
	ended_by TEXT NOT NULL, 
	ended_why TEXT NOT NULL, 
	CONSTRAINT pk_sign_in_session PRIMARY KEY (id)
)
;
CREATE UNIQUE INDEX ix_sign_in_session_token_hash ON sign_in_session (token_hash)
;
CREATE INDEX ix_sign_in_session_workspace_person ON sign_in_session (workspace, person)
;
CREATE TABLE api_key (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	person TEXT NOT NULL, 
	name TEXT NOT NULL, 
	prefix TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	used_us BIGINT, 
	revoked_us BIGINT, 
	revoked_by TEXT NOT NULL, 
	CONSTRAINT pk_api_key PRIMARY KEY (id)
)
;
CREATE UNIQUE INDEX ix_api_key_prefix ON api_key (prefix)
;
CREATE INDEX ix_api_key_workspace_person ON api_key (workspace, person)
;
CREATE TABLE sign_in_link (
	id TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	person TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	token_hash TEXT NOT NULL, 
	created_by TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	expires_us BIGINT NOT NULL, 
	closed_us BIGINT, 
	CONSTRAINT pk_sign_in_link PRIMARY KEY (id)
)
;
CREATE UNIQUE INDEX ix_sign_in_link_token_hash ON sign_in_link (token_hash)
;
CREATE INDEX ix_sign_in_link_workspace_person ON sign_in_link (workspace, person)
;
CREATE TABLE sign_in_try (
	workspace TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	failures INTEGER NOT NULL, 
	last_us BIGINT NOT NULL, 
	until_us BIGINT NOT NULL, 
	CONSTRAINT pk_sign_in_try PRIMARY KEY (workspace, subject)
)
;
CREATE INDEX ix_sign_in_try_last_us ON sign_in_try (last_us)
;
CREATE TABLE sign_in_factor (
	workspace TEXT NOT NULL, 
	person TEXT NOT NULL, 
	sealed BLOB NOT NULL, 
	created_us BIGINT NOT NULL, 
	confirmed_us BIGINT, 
	last_step BIGINT NOT NULL, 
	CONSTRAINT pk_sign_in_factor PRIMARY KEY (workspace, person)
)
;
CREATE TABLE sign_in_recovery (
	workspace TEXT NOT NULL, 
	person TEXT NOT NULL, 
	digest TEXT NOT NULL, 
	used_us BIGINT, 
	CONSTRAINT pk_sign_in_recovery PRIMARY KEY (workspace, person, digest)
)
;
CREATE TABLE sign_in_identity (
	workspace TEXT NOT NULL, 
	issuer TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	person TEXT NOT NULL, 
	linked_us BIGINT NOT NULL, 
	CONSTRAINT pk_sign_in_identity PRIMARY KEY (workspace, issuer, subject)
)
;
CREATE INDEX ix_sign_in_identity_workspace_person ON sign_in_identity (workspace, person)
;
CREATE TABLE repeated_order (
	workspace TEXT NOT NULL, 
	principal TEXT NOT NULL, 
	key_hash TEXT NOT NULL, 
	request_hash TEXT NOT NULL, 
	owner TEXT NOT NULL, 
	created_us BIGINT NOT NULL, 
	carried INTEGER NOT NULL, 
	status INTEGER NOT NULL, 
	answer BLOB NOT NULL, 
	CONSTRAINT pk_repeated_order PRIMARY KEY (workspace, principal, key_hash)
)
;
CREATE INDEX ix_repeated_order_created_us ON repeated_order (created_us)
;
CREATE INDEX ix_mission_listed ON mission (workspace, created_us, id, status, pack, originator, agents, searched)
;
CREATE INDEX ix_kill_workspace_killed_us_id ON kill (workspace, killed_us, id)
;
CREATE INDEX ix_approval_workspace_status_expires_us_id ON approval (workspace, status, expires_us, id)
;
CREATE INDEX ix_approval_workspace_requested_us_id ON approval (workspace, requested_us, id)
;
CREATE TABLE telemetry_switch (
	workspace TEXT NOT NULL, 
	name TEXT NOT NULL, 
	turned_on INTEGER NOT NULL, 
	principal TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	CONSTRAINT pk_telemetry_switch PRIMARY KEY (workspace, name)
)
;
CREATE TABLE telemetry_event (
	workspace TEXT NOT NULL, 
	id TEXT NOT NULL, 
	at_us BIGINT NOT NULL, 
	kind TEXT NOT NULL, 
	surface TEXT NOT NULL, 
	name TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	took_us BIGINT NOT NULL, 
	rating INTEGER NOT NULL, 
	comment TEXT NOT NULL, times BIGINT DEFAULT '1' NOT NULL, 
	CONSTRAINT pk_telemetry_event PRIMARY KEY (workspace, id)
)
;
CREATE INDEX ix_telemetry_event_workspace_at_us_id ON telemetry_event (workspace, at_us, id)
;
CREATE INDEX ix_telemetry_event_workspace_kind_at_us_id ON telemetry_event (workspace, kind, at_us, id)
;
CREATE INDEX ix_telemetry_event_workspace_name_at_us_id ON telemetry_event (workspace, name, at_us, id)
;
CREATE TABLE rate_window (
	workspace TEXT NOT NULL, 
	"key" TEXT NOT NULL, 
	body TEXT NOT NULL, 
	used_us BIGINT NOT NULL, 
	CONSTRAINT pk_rate_window PRIMARY KEY (workspace, "key")
)
;
CREATE INDEX ix_rate_window_workspace_used_us ON rate_window (workspace, used_us)
;
CREATE TABLE continued (
	ref TEXT NOT NULL, 
	workspace TEXT NOT NULL, 
	principal TEXT NOT NULL, 
	on_behalf_of TEXT NOT NULL, 
	used_us BIGINT NOT NULL, 
	CONSTRAINT pk_continued PRIMARY KEY (ref)
)
;
CREATE INDEX ix_continued_used_us ON continued (used_us)
;
INSERT INTO "alembic_version" VALUES ('0030')
;
