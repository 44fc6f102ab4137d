"""How fast the scanner is, beside detect-secrets on the same messages in the same run; what hostile text costs.

Clean text is what lies everywhere Python does: the standard library's code, the installed packages' metadata and lists
of hashes, and JSON. Dense text is the same with one secret, drawn at run time, every 14 KB. Messages have 4 KB. Speeds
are megabytes a second of processor time, so that a busy machine changes ratios little; p99 is elapsed time.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import random
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Callable, Sequence, Sized
from pathlib import Path

from tests.redact.redact_tokens import ALNUM, MAKERS, draw
from tests.redact.samples import hostile

from benchmarks.harness import ROOT, report, wait_for_quiet
from remit.redact.engine_hyperscan import HyperscanEngine
from remit.redact.engine_keywords import KeywordEngine
from remit.redact.pack import chosen
from remit.redact.redactor import Redactor

MESSAGE = 4_096
APART = 14_000  # characters between two secrets of dense text
LARGE = 65_536
KEY = b"benchmarks only: 16 bytes"

type Find = Callable[[bytes], object]


def clean_text(size: int) -> str:
    """Code, metadata, hashes and JSON, in turns of some kilobytes."""
    code = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    texts = [path.read_text("utf-8", "replace") for path in code]
    for distribution in sorted(importlib.metadata.distributions(), key=lambda each: each.name):
        texts += [distribution.read_text(name) or "" for name in ("METADATA", "RECORD")]
    variables = {key: value for key, value in sysconfig.get_config_vars().items() if isinstance(value, str | int)}
    texts.append(json.dumps(variables, indent=1))
    random.Random(4).shuffle(texts)
    pieces = [text[:30_000] for text in texts]
    return "".join(pieces)[:size]


def dense_text(clean: str) -> str:
    """``clean`` with a secret on a line of its own every ``APART`` characters."""
    rng = random.Random(5)
    makers = [maker for kind in sorted(MAKERS) for maker in MAKERS[kind]]
    pieces = (clean[at : at + APART] for at in range(0, len(clean), APART))
    return "".join(f"{piece}\n{rng.choice(makers)(rng)[1]}\n" for piece in pieces)


def messages(text: str) -> list[str]:
    return [text[at : at + MESSAGE] for at in range(0, len(text) - MESSAGE, MESSAGE)]


def peer(texts: Sequence[str]) -> float:
    """Megabytes a second of detect-secrets; 0 where ``make bench-peers`` did not install it."""
    python = ROOT / ".venv-peers" / "redaction" / "bin" / "python"
    if not python.exists():
        return 0.0
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        file.write("\n".join(json.dumps(text) for text in texts))
        file.flush()
        script = ROOT / "benchmarks" / "peers" / "detect_secrets_scan.py"
        done = subprocess.run([python, script, file.name], capture_output=True, text=True, check=True, timeout=900)
    answer: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return sum(len(text.encode()) for text in texts) / answer["seconds"] / 1e6


def speed(scan: Callable[[str], object], texts: Sequence[str], *, runs: int = 3) -> float:
    """Megabytes a second of processor time, median."""
    size = sum(len(text.encode()) for text in texts)
    for text in texts[:50]:
        scan(text)
    taken: list[float] = []
    for _ in range(runs):
        began = time.thread_time()
        for text in texts:
            scan(text)
        taken.append(time.thread_time() - began)
    return size / statistics.median(taken) / 1e6


def p99_ms(scan: Callable[[str], object], texts: Sequence[str]) -> float:
    """The elapsed milliseconds that 99 of 100 messages keep to."""
    taken: list[float] = []
    for text in texts:
        began = time.perf_counter()
        scan(text)
        taken.append((time.perf_counter() - began) * 1000)
    return sorted(taken)[int(len(taken) * 0.99)]


def worst_ms(find: Find, texts: Sequence[bytes]) -> float:
    """Processor milliseconds of the dearest text, the better of two tries each."""
    worst = 0.0
    for text in texts:
        find(text[:500])
        tries: list[float] = []
        for _ in range(2):
            began = time.thread_time()
            find(text)
            tries.append((time.thread_time() - began) * 1000)
        worst = max(worst, min(tries))
    return worst


def hostile_texts(*, rules: int) -> list[bytes]:
    """64 KB each of keywords, heads, tokens and cut tokens, over and over."""
    rng = random.Random(6)
    every = chosen(1)
    some = every if rules >= len(every) else rng.sample(every, rules)
    return list(dict.fromkeys(text for rule in some for text in hostile(rule, rng, LARGE)))


def split(texts: Sequence[bytes], find: Callable[[bytes], Sized]) -> tuple[list[bytes], list[bytes]]:
    """The texts that make the scanner look for nothing, and those that are full of what it looks for."""
    findings = {text: len(find(text)) for text in texts}
    few = LARGE // APART
    return [text for text in texts if findings[text] <= few], [text for text in texts if findings[text] > few]


COLD = """
import json, time
from pathlib import Path
def resident():
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS:")), 0.0)
began = time.perf_counter()
from remit.redact.redactor import Redactor
made = Redactor(bytes(16))
imported = time.perf_counter()
made.mask("one line with a key and a token")
first = time.perf_counter()
before = resident()
name = made.warm()
warm = time.perf_counter()
after = resident()
print(json.dumps({
    "import_ms": (imported - began) * 1000, "first_mask_ms": (first - imported) * 1000,
    "warm_s": warm - first, "warm_mb": after - before, "engine": name,
}))
"""


def cold() -> dict[str, float]:
    """A process that never scanned: what the first line costs, and what warming does."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", COLD], capture_output=True, text=True, check=True, env=environment)
    answer: dict[str, float] = json.loads(done.stdout)
    return {name: round(value, 2) if isinstance(value, float) else value for name, value in answer.items()}


def small_us(texts: Sequence[str]) -> float:
    """Microseconds of a scan of 500 bytes, a hundred values registered."""
    rng = random.Random(7)
    made = Redactor(KEY)
    for _ in range(100):
        made.register(draw(rng, ALNUM, 24))
    made.warm()
    short = [text[:500] for text in texts if made.clean(text[:500])]
    speed(made.scan, short)
    time.sleep(1)  # the automaton over the registered values is built in a thread, once it pays
    return 500 / speed(made.scan, short)


def figures(*, small: bool = False) -> dict[str, object]:
    wait_for_quiet(patience_s=0 if small else 120)
    clean = clean_text(400_000 if small else 4_000_000)
    texts = {"clean": messages(clean), "dense": messages(dense_text(clean))}
    share = 40 if small else 150  # what of it the peer reads: it needs a minute for 4 MB
    warm, fallback = Redactor(KEY), KeywordEngine(chosen(1))
    warm.warm()
    plain = KeywordEngine(chosen(1), libraries=False)
    measured: dict[str, object] = {"messages": len(texts["clean"])}
    ratios: dict[str, object] = {}
    for name, each in texts.items():
        beside = peer(each[:share])
        rates = {
            "hyperscan": speed(warm.scan, each),
            "fallback": speed(lambda text: fallback.find(text.encode()), each),
            "plain": speed(lambda text: plain.find(text.encode()), each[:share], runs=1),
        }
        measured |= {f"{name}_{engine}_mb_s": round(rate, 1) for engine, rate in rates.items()}
        if beside:
            measured[f"{name}_detect_secrets_mb_s"] = round(beside, 3)
            ratios |= {f"{name}_{engine}/detect_secrets": round(rate / beside, 1) for engine, rate in rates.items()}
    quick = HyperscanEngine(fallback).find
    attacks, full = split(hostile_texts(rules=20 if small else 1_000), quick)
    measured |= {
        "p99_4k_ms": round(p99_ms(warm.scan, texts["clean"]), 3),
        "scan_500_bytes_us": round(small_us(texts["clean"]), 1),
        "hostile_texts": len(attacks),
        "hostile_64k_ms": round(worst_ms(quick, attacks), 1),
        "hostile_64k_fallback_ms": round(worst_ms(fallback.find, attacks), 1),
        "full_of_secrets_64k_ms": round(worst_ms(quick, full), 1),
        **{f"cold_{name}": value for name, value in cold().items()},
    }
    return report("redaction", measured, ratios)


if __name__ == "__main__":
    print(json.dumps(figures(small="--small" in sys.argv), indent=1))
