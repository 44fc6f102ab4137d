"""Personal data: recall and look-alikes of the development set, and speed against Presidio's pattern recognisers.

Both get the same texts in the same run; Presidio (in ``.venv-peers/redaction``) is asked for the kinds that Remit looks
for as well, without a language model, which its other recognisers would need. Texts are messages of 4 KB: clean ones,
and dense ones with a piece of personal data every 500 characters or so. Times are CPU seconds of one thread.
"""

from __future__ import annotations

import json
import random
import statistics
import string
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.harness import ROOT, report, wait_for_quiet
from benchmarks.personal_set import Case, benign, positives
from remit.redact.personal import find
from remit.redact.redactor import Redactor

MESSAGE = 4096
HALVES = ("tuned", "held")
PEER = ROOT / ".venv-peers" / "redaction" / "bin" / "python"
SCRIPT = Path(__file__).with_name("peers") / "presidio_personal.py"

type Spans = Sequence[tuple[str, int, int]]


def clean(messages: int) -> list[str]:
    """Documentation and code of this repository, cut into messages."""
    paths = sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "src" / "remit" / "guard").glob("*.py")])
    text = "".join(path.read_text("utf-8") for path in paths)
    return [text[at : at + MESSAGE] for at in range(0, len(text) - MESSAGE, MESSAGE)][:messages]


def dense(messages: int, *, seed: int = 0) -> list[str]:
    """The same with personal data in between; other data with another ``seed``, so that no cache knows it."""
    rand = random.Random(7)
    cases = [case.text for half in HALVES for case in positives(half, each=40, seed=seed)]
    found: list[str] = []
    for text in clean(messages):
        parts = [text[at : at + 450] + "\n" + rand.choice(cases) + "\n" for at in range(0, MESSAGE, 512)]
        found.append("".join(parts)[:MESSAGE])
    return found


def ours(texts: Sequence[str]) -> list[Spans]:
    return [[(each.kind, each.start, each.end) for each in find(text)] for text in texts]


def covered(case: Case, spans: Spans) -> bool:
    """Whether every character of the value lies in some span."""
    start = case.text.index(case.value)
    taken = {at for _, begin, end in spans for at in range(begin, end)}
    return taken >= set(range(start, start + len(case.value)))


def recall(cases: Sequence[Case], found: Sequence[Spans]) -> dict[str, float]:
    """The part of each kind that is covered whole, and of all (``core``)."""
    hits: dict[str, list[bool]] = {}
    for case, spans in zip(cases, found, strict=True):
        hits.setdefault(case.kind, []).append(covered(case, spans))
    rates = {kind: round(sum(each) / len(each), 4) for kind, each in hits.items()}
    return {**rates, "core": round(sum(map(sum, hits.values())) / len(cases), 4)}


def flagged(cases: Sequence[Case], found: Sequence[Spans]) -> dict[str, float]:
    """The part of the lines that look like a kind and were flagged as it, or as anything (``any``)."""
    lines: dict[str, list[bool]] = {}
    for case, spans in zip(cases, found, strict=True):
        lines.setdefault(case.kind, []).append(any(kind == case.kind for kind, _, _ in spans))
    rates = {kind: round(sum(each) / len(each), 4) for kind, each in lines.items()}
    return {**rates, "any": round(sum(bool(spans) for spans in found) / len(cases), 4)}


def runs_flagged(*, trials: int) -> int:
    """How many bare runs of 12 to 19 random digits, behind a label that says what they are, count as cards."""
    rand = random.Random(99)
    labels = (
        "order ",
        "invoice no. ",
        "tracking number: ",
        "timestamp=",
        '"order_id": "',
        "ISBN ",
        "serial ",
        "trace ",
    )
    count = 0
    for _ in range(trials):
        run = "".join(rand.choice(string.digits) for _ in range(rand.randint(12, 19)))
        count += any(each.kind == "card" for each in find(f"{rand.choice(labels)}{run} "))
    return count


def timed_scan(scan: Callable[[str], object], texts: Sequence[str]) -> float:
    """CPU seconds for all texts: what else the machine does counts for neither side."""
    began = time.process_time()
    for text in texts:
        scan(text)
    return time.process_time() - began


def ask_peer(
    timed: Mapping[str, Sequence[str]], texts: Mapping[str, Sequence[str]], *, runs: int
) -> dict[str, Any] | None:
    """What Presidio found and how long it took; ``None`` without its environment."""
    if not PEER.exists():
        return None
    asked = json.dumps({"timed": timed, "texts": texts, "runs": runs})
    done = subprocess.run([str(PEER), str(SCRIPT)], input=asked, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def figures(*, small: bool = False) -> dict[str, object]:
    """Recall, look-alikes and speed, ours and the peer's."""
    each, rounds, messages, runs = (20, 5, 12, 1) if small else (300, 100, 100, 3)
    found: dict[str, object] = {}
    texts: dict[str, list[str]] = {}
    cases: dict[str, tuple[list[Case], list[Case]]] = {}
    for half in HALVES:
        cases[half] = list(positives(half, each=each)), list(benign(half, rounds=rounds))
        texts |= {
            f"{half}_positive": [c.text for c in cases[half][0]],
            f"{half}_benign": [c.text for c in cases[half][1]],
        }
    timed = {"clean": clean(messages), "dense": dense(messages)}
    wait_for_quiet()
    peer = ask_peer(timed, texts, runs=runs)
    answers: list[tuple[str, dict[str, list[Spans]]]] = [("", {name: ours(each) for name, each in texts.items()})]
    if peer is not None:
        answers.append(("presidio_", peer["found"]))
    for who, spans in answers:
        for half in HALVES:
            positive, harmless = cases[half]
            found |= {f"{who}{half}_recall_{k}": v for k, v in recall(positive, spans[f"{half}_positive"]).items()}
            found |= {f"{who}{half}_flagged_{k}": v for k, v in flagged(harmless, spans[f"{half}_benign"]).items()}
    found["card_runs_flagged"] = runs_flagged(trials=2_000 if small else 50_000)
    ratios: dict[str, object] = {}
    redactor = Redactor(b"benchmark: 16 bytes or more")
    redactor.warm(personal=True)
    ours(dense(5, seed=-1))  # both sides have loaded what they need
    for name in timed:
        rounds_of = [
            clean(messages) if name == "clean" else dense(messages, seed=run) for run in range(1, 2 * runs + 1)
        ]
        count = len(rounds_of[0])
        alone = statistics.median(timed_scan(find, texts_of) for texts_of in rounds_of[:runs])
        both = statistics.median(
            timed_scan(lambda text: redactor.scan(text, personal=True), texts_of) for texts_of in rounds_of[runs:]
        )
        found[f"{name}_us"] = round(alone / count * 1e6, 1)
        found[f"{name}_with_secrets_us"] = round(both / count * 1e6, 1)
        if peer is not None:
            seconds = float(peer["seconds"][name])
            found[f"{name}_presidio_us"] = round(seconds / count * 1e6, 1)
            ratios[f"{name}/presidio"] = round(seconds / alone, 1)
            ratios[f"{name}_with_secrets/presidio"] = round(seconds / both, 1)
    return report("redaction_personal", found, ratios)


if __name__ == "__main__":
    print(json.dumps(figures(small=True), indent=2))
