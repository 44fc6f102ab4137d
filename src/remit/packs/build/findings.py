"""What the tools of a build say, as findings: severity, place and what to do. Read from their printed output.

Formats: ruff 0.15 (``full`` and ``concise``), mypy 2, bandit 1.9 (``txt``), pytest 9 (short summary), as pinned for the
build environment. What can't be read gives no finding; that the tool failed is told by its exit code all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence

from remit.kernel.finding import Finding, Severity

MOST = 100
_LONGEST = 300

_RUFF_FULL = re.compile(
    r"^(?P<code>[A-Z]+[0-9]+|invalid-syntax):? (?:\[\*\] )?(?P<text>.+)\n\s*--> (?P<place>\S+:\d+:\d+)", re.MULTILINE
)
_RUFF_CONCISE = re.compile(
    r"^(?P<place>[^\s:]+:\d+:\d+): (?P<code>[A-Z]+[0-9]+|invalid-syntax):? (?:\[\*\] )?(?P<text>.+)$", re.MULTILINE
)
_MYPY = re.compile(r"^(?P<place>[^\s:]+:\d+(?::\d+)?): error: (?P<text>.+?)(?:  \[(?P<code>[\w-]+)\])?$", re.MULTILINE)
_BANDIT = re.compile(
    r"^>> Issue: \[(?P<code>[^:\]]+)[^\]]*\] (?P<text>.+)\n\s+Severity: (?P<severity>\w+)\s.*\n"
    r"(?:\s+CWE:.*\n)?(?:\s+More Info: (?P<more>\S+)\n)?\s+Location: (?P<place>\S+)",
    re.MULTILINE,
)
_PYTEST = re.compile(r"^(?:FAILED|ERROR) (?P<place>[^\s]+)(?: - (?P<text>.+))?$", re.MULTILINE)

_WEIGHT = {"HIGH": Severity.CRITICAL, "MEDIUM": Severity.ERROR}


def findings(argv: Sequence[str], output: str) -> list[Finding]:
    """What a tool found, at most 100; none for a program that is not known here."""
    read = next((reader for name, reader in _READERS.items() if name in argv), None)
    if read is None:
        return []
    return [found for _, found in zip(range(MOST), read(output), strict=False)]


def _ruff(output: str) -> Iterator[Finding]:
    for match in [*_RUFF_FULL.finditer(output), *_RUFF_CONCISE.finditer(output)]:
        code = match["code"]
        yield _finding("lint", code, match["text"], match["place"], fix=f"python -m ruff rule {code} explains it")


def _mypy(output: str) -> Iterator[Finding]:
    for match in _MYPY.finditer(output):
        yield _finding("types", match["code"] or "error", match["text"], match["place"], fix="make the types agree")


def _bandit(output: str) -> Iterator[Finding]:
    for match in _BANDIT.finditer(output):
        severity = _WEIGHT.get(match["severity"].upper(), Severity.WARNING)
        fix = f"see {match['more']}" if match["more"] else f"mend it, or say why it is safe: # nosec {match['code']}"
        yield _finding("security", match["code"], match["text"], match["place"], fix=fix, severity=severity)


def _pytest(output: str) -> Iterator[Finding]:
    for match in _PYTEST.finditer(output):
        text = match["text"] or "the test failed"
        yield _finding("tests", "failed", text, match["place"], fix=f"python -m pytest {match['place']}")


_READERS: dict[str, Callable[[str], Iterator[Finding]]] = {
    "ruff": _ruff,
    "mypy": _mypy,
    "bandit": _bandit,
    "pytest": _pytest,
}


def _finding(tool: str, code: str, text: str, place: str, *, fix: str, severity: Severity = Severity.ERROR) -> Finding:
    return Finding(f"{tool}.{code}", severity, text.strip()[:_LONGEST], place=place, fix=fix)
