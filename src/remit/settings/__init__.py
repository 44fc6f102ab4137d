"""Settings: what each is, where it came from. Flags > ``REMIT_*`` > ``remit.toml`` > user file > defaults.

Loaded once, by whoever starts: a command, a server, a program that governs agents. An unknown key is an error that
names the nearest known one. Secrets never stand here, only references to them. Plain dataclass and ``tomllib``: every
command pays for this module's import.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from types import MappingProxyType

from remit.kernel.channels import Channel, read_channels
from remit.kernel.errors import InvalidInput
from remit.kernel.secret_sources import ENV_PREFIX, SecretSource, read_sources
from remit.kernel.usage import UnknownPrice
from remit.settings.values import Environment, LogFormat, abroad, folders_of, quorums, value_of, words

__all__ = [
    "NAMES",
    "OTHER_VARIABLES",
    "PREFIX",
    "SHOWN_NEVER",
    "Environment",
    "LogFormat",
    "Settings",
    "abroad",
    "default_home",
    "folders_of",
    "load",
    "quorums",
    "words",
]

PREFIX = "REMIT_"
PROJECT_FILE = "remit.toml"
#: Settings whose values may hold secrets: no message and no page shows them.
SHOWN_NEVER = frozenset({"store_url", "notify", "secrets", "signing_secret", "oidc_client_secret"})

#: How Python begins to say that a text is no number.
_NO_NUMBER = ("invalid literal for int", "could not convert string to float")

#: ``REMIT_*`` variables that are not settings: read by the bootstrap script, the test suite or a crash drill; and where
#: the recipes have clients of the gateway keep their key, in the shell that commands are typed into as well.
OTHER_VARIABLES = frozenset(
    {
        "REMIT_KEY",
        "REMIT_PYTHON",
        "REMIT_REQUIRE_ALL",
        "REMIT_PROVE",
        "REMIT_TEST_POSTGRES_URL",
        "REMIT_CRASH_AT",
        "REMIT_CRASH_LOG",
        "REMIT_PAYLOAD_KEY",
        "REMIT_PROBE_LOG",
        "REMIT_UP_SOCKET",
        "REMIT_SHOTS",
        "REMIT_PROBE_WITNESS",
    }
)


def default_home() -> Path:
    """The platform's data folder for Remit."""
    import platformdirs  # noqa: PLC0415 - only when no home was given

    return Path(platformdirs.user_data_dir("remit", appauthor=False))


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting of this install.

    Attributes:
        home: Where state lives (mode 0700).
        environment: ``development`` or ``production``.
        store_url: A ``postgresql://`` address; the SQLite file ``<home>/remit.db`` when empty.
        workspace: The workspace that CLI commands act in.
        owner: Name of the local owner, on whose behalf agents act.
        user: Who gives the orders of the command line; the owner when empty.
        parallel: How many steps of one mission run at once.
        sandbox_tier: The weakest sandbox tier in which a command may run (1 process limits, 2 Landlock, 3 bubblewrap).
        budget_usd: Budget of a mission that names none, in dollars.
        unknown_price: What happens to an action whose price nobody can tell: ``refuse``, ``ceiling`` or ``warn``.
        unknown_price_usd: What is reserved for it under ``ceiling``, in dollars.
        answers_mb: Megabytes of models' answers that a workspace keeps; the least recently given go first.
        concurrency: How many missions a worker runs at once.
        retention_days: After how many days a worker cleans up what finished missions left behind; 0: never.
        lease_s: After how many seconds without a sign of life a worker on another host counts as dead (Postgres).
        approval_over_usd: Operations whose estimate is above this need a person's approval, in dollars.
        approval_domains: Sensitive domains (with all below them), separated by commas: a fetch needs approval.
        approval_free_targets: Targets of deploys that are no production, separated by commas, exactly as deployed to.
        deploy_roots: Folders that the console and the API may deploy to, with what lies in them, separated by commas;
            ``WORKSPACE=FOLDER`` is for that workspace alone.
        approval_hours: After how many hours an undecided request is refused, and an unused approval ends.
        approval_quorum: How many persons must approve: ``1``, or by kind ``1, deploy=2, order=2``.
        approval_separation: Whether who asked may decide: ``auto``, ``on`` or ``off``.
        approval_open: How many undecided requests one agent may have.
        notify: Channels through which people are told: ``[[notify]]`` tables.
        notify_allow: Addresses beside the channels that notifications may be sent to, separated by commas: exact, or up
            to a ``*`` at the end.
        secrets: Where secrets are kept, in order: ``file``, ``env``, ``aws``, ``vault``, or ``[[secrets]]`` tables;
            the home's file when none is named.
        secrets_cache_s: For how many seconds a value is kept in memory; 0: every use asks the backend.
        secrets_retention_days: For how many days a retired value stays masked and is looked for in artefacts.
        spans: Where spans go: a file for JSON lines, or an OTLP collector's ``http(s)://`` address.
        fetch_ports: Ports that may be fetched from, separated by commas.
        fetch_private: Private networks that may be fetched from, separated by commas; none when empty.
        fetch_user_agent: How fetches name themselves; robots.txt is asked for its first word.
        fetch_timeout_s: Seconds that all of a fetch may take.
        fetch_bytes: Bytes that a fetched page may have, decompressed.
        fetch_ca: A file of authorities (PEM) whose certificates are trusted beside the system's; none when empty.
        breaker_failures: So many failures in a row open a service's circuit.
        breaker_error_rate: So does this part of the last minute's calls (20 at least); above 1 never.
        breaker_cooldown_s: For how many seconds it is open the first time.
        personal_data: Where personal data is masked, separated by commas: ``models`` (tokens in prompts, brought back
            in the answer), ``logs`` (logs, errors, traces, reports). What is fetched is masked always.
        personal_tools: Tools that get personal data back in the arguments a model wrote, separated by commas.
        personal_analyzer: Address of a Presidio analyzer that also reads what goes to models; none when empty.
        phone_regions: Countries (ISO 3166-1) whose national phone numbers are known, separated by commas.
        signing_secret: What access tokens are signed with: 32 bytes at least; the home's own key when empty, which a
            production install refuses.
        session_idle_minutes: A console session ends when nothing was asked with it for so many minutes.
        session_hours: It ends after so many hours whatever is done with it.
        access_minutes: For how many minutes an access token of a program holds.
        refresh_days: A program's sign-in ends after so many days whatever is done with it.
        second_factor: Who must have a second factor: ``nobody``, ``administrators`` or ``everybody``.
        public_url: Where people reach this install (``https://remit.example.org``): links and OIDC lead there; the
            address that it listens at when empty.
        oidc_issuer: An OpenID provider that people may sign in by; none when empty.
        oidc_client_id: This install's name there.
        oidc_client_secret: Its secret there; a public client when empty.
        oidc_domains: Domains, separated by commas, whose verified e-mail addresses may sign in without an invitation.
        reset_by_mail: Whether who forgot their password may have a link mailed, where an e-mail channel is set up.
        gateway_body_bytes: Bytes that a request to the gateway may have.
        gateway_body_s: Seconds in which its body must have arrived.
        gateway_heartbeat_s: Seconds between signs of life to a stream whose call waits for a person.
        gateway_wait_s: Seconds that a call in one piece is held while a person decides; then it is told so.
        gateway_slow_s: Seconds after which a client that takes nothing of its stream counts as gone.
        gateway_queue: Writes that may wait for the store before the policy ``on_full`` says what becomes of a call.
        gateway_queue_s: Seconds that a call waits for a place among them, where it waits.
        gateway_drain_s: Seconds that running calls get to end when the gateway stops.
        gateway_max_out: Tokens of an answer that are reserved when a request names no limit.
        connections: Connections of clients that a process keeps open at once.
        connection_head_s: Seconds in which the head of a request must have arrived.
        streams: Live streams that a process serves at once.
        streams_each: Of them, those of one person.
        telemetry: Whether figures and spans may leave this machine: ``spans`` to an address elsewhere needs it.
        feedback: Whether what people say about Remit may be collected and leave this machine. Nothing does either.
        stop_notice_s: Seconds between "not ready" and the end of listening when ``remit up`` stops: for load balancers.
        api_body_bytes: Bytes that a request to the API or the console may have.
        api_time_s: Seconds until it must be answered; streams are not cut.
        api_idle_s: Seconds without a byte after which an answer that has begun is given up.
        api_per_minute: Requests a minute to the API that are taken from one address.
        api_per_hour: The same in an hour.
        api_limits: Endpoints with limits of their own: ``POST /api/v1/missions=10/100`` (a minute, an hour), separated
            by commas.
        key_per_minute: Requests a minute to the API that are taken with one key or token.
        key_per_hour: The same in an hour.
        console_per_minute: Requests a minute to the console that are taken from one address.
        console_per_hour: The same in an hour.
        proxies: Networks of the proxies before this server, separated by commas: their word on where a request came
            from is taken. None when empty.
        hosts: Names that this server goes by beside that of ``public_url``, separated by commas.
        cors_origins: Other origins whose pages may use the API, separated by commas; none when empty, never any.
        https: Whether plain HTTP is turned away: ``auto`` (in production), ``on`` or ``off``.
        request_log: Whether each request to the API or the console is logged.
        log_level: ``DEBUG``, ``INFO``, ``WARNING`` or ``ERROR``; logs go to stderr.
        log_format: ``text``, or ``json``: one object a line.
        audit_retention_days: How long payloads of the audit log are kept; 0: as long as the plan says.
        classifier_url: Somebody else's classifier of what missions read; none when empty.
        witness_url: A C2SP witness that cosigns the audit log's heads; none when empty.
        witness_key: The witness's public key (``name+id+base64``).
        timestamp_url: An RFC 3161 time stamp authority; none when empty.
        timestamp_ca: The file with the authority's root certificate (PEM).
        audit_verify_every_s: How often a worker verifies the audit log, in seconds; 0: never.
        telemetry_days: After how many days recorded events of telemetry are deleted.
        objective_actions: The share of actions that must succeed over 28 days; the rest is their error budget.
        objective_missions: The same of missions.
        origins: No setting: where each value came from, as ``load`` found it. Empty: a program gave them.
    """

    home: Path
    environment: Environment = Environment.DEVELOPMENT
    store_url: str = field(default="", repr=False)
    workspace: str = "default"
    owner: str = "owner"
    user: str = ""
    parallel: int = 2
    sandbox_tier: int = 1
    budget_usd: str = "10"
    unknown_price: UnknownPrice = UnknownPrice.REFUSE
    unknown_price_usd: str = "1"
    answers_mb: int = 64
    concurrency: int = 4
    retention_days: int = 30
    lease_s: float = 15.0
    approval_over_usd: str = "10"
    approval_domains: str = "gov, gov.uk, mil, onion"
    approval_free_targets: str = ""
    deploy_roots: str = ""
    approval_hours: float = 24.0
    approval_quorum: str = "1"
    approval_separation: str = "auto"
    approval_open: int = 100
    notify: tuple[Channel, ...] = ()
    notify_allow: str = ""
    secrets: tuple[SecretSource, ...] = ()
    secrets_cache_s: float = 300.0
    secrets_retention_days: int = 365
    spans: str = ""
    fetch_ports: str = "80, 443"
    fetch_private: str = ""
    fetch_user_agent: str = "Remit"
    fetch_timeout_s: float = 10.0
    fetch_bytes: int = 5_242_880
    fetch_ca: str = ""
    breaker_failures: int = 5
    breaker_error_rate: float = 0.5
    breaker_cooldown_s: float = 120.0
    personal_data: str = ""
    personal_tools: str = ""
    personal_analyzer: str = ""
    phone_regions: str = "US,CA,GB,IE,DE,AT,CH,FR,BE,NL,ES,PT,IT,SE,NO,DK,FI,PL,IN,AU,NZ,JP,BR,MX"
    signing_secret: str = field(default="", repr=False)
    session_idle_minutes: float = 30.0
    session_hours: float = 12.0
    access_minutes: float = 10.0
    refresh_days: float = 30.0
    second_factor: str = "nobody"
    public_url: str = ""
    oidc_issuer: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = field(default="", repr=False)
    oidc_domains: str = ""
    reset_by_mail: bool = True
    gateway_body_bytes: int = 33_554_432
    gateway_body_s: float = 30.0
    gateway_heartbeat_s: float = 15.0
    gateway_wait_s: float = 120.0
    gateway_slow_s: float = 60.0
    gateway_queue: int = 4096
    gateway_queue_s: float = 30.0
    gateway_drain_s: float = 20.0
    gateway_max_out: int = 4096
    connections: int = 4096
    connection_head_s: float = 30.0
    streams: int = 2000
    streams_each: int = 40
    telemetry: bool = False
    feedback: bool = False
    stop_notice_s: float = 0.0
    api_body_bytes: int = 10_485_760
    api_time_s: float = 30.0
    api_idle_s: float = 60.0
    api_per_minute: int = 60
    api_per_hour: int = 1000
    api_limits: str = ""
    key_per_minute: int = 600
    key_per_hour: int = 10_000
    console_per_minute: int = 600
    console_per_hour: int = 20_000
    proxies: str = ""
    hosts: str = ""
    cors_origins: str = ""
    https: str = "auto"
    request_log: bool = True
    log_level: str = "WARNING"
    log_format: LogFormat = LogFormat.TEXT
    audit_retention_days: int = 0
    audit_verify_every_s: int = 86_400
    classifier_url: str = ""
    witness_url: str = ""
    witness_key: str = ""
    timestamp_url: str = ""
    timestamp_ca: str = ""
    telemetry_days: int = 30
    objective_actions: float = 0.95
    objective_missions: float = 0.95
    origins: Mapping[str, str] = field(default_factory=dict[str, str], repr=False, compare=False)

    @property
    def missions(self) -> Path:
        """One folder for each mission."""
        return self.home / "missions"

    @property
    def exports(self) -> Path:
        """Exports of the audit log that were ordered over the API or the console: a folder for each workspace."""
        return self.home / "exports"

    @property
    def acting(self) -> str:
        """The id of the user in whose name the command line acts."""
        return self.user or self.owner

    @property
    def production(self) -> bool:
        """Whether this is a production install."""
        return self.environment is Environment.PRODUCTION

    @property
    def plain_refused(self) -> bool:
        """Whether console, API and gateway turn plain HTTP away."""
        return self.https == "on" or (self.https == "auto" and self.production)


NAMES = tuple(item.name for item in fields(Settings) if item.name != "origins")


def load(
    *,
    flags: Mapping[str, object] | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
    user_file: Path | None = None,
) -> tuple[Settings, dict[str, str]]:
    """The settings in force, and where each value came from (``flag``, ``REMIT_X``, a file's path, or ``default``).

    Args:
        flags: Values given on the command line; ``None`` values count as not given.
        environ: The environment; the process's own when left out.
        folder: Where ``remit.toml`` is looked for; the current folder when left out.
        user_file: The user's own file; ``config.toml`` in the platform's configuration folder when left out.

    Raises:
        InvalidInput: An unknown key, a value of the wrong type or out of its bounds, or a file that is no TOML.
    """
    env = os.environ if environ is None else environ
    values: dict[str, object] = {}
    origin: dict[str, str] = dict.fromkeys(NAMES, "default")
    for path in (user_file or _user_file(), (folder or Path.cwd()) / PROJECT_FILE):
        for key, value in _read(path).items():
            _known(key, str(path))
            values[key], origin[key] = value, str(path)
    for variable, value in env.items():
        if variable.startswith(PREFIX) and variable not in OTHER_VARIABLES and not variable.startswith(ENV_PREFIX):
            key = variable.removeprefix(PREFIX).lower()
            _known(key, f"the environment variable {variable}")
            values[key], origin[key] = value, variable
    for key, value in (flags or {}).items():
        if value is not None:
            _known(key, "the command line")
            values[key], origin[key] = value, "flag"
    if "home" not in values:
        values["home"] = default_home()
    return replace(_build(values, origin), origins=MappingProxyType(origin)), origin


def _user_file() -> Path:
    import platformdirs  # noqa: PLC0415 - costs start-up time that --help must not pay

    return Path(platformdirs.user_config_dir("remit", appauthor=False)) / "config.toml"


def _read(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"The settings file {path} can't be read: {error}."
        raise InvalidInput(message, place=str(path), hint=f"correct or remove {path}") from error


def _known(key: str, where: str) -> None:
    if key in NAMES:
        return
    near = difflib.get_close_matches(key, NAMES, 1)
    guess = f" Did you mean {near[0]!r}?" if near else ""
    message = f"There is no setting {key!r}.{guess}"
    raise InvalidInput(message, place=where, hint="docs/settings.md has every setting")


def _build(values: dict[str, object], origin: dict[str, str]) -> Settings:
    settings = Settings(home=Path(str(values["home"])).expanduser().absolute())
    for key, raw in values.items():
        if key != "home":
            settings = replace(settings, **{key: _convert(key, raw, origin[key])})
    return settings


def _convert(key: str, raw: object, origin: str) -> object:
    """``raw`` in the setting's type, checked against its bounds."""
    try:
        match key:
            case "notify":
                return read_channels(raw)
            case "secrets":
                return read_sources(raw)
            case _:
                return value_of(key, str(raw).strip())
    except (ValueError, InvalidInput) as error:
        shown = "its value" if key in SHOWN_NEVER else repr(raw)
        # Python's own words for "int('x')" say nothing to a person who set it.
        why = "it must be a number" if str(error).startswith(_NO_NUMBER) else str(error)
        message = f"The setting {key!r} can't be {shown}: {why}."
        hint = "docs/settings.md says what it may be; correct it, or take it out"
        raise InvalidInput(message, place=origin, hint=hint) from error
