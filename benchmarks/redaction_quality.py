"""How much the scanner finds, and how much it finds that isn't there: on the development set, both halves, per kind.

Half A holds the vendors and notations that the rules were written with in view, half B others, held out
(``tests/redact/corpus*.py``). A secret counts as found when every one of its characters is covered. The blind set that
decides is not ours; these figures say how the rules do on forms that they know and on forms that they don't.
"""

from __future__ import annotations

import sysconfig
import textwrap
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from tests.redact import corpus_benign, corpus_held, corpus_written
from tests.redact.corpus import Case

from benchmarks import harness
from remit.redact import pack
from remit.redact.redactor import Redactor
from remit.redact.span import Span

#: Kinds of tier 2 that need a telling name: with tier 1 they make what the first goal counts.
ASSIGNED = "assignment"
_KEY = b"figures only: 16 bytes or more"


def covered(case: Case, spans: Iterable[Span]) -> bool:
    """Whether every character of the secret lies in some span."""
    start = case.text.rindex(case.secret)
    left = set(range(start, start + len(case.secret)))
    for span in spans:
        left -= set(range(span.start, span.end))
    return not left


def recall(cases: list[Case], redactor: Redactor) -> dict[str, dict[str, float]]:
    """Per kind, and for all as ``*``: the share covered by tier 1, by tier 1 with assignments, and by both tiers."""
    hits: dict[str, list[tuple[bool, bool, bool]]] = defaultdict(list)
    for case in cases:
        sure = redactor.scan(case.text)
        both = redactor.scan(case.text, tier=2)
        named = [span for span in both if span.tier == 1 or span.kind == ASSIGNED]
        found = covered(case, sure), covered(case, [*sure, *named]), covered(case, both)
        hits[case.kind].append(found)
        hits["*"].append(found)
    return {
        kind: {
            name: round(sum(each[at] for each in found) / len(found), 3)
            for at, name in enumerate(("tier 1", "tier 1 + assignment", "all"))
        }
        for kind, found in sorted(hits.items())
    }


def flagged(lines: list[tuple[str, str]], redactor: Redactor) -> dict[str, dict[str, float]]:
    """Per look, and for all as ``*``: the share of benign texts in which tier 1, and both tiers, find anything."""
    hits: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for looks, text in lines:
        found = bool(redactor.scan(text)), bool(redactor.scan(text, tier=2))
        hits[looks].append(found)
        hits["*"].append(found)
    return {
        looks: {
            name: round(sum(each[at] for each in found) / len(found), 3) for at, name in enumerate(("tier 1", "all"))
        }
        for looks, found in sorted(hits.items())
    }


def clean_files(*, most: int) -> list[Path]:
    """Sources of Python's standard library and of what is installed: every n-th, so that they are ``most``."""
    places = [Path(sysconfig.get_path(name)) for name in ("stdlib", "purelib")]
    files = sorted({path for place in places for path in place.rglob("*.py") if path.is_file()})
    return files[:: max(1, len(files) // most)]


def noise(redactor: Redactor, *, most: int) -> dict[str, float]:
    """Findings a megabyte in clean code, by tier 1 and by tier 2 alone."""
    size = sure = both = 0
    for path in clean_files(most=most):
        data = path.read_bytes()
        size += len(data)
        sure += len(redactor.scan(data))
        both += len(redactor.scan(data, tier=2))
    return {
        "megabytes": round(size / 1e6, 1),
        "tier 1": round(sure / size * 1e6, 2),
        "tier 2": round((both - sure) / size * 1e6, 2),
    }


def figures(small: bool = False) -> dict[str, object]:  # noqa: FBT001, FBT002 - the shape of every benchmark
    """Recall and precision per kind for both halves, benign texts flagged, findings a megabyte of clean code."""
    redactor = Redactor(_KEY)
    times = 2 if small else 12
    told: dict[str, object] = {}
    for half, secrets in (("A", corpus_written), ("B", corpus_held)):
        services = recall(secrets.services(times=times), redactor)
        mixed = recall(secrets.mixed(times=times * 5), redactor)
        lines = flagged(corpus_benign.benign(half, times=times), redactor)
        told |= {
            f"half {half}: service tokens, recall of tier 1 + assignment": services["*"]["tier 1 + assignment"],
            f"half {half}: service tokens, recall of tier 1": services["*"]["tier 1"],
            f"half {half}: mixed code and configuration, recall of all tiers": mixed["*"]["all"],
            f"half {half}: benign flagged by tier 1": lines["*"]["tier 1"],
            f"half {half}: benign flagged by all tiers": lines["*"]["all"],
            f"half {half}: services by kind": services,
            f"half {half}: mixed by kind": mixed,
            f"half {half}: benign by look": lines,
        }
    clean = noise(redactor, most=60 if small else 1500)
    told |= {f"clean code, findings/MB of {tier}": clean[tier] for tier in ("tier 1", "tier 2")}
    told["clean code, MB"] = clean["megabytes"]
    return harness.report("redaction_quality", told, {})


def kinds_page() -> str:
    """docs/redact-kinds.md: every kind that a span may have, by tier, with how many rules find it."""
    rows: dict[int, dict[str, int]] = {1: {}, 2: {}}
    shipped = [rule for rule in pack.shipped() if not rule.personal]
    for rule in shipped:
        rows[rule.tier][rule.kind] = rows[rule.tier].get(rule.kind, 0) + 1
    lines = [
        "# Kinds of secrets",
        "",
        f"What [the scanner](redact.md) looks for beside registered values: {len(shipped)} rules. Written by",
        "`python -m benchmarks.redaction_quality --kinds`; a number says how many rules find a kind.",
        "",
    ]
    for tier, title, told in (
        (1, "Certain (tier 1)", "Masked wherever text is read; refused in what is executed."),
        (2, "Likely (tier 2)", "Masked in logs, errors, traces and reports; shown, not refused, elsewhere."),
    ):
        names = [f"`{kind}`" + (f" ({count})" if count > 1 else "") for kind, count in sorted(rows[tier].items())]
        lines += [f"## {title}", "", f"{told} {len(names)} kinds.", "", *_wrapped(names), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _wrapped(names: list[str]) -> list[str]:
    return textwrap.wrap(", ".join(names) + ".", 118, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    import json
    import sys

    if "--kinds" in sys.argv:
        sys.stdout.write(kinds_page())
        raise SystemExit
    print(json.dumps(figures(small="--small" in sys.argv), indent=1))
