"""A scan's findings as SARIF 2.1.0 (OASIS, 2020), which code hosts show beside the code."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from urllib.parse import quote

from remit.redact.leaks import Leak

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVEL = {1: "error", 2: "warning"}


def sarif(found: Sequence[Leak], *, version: str) -> dict[str, object]:
    """One run with a rule for each kind; no value stands in it. Tier 1 is an error, tier 2 a warning."""
    kinds = sorted({leak.kind for leak in found})
    driver = {"name": "remit scan", "version": version, "rules": [_rule(kind) for kind in kinds]}
    seen: Counter[tuple[str, str]] = Counter()
    results: list[dict[str, object]] = []
    for leak in found:
        # Path, kind and number: an unkeyed hash of the value would let a weak one be guessed.
        number = seen[leak.path, leak.kind]
        seen[leak.path, leak.kind] += 1
        results.append(_result(leak, kinds.index(leak.kind), f"{leak.path}:{leak.kind}:{number}"))
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rule(kind: str) -> dict[str, object]:
    return {
        "id": kind,
        "shortDescription": {"text": f"A secret ({kind}) stands in a file."},
        "help": {"text": "Take it out, refer to it as secret://NAME, and rotate it: whoever read the file has it."},
    }


def _result(leak: Leak, rule: int, identity: str) -> dict[str, object]:
    place: dict[str, object] = {"artifactLocation": {"uri": quote(leak.path), "uriBaseId": "%SRCROOT%"}}
    if leak.line:
        place["region"] = {
            "startLine": leak.line,
            "startColumn": leak.column,
            "endLine": leak.end_line,
            "endColumn": leak.end_column,
        }
    return {
        "ruleId": leak.kind,
        "ruleIndex": rule,
        "level": _LEVEL.get(leak.tier, "warning"),
        "message": {"text": f"A secret ({leak.kind}) stands {'here' if leak.line else 'in the name of this file'}."},
        "locations": [{"physicalLocation": place}],
        "partialFingerprints": {"remitSecret/v1": identity},
    }
