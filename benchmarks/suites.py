"""Trials that are tests: run in full (``REMIT_PROVE=1``), counted from pytest's own report."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree as ET

from benchmarks.harness import ROOT, report

TAMPERING = "tests/audit/test_tamper.py"
INTAKES = "tests/packs/build/plan/test_broken_intakes.py"
RATES = "tests/guard/test_rate_race.py"
KEYS = "tests/guard/test_key_race.py"
APPROVALS = "tests/guard/test_approval_processes.py"
BREAKER = "tests/guard/test_breaker.py"
HOSTILE = "tests/guard/test_rules_language.py"
REFUSALS = "tests/guard/test_refusals.py"
SSRF = "tests/fetch/test_ssrf.py"
RETENTION = "tests/audit/test_retention.py"
REGISTERED = "tests/redact/test_registered.py"
STREAMS = "tests/redact/test_stream.py"
ENDINGS = "tests/gateway/test_endings.py"
GATEWAY_SECRETS = "tests/gateway/test_secrets.py"
WIRE = "tests/models/wire"
API_FUZZ = "tests/api/test_fuzz.py"
API_CRASHES = "tests/api/test_crash.py"
API_ACCESS = "tests/api/test_access.py"
LIVE = "tests/api/test_live.py"
PAGES = "tests/missions/test_listing.py"


#: Of so many failures the proof keeps what they said, and so much of each.
MOST_FAILURES, MOST_SAID = 20, 2000


def run(name: str, path: str, *, choose: str = "", timeout_s: float = 3600, workers: int = 0) -> dict[str, object]:
    """How many tests of ``path`` passed, failed and were skipped, and which failed and what they said.

    What tests count themselves (``record_property``) is added up. ``workers``: so many processes share the tests, each
    the next that nobody has, whatever file it is in.

    Raises:
        RuntimeError: Nothing was tested, or pytest ended otherwise than by what its tests came to.
    """
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "report.xml"
        argv = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            path,
            f"--junitxml={answer}",
            "-p",
            "no:cacheprovider",
            "--timeout=1800",
        ]
        done = subprocess.run(
            [
                *argv,
                *(["-k", choose] if choose else []),
                *(["-n", str(workers), "--dist=worksteal"] if workers else []),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
            env={**os.environ, "REMIT_PROVE": "1", "PYTHONPATH": str(ROOT / "src")},
        )
        if not answer.is_file():
            raise RuntimeError(f"pytest {path} said nothing:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
        cases = list(ET.parse(answer).getroot().iter("testcase"))  # noqa: S314 - pytest wrote it a moment ago
    failures = [told for case in cases if (told := _found(case, "failure", "error")) is not None]
    skipped = [case for case in cases if _found(case, "skipped") is not None]
    passed = len(cases) - len(failures) - len(skipped)
    if done.returncode != bool(failures) or not (failures or passed):
        raise RuntimeError(f"pytest {path} ended with {done.returncode}:\n{done.stdout[-1500:]}\n{done.stderr[-1500:]}")
    counted: Counter[str] = Counter()
    for each in (found for case in cases for found in case.iter("property")):
        if (value := each.get("value", "")).isdecimal():
            counted[str(each.get("name"))] += int(value)
    figures = {
        **counted,
        "passed": passed,
        "failed": len(failures),
        "skipped": len(skipped),
        "failures": [{"test": _label(case), "said": _said(told)} for case, told in failures[:MOST_FAILURES]],
    }
    return report(name, figures, {})


def _found(case: ET.Element, *kinds: str) -> tuple[ET.Element, ET.Element] | None:
    return next(((case, each) for each in case if each.tag in kinds), None)


def _label(case: ET.Element) -> str:
    return f"{case.get('classname')}::{case.get('name')}"


def _said(told: ET.Element) -> str:
    """The message and where it was raised; of a long one, how it begins and ends."""
    lines = (told.text or "").strip().splitlines()
    raised = [line[1:].strip() for line in lines if line.startswith("E ")]  # pytest cuts the message of its own accord
    text = "\n".join([*(raised or [str(told.get("message", ""))]), *lines[-1:]]).replace(f"{ROOT}{os.sep}", "")
    half = MOST_SAID // 2
    return text if len(text) <= MOST_SAID else f"{text[:half]}\n[...]\n{text[-half:]}"


def tampering() -> dict[str, object]:
    """Every kind of tampering, 200 trials each."""
    return run("tamper", TAMPERING)


def intakes() -> dict[str, object]:
    """Every broken intake: its place, its error, its exit code."""
    return run("intakes", INTAKES, choose="refused_at_its_place")


def rate_race() -> dict[str, object]:
    """1,000 random races of 200 callers in several processes for a limit of k, half on each database."""
    return run("rate_race", RATES)


def gateway_races() -> dict[str, object]:
    """600 races of 150 callers in three processes for what one key has left, half of them with callers that leave."""
    return run("gateway_races", KEYS, timeout_s=3 * 3600)


def gateway_endings() -> dict[str, object]:
    """Providers that stall, cut, drip and refuse, at every byte; 1,000 clients that go away; each call settled once."""
    return run("gateway_endings", ENDINGS, timeout_s=3 * 3600)


def gateway_secrets() -> dict[str, object]:
    """Secrets and card numbers cut at every place, in both directions, over sockets."""
    return run("gateway_secrets", GATEWAY_SECRETS, timeout_s=3 * 3600)


def wire() -> dict[str, object]:
    """Streams byte for byte, cut anywhere; secrets in any pieces; the two interfaces turned into each other."""
    return run("wire", WIRE, timeout_s=3 * 3600)


def approval_race() -> dict[str, object]:
    """1,000 crowds in several processes, each for one approval, half on each database; some processes are killed."""
    return run("approval_race", APPROVALS)


def breaker() -> dict[str, object]:
    """The state machines of the breaker in full, a thousand calls at half-open, three libraries beside it."""
    return run("breaker", BREAKER)


def hostile_rules() -> dict[str, object]:
    """Every hostile rule: refused when it is saved, or stopped."""
    return run("hostile_rules", HOSTILE)


def refusals() -> dict[str, object]:
    """Every way in which the guard refuses, provoked once."""
    return run("refusals", REFUSALS)


def retention() -> dict[str, object]:
    """1,000,000 entries, nine tenths of their payloads pruned, every remaining proof; erasure in every file."""
    return run("retention", RETENTION)


def ssrf() -> dict[str, object]:
    """Every way round the fetcher: connections recorded, none to a forbidden address; legitimate hosts, all read."""
    bypasses = run("ssrf", SSRF, choose="not legitimate")
    hosts = run("ssrf", SSRF, choose="legitimate")
    told, read = bypasses["figures"], hosts["figures"]
    assert isinstance(told, dict)
    assert isinstance(read, dict)
    figures = {**told, "legitimate_read": read["passed"], "legitimate_refused": read["failed"]}
    return report("ssrf", figures, {})


def registered() -> dict[str, object]:
    """10,000 values over all encodings and places; whole words, rotation, a thousand values, threads."""
    return run("registered", REGISTERED)


def streams() -> dict[str, object]:
    """10,000 texts cut anywhere, every encoding and token cut at every place: as the whole text each time."""
    return run("streams", STREAMS, timeout_s=3 * 3600)


def api_fuzz() -> dict[str, object]:
    """Schemathesis over every endpoint, 150 examples that fit and 150 that do not, as the owner."""
    return run("api_fuzz", API_FUZZ, timeout_s=4 * 3600, workers=2)


def api_crashes() -> dict[str, object]:
    """A kill -9 at every write that each write endpoint reaches, and the same order sent again after it."""
    return run("api_crashes", API_CRASHES, timeout_s=4 * 3600, workers=2)


def api_access() -> dict[str, object]:
    """Every endpoint as every role, an agent, somebody of another team, nobody, and a key without its scope."""
    return run("api_access", API_ACCESS)


def live() -> dict[str, object]:
    """Live streams: 1,000 clients, reconnecting at any point, slow readers, the server killed in between."""
    return run("live", LIVE)


def pages() -> dict[str, object]:
    """Lists of 100,000 missions: statements a page, and p95 over every filter."""
    return run("pages", PAGES)
