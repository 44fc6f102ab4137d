"""``remit scan``: secrets in files, in what is staged, in the history, or in lines of JSON. Needs no home."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import click

from remit import __version__
from remit.cli.output import common, emit, hint, say
from remit.kernel.errors import InvalidInput

if TYPE_CHECKING:
    from remit.redact.leaks import Baseline, Leak, Scanner, Source

MOST_BYTES = 16 * 1024 * 1024
_MOST_TOLD = 20


@dataclass(slots=True)
class _Report:
    """What a scan of files found, and what it didn't read."""

    found: list[Leak] = field(default_factory=list["Leak"])
    accepted: int = 0
    files: int = 0
    size: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    failed: bool = False

    def as_json(self) -> dict[str, object]:
        return {
            "findings": [leak.as_json() for leak in self.found],
            "files": self.files,
            "bytes": self.size,
            "accepted": self.accepted,
            "skipped": [{"path": path, "reason": reason} for path, reason in self.skipped],
        }


@click.command()
@click.argument("paths", nargs=-1, metavar="PATH...", type=click.Path(path_type=Path))
@click.option("--jsonl", is_flag=True, help='Read {"text": ...} lines from stdin (PATH is -), answer each with one.')
@click.option("--sarif", "as_sarif", is_flag=True, help="SARIF 2.1.0 on stdout.")
@click.option("--tier", type=click.IntRange(1, 2), default=None, help="1: what is certain; 2: what is likely too.")
@click.option("--baseline", type=click.Path(dir_okay=False, path_type=Path), help="Accepted findings: not told again.")
@click.option("--write-baseline", type=click.Path(dir_okay=False, path_type=Path), help="Accept what is found now.")
@click.option("--staged", is_flag=True, help="What the next commit changes, as it stands in git's index.")
@click.option("--history", is_flag=True, help="Every version of every file that git still reaches.")
@click.option("--max-bytes", type=click.IntRange(1), default=MOST_BYTES, show_default=True, help="Skip larger files.")
@click.option("--install-hook", is_flag=True, help="Scan before each commit from now on (git's pre-commit hook).")
@common
def scan(
    paths: tuple[Path, ...],
    *,
    jsonl: bool,
    as_sarif: bool,
    tier: int | None,
    baseline: Path | None,
    write_baseline: Path | None,
    staged: bool,
    history: bool,
    max_bytes: int,
    install_hook: bool,
    home: str | None,
    as_json: bool,
    debug: bool,
) -> int:
    """Find secrets in files: exit code 0 when there are none, 1 when there are, 2 for wrong usage."""
    del home, debug
    _one_of("--json and --sarif", as_json, as_sarif)
    _one_of("--jsonl, --staged, --history and --install-hook", jsonl, staged, history, install_hook)
    if jsonl:
        if paths != (Path("-"),):
            message = "--jsonl reads standard input."
            raise InvalidInput(message, code="scan.jsonl", hint="remit scan --jsonl -")
        return _lines(sys.stdin.buffer, tier=tier or 2)
    place = _place(paths, staged=staged or history or install_hook)
    if install_hook:
        return _install(place, as_json=as_json)
    from remit.bootstrap import scan_sources

    if staged:
        sources = scan_sources.staged(place, most_bytes=max_bytes)
    elif history:
        sources = scan_sources.history(place, most_bytes=max_bytes)
    else:
        sources = scan_sources.tree(paths, most_bytes=max_bytes)
    known = _baseline(baseline, write_baseline)
    report = _scan(sources, known, tier=tier or 1, accept=write_baseline is None)
    if write_baseline is not None:
        return _accept(report, known, write_baseline, as_json=as_json)
    return _tell(report, as_json=as_json, as_sarif=as_sarif)


def _one_of(told: str, *flags: bool) -> None:
    if sum(flags) > 1:
        message = f"{told} exclude each other."
        raise InvalidInput(message, code="scan.options", hint="remit scan --help")


def _place(paths: tuple[Path, ...], *, staged: bool) -> Path:
    """The one folder of what takes a repository; the current one when none is named."""
    if not staged and not paths:
        message = "Say what to scan."
        raise InvalidInput(message, code="scan.path", hint="remit scan .")
    if staged and (len(paths) > 1 or not all(path.is_dir() for path in paths)):
        message = "--staged, --history and --install-hook take one folder of a repository, or none for this one."
        raise InvalidInput(message, code="scan.path", hint="remit scan --staged")
    return paths[0] if paths else Path()


def _install(place: Path, *, as_json: bool) -> int:
    from remit.bootstrap import scan_written

    hook = scan_written.install_hook(place)
    if as_json:
        emit({"hook": str(hook)})
    else:
        say(f"every commit is scanned from now on: {hook}")
    return 0


# -------------------------------------------------------------------------------------------------------------- files


def _scanner() -> Scanner:
    """A redactor of this scan alone. It takes its quickest engine by itself once there is much to read."""
    from remit.redact.redactor import Redactor

    return Redactor(secrets.token_bytes(16))


def _baseline(read: Path | None, write: Path | None) -> Baseline:
    """The accepted findings; a baseline that is written again keeps its key, so that its lines stay comparable."""
    from remit.redact.leaks import Baseline, read_baseline

    for path in (read, write):
        if path is not None and (path is read or path.exists()):
            try:
                return read_baseline(path.read_text(encoding="utf-8"), str(path))
            except (OSError, UnicodeDecodeError) as error:
                message = f"The baseline {path} can't be read."
                raise InvalidInput(message, code="scan.baseline", hint="remit scan . --write-baseline FILE") from error
    return Baseline(secrets.token_bytes(32), frozenset())


def _scan(sources: Iterator[Source], known: Baseline, *, tier: int, accept: bool) -> _Report:
    from remit.redact.leaks import leaks, readable

    scanner = _scanner()
    report = _Report()
    for source in sources:
        text = None if source.skipped else readable(source.data)
        if text is None:
            report.skipped.append((scanner.mask(source.path), source.skipped or "binary"))
            report.failed = report.failed or source.failed
            text = b""  # its name may still hold one
        else:
            report.files += 1
            report.size += len(source.data)
        found = list(leaks(scanner, source.path, text, tier=tier, fingerprint=known.fingerprint))
        report.found += [leak for leak in found if not accept or leak.fingerprint not in known.known]
        report.accepted += sum(accept and leak.fingerprint in known.known for leak in found)
    return report


def _accept(report: _Report, known: Baseline, path: Path, *, as_json: bool) -> int:
    from remit.bootstrap import scan_written
    from remit.redact.leaks import write_baseline

    scan_written.replace(path, write_baseline(known, report.found))
    if as_json:
        emit({**report.as_json(), "baseline": str(path)})
    else:
        say(f"{len(report.found)} findings accepted in {path}; review them: each is a secret somebody can read")
    _complain(report)
    return 1 if report.failed else 0


def _tell(report: _Report, *, as_json: bool, as_sarif: bool) -> int:
    if as_sarif:
        from remit.redact.sarif import sarif

        emit(sarif(report.found, version=__version__))
    elif as_json:
        emit(report.as_json())
    else:
        for leak in report.found:
            place = f"{leak.path}:{leak.line}:{leak.column}" if leak.line else f"{leak.path} (its name)"
            say(f"{place}: {leak.kind} (tier {leak.tier})")
        accepted = f", {report.accepted} accepted before" if report.accepted else ""
        say(f"{len(report.found)} findings in {report.files} files ({report.size} bytes){accepted}")
    _complain(report)
    return 1 if report.found or report.failed else 0


def _complain(report: _Report) -> None:
    """What wasn't read, on stderr."""
    for path, reason in report.skipped[:_MOST_TOLD]:
        hint(f"not read: {path} ({reason})")
    if len(report.skipped) > _MOST_TOLD:
        hint(f"not read: {len(report.skipped) - _MOST_TOLD} more; --json lists them all")


# -------------------------------------------------------------------------------------------------------------- lines


def _lines(stream: BinaryIO, *, tier: int) -> int:
    """Answer each line as it comes; a line that is none is told and counts as failed at the end."""
    scanner = _scanner()
    bad = 0
    for line in stream:
        try:
            answer: Mapping[str, object] = {"findings": _spans(scanner, line, tier=tier)}
        except InvalidInput as error:
            bad += 1
            answer = {"error": error.message}
        sys.stdout.write(json.dumps(answer, separators=(",", ":")) + "\n")
        sys.stdout.flush()
    return 1 if bad else 0


def _spans(scanner: Scanner, line: bytes, *, tier: int) -> list[dict[str, object]]:
    try:
        told: object = json.loads(line)
    except (ValueError, RecursionError) as error:
        message = "this line is no JSON"
        raise InvalidInput(message) from error
    text = cast("dict[str, object]", told).get("text") if isinstance(told, dict) else None
    if not isinstance(text, str):
        message = 'this line is no object with a text: {"text": "..."}'
        raise InvalidInput(message)
    return [
        {"kind": span.kind, "start": span.start, "end": span.end, "tier": span.tier}
        for span in scanner.scan(text, tier=tier)
    ]


COMMANDS = {"scan": scan}
