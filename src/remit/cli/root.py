"""The root command: a lazy group, so that ``remit --help`` imports nothing but click."""

from __future__ import annotations

import importlib
import io
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext

import click

from remit import __version__
from remit.cli import noted
from remit.cli.output import emit, refer, report_error
from remit.cli.redaction import learn_words
from remit.kernel import commanded, correlation
from remit.kernel.errors import UserError
from remit.redact import hooks, sinks

#: command → (module under ``remit.cli``, one-line help). The help stands here so that listing imports no module.
COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("home", "Make a home: store, signing key, local owner, agents."),
    "run": ("missions", "Run a mission: remit run build FILE."),
    "show": ("missions", "Show a mission: plan, steps, cost, what is next."),
    "missions": ("missions", "List missions, newest first."),
    "logs": ("missions", "Print a mission's events and step output."),
    "resume": ("missions", "Go on where a mission stopped."),
    "rollback": ("missions", "Undo a mission, whole, to a step, or one feature of it."),
    "branch": ("missions", "Start a variation from one of a mission's steps."),
    "cancel": ("missions", "Stop a mission at once."),
    "worker": ("missions", "Take over and run missions until stopped (Postgres: one of many)."),
    "queue": ("queue", "Who waits for a worker and how long; move one, clean up what is finished."),
    "limits": ("queue", "Rates that agents, tools and domains are held to; what is left; set one."),
    "approvals": ("approvals", "What waits for a person, and what was decided."),
    "approve": ("approvals", "Allow what was asked, once and exactly; its mission goes on."),
    "deny": ("approvals", "Refuse it, with a reason."),
    "delegate": ("approvals", "Hand your right to approve to somebody else for a while."),
    "why": ("govern", "Tell the story of an action, a refusal or a mission."),
    "agents": ("agents", "Who runs, who owns them, what they may touch and spend, how to stop them."),
    "kill": ("govern", "Stop an agent, mission, team or the whole install now."),
    "unkill": ("govern", "Let it act again, with a reason."),
    "budget": ("budget", "What may be spent, what was, what is left; set and remove limits."),
    "usage": ("budget", "What was used and what it cost, by key, agent, mission, model, hour or day."),
    "cache": ("cache", "Answers of models that are given again: show, clear, stats."),
    "keys": ("keys", "Virtual keys for programs outside: make, rotate, revoke, limit; the gateway's policy."),
    "policy": ("policy", "Rules: check, try, put in force, explain; evidence for them."),
    "mcp": ("mcp", "Tool servers (MCP): govern one, or serve missions, approvals and the log to a client."),
    "gateway": ("gateway", "Answer OpenAI's and Anthropic's clients, each call under the guard."),
    "fetch": ("fetch", "Read a web address under the guard, as an agent would."),
    "deploy": ("deploy", "Deploy a mission's result: tested, approved, switched at once, taken back if it fails."),
    "presets": ("deploy", "List the presets: agents, tools, estimates, risk, guardrails, critics."),
    "providers": ("providers", "Where models are asked: add, test, pause, remove one; keys are secrets."),
    "models": ("models", "Models by name: prices, who is asked and why, how each one is; import another gateway's."),
    "breakers": ("breakers", "Circuits of outside services: where each stands; reset or open one."),
    "secrets": ("secrets", "Secrets: set, rotate, who may use which, who did, whether one leaked."),
    "drill": ("drill", "Make things fail on purpose, in a home of its own, and see every promise held."),
    "breakglass": ("breakglass", "Lift one stop or rule for minutes; it takes two persons."),
    "teams": ("teams", "Teams: members, roles, invitations, policies."),
    "users": ("users", "The people of the workspace, their roles, their links and sign-ins."),
    "workspaces": ("users", "Make a workspace."),
    "apikeys": ("api_keys", "Keys of people for Remit's own API: make, list, revoke."),
    "plan": ("users", "How much of everything the workspace may use."),
    "scan": ("scan", "Find secrets in files, in what is staged, or in lines of JSON."),
    "audit": ("audit", "Show, verify and prove the audit log."),
    "settings": ("settings", "Every setting, its value, where that came from, what it does."),
    "telemetry": ("telemetry", "Events that this install records of itself: switches, query, forget."),
    "metrics": ("metrics", "Print the workspace's figures as Prometheus text."),
    "objectives": ("objectives", "What may fail, what has, and how fast it burns: error budgets."),
    "bench": ("bench", "Measure a hot path against its peer or floor."),
    "up": ("up", "Serve everything: console, API, gateway, workers, on one port."),
    "backup": ("backups", "Copy a home while it is in use into one file, verified."),
    "restore": ("backups", "Make a home from a backup: every hash, the whole log, every repository first."),
    "upgrade": ("backups", "Bring a home to this version: copied first, verified after."),
    "doctor": ("doctor", "Check this install, with the fix for each finding."),
    "demo": ("demo", "Run the clinic intake to a running, tested application."),
}


INTERRUPTED = 130
HELP = frozenset({"-h", "--help", "--version"})


class LazyGroup(click.Group):
    """Knows its commands' names and help; imports a command's module when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order in which a newcomer needs them."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command, or raise with the nearest name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"remit.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = module.COMMANDS[cmd_name]
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Unknown commands name the nearest known one."""
        name = args[0] if args else ""
        if name and name not in COMMANDS and not name.startswith("-"):
            import difflib

            near = difflib.get_close_matches(name, COMMANDS, 1)
            guess = f" Did you mean 'remit {near[0]}'?" if near else ""
            message = f"There is no command {name!r}.{guess}"
            raise click.UsageError(message, ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands without importing one."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_module, text) in COMMANDS.items()])


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="remit")
def root() -> None:
    """Remit: run AI agents within their remit, and prove it.

    Every command takes --home DIR, --json and --debug.
    """


def run(argv: Sequence[str]) -> int:
    """Run one command; its exit code (0 ok, 1 failed, 2 usage, 3 denied, 4 waiting, 5 unavailable, 130 interrupted)."""
    correlation.begin()
    command = commanded.begin(time.monotonic())
    try:
        code = _run(argv)
        noted.note(command, code)
        return code
    finally:
        commanded.end()
        correlation.end()


def _run(argv: Sequence[str]) -> int:
    as_json, debug = "--json" in argv, "--debug" in argv
    learn_words(argv)
    try:
        with hooks.own_words() if _asks_for_help(argv) else nullcontext():
            code: object = root.main(args=list(argv), prog_name="remit", standalone_mode=False)
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except (click.exceptions.Abort, KeyboardInterrupt):
        sys.stderr.write("interrupted\n")
        if as_json:
            hint = "remit missions shows what stopped; remit resume ID goes on"
            told = {"code": "interrupted", "message": "The command was interrupted.", "hint": hint}
            emit({"error": {**told, "request_id": correlation.current().request_id}})
        code = INTERRUPTED
    except click.ClickException as error:
        if not as_json:
            shown = io.StringIO()
            error.show(file=shown)
            sys.stderr.write(sinks.mask_likely(shown.getvalue()))
            if not isinstance(error, click.exceptions.NoArgsIsHelpError):
                refer()
        code = report_error(_as_usage_error(error), as_json=True, debug=debug) if as_json else error.exit_code
    except Exception as error:  # noqa: BLE001 - the last line: a fault of ours still answers in the one error format
        code = report_error(error, as_json=as_json, debug=debug)
    return code if isinstance(code, int) else 0


def _asks_for_help(argv: Sequence[str]) -> bool:
    """Whether nothing but help is printed: the flag is the last word, and no option before it could take it."""
    return bool(argv) and argv[-1] in HELP and not any(word.startswith("-") for word in argv[:-1])


def _as_usage_error(error: click.ClickException) -> UserError:
    return UserError(error.format_message(), code="usage")
