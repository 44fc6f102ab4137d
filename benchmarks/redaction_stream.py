"""Streams: what masking in pieces costs beside masking whole texts, and that memory stays flat.

    python benchmarks/redaction_stream.py           # a gigabyte: some minutes
    python benchmarks/redaction_stream.py --small   # 8 MB

Text: prose, JSON and log lines as a model or a program writes them, one secret every 14 KB, drawn anew each time.
``flat`` feeds a gigabyte through one stream and reads the process's resident memory; ``ratios`` compare the time of
``StreamRedactor.feed`` over pieces of a size with ``Redactor.mask`` over texts of 4 KB, in one run. ``lag`` is how many
characters a reader is behind on prose that comes in pieces of four characters, as tokens do.
"""

from __future__ import annotations

import random
import statistics
import string
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
for place in (ROOT, ROOT / "src"):  # run as a script from the tree
    if str(place) not in sys.path:
        sys.path.insert(0, str(place))

from benchmarks import harness  # noqa: E402 - after the path
from remit.redact.redactor import Redactor  # noqa: E402 - as above
from remit.redact.stream import StreamRedactor  # noqa: E402 - as above

GIGABYTE = 1_000_000_000
SMALL = 8_000_000
PIECE = 64 * 1024
SIZES = (4, 64, 1024, 4096, PIECE)
VALUES = 20  # registered

_ALNUM = string.ascii_letters + string.digits
_PROSE = (
    "The committee met on Tuesday and agreed, after some discussion, that the report would be sent before the end of "
    "the month. Nobody objected; two members asked for the figures of last year, which were read out.\n"
)
_DATA = '{"id": 48213, "name": "north", "tags": ["a", "b"], "path": "/srv/data/north.csv", "ratio": 0.8125},\n'
_LINE = "2026-01-07 11:02:33 INFO worker.pool: finished 128 of 512 rows in 0.42 s, next at offset 65536\n"
_BLOCK = (_PROSE * 4 + _DATA * 6 + _LINE * 6) * 5


def text(rng: random.Random, size: int) -> Iterator[str]:
    """About ``size`` characters in blocks of some 14 KB, a token in each."""
    done = 0
    while done < size:
        token = "gh" + "p_" + "".join(rng.choices(_ALNUM, k=36))
        block = f"{_BLOCK}export GITHUB_TOKEN={token}\n{_BLOCK}"
        done += len(block)
        yield block


def resident() -> int:
    """Bytes of memory this process occupies now (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def flat(redactor: Redactor, size: int) -> dict[str, float]:
    """One stream of ``size`` characters: how much memory grew after its first hundredth, and what it took."""
    stream = StreamRedactor(redactor)
    rng = random.Random(1)
    fed = masked = blocks = 0
    first = most = 0
    began = time.perf_counter()
    for block in text(rng, size):
        for at in range(0, len(block), PIECE):
            out = stream.feed(block[at : at + PIECE])
            masked += out.count("[REDACTED:")
        fed += len(block)
        blocks += 1
        if not first and fed > size // 100:
            first = resident()
        elif first:
            most = max(most, resident())
    masked += stream.finish().count("[REDACTED:")
    seconds = time.perf_counter() - began
    return {
        "streamed_mb": round(fed / 1e6, 1),
        "tokens": blocks,
        "tokens_missed": blocks - masked,
        "rss_growth_mb": round(max(0, most - first) / 1e6, 2),
        "streamed_mb_s": round(fed / 1e6 / seconds, 2),
    }


def speed(redactor: Redactor, size: int) -> tuple[dict[str, float], dict[str, float]]:
    """Seconds for each megabyte in pieces of each size, and how that compares with whole texts of 4 KB."""
    sample = "".join(text(random.Random(2), size))[:size]
    whole = [sample[at : at + 4096] for at in range(0, len(sample), 4096)]
    base = harness.median_seconds(lambda: [redactor.mask(each) for each in whole])
    figures = {"whole_4096_mb_s": round(len(sample) / 1e6 / base, 2)}
    ratios: dict[str, float] = {}
    for piece in SIZES:
        part = sample[: max(piece * 200, min(len(sample), piece * 4000))]

        def run(part: str = part, piece: int = piece) -> None:
            stream = StreamRedactor(redactor)
            for at in range(0, len(part), piece):
                stream.feed(part[at : at + piece])
            stream.finish()

        seconds = harness.median_seconds(run)
        figures[f"stream_{piece}_mb_s"] = round(len(part) / 1e6 / seconds, 3)
        figures[f"stream_{piece}_us_a_piece"] = round(seconds / (len(part) / piece) * 1e6, 1)
        ratios[f"stream_{piece}/whole_4096"] = round((len(part) / seconds) / (len(sample) / base), 3)
    return figures, ratios


def lag(redactor: Redactor) -> dict[str, float]:
    """How many characters a reader is behind while prose comes in."""
    stream = StreamRedactor(redactor)
    prose = _PROSE * 20
    behind: list[int] = []
    shown = 0
    for at in range(0, len(prose), 4):
        shown += len(stream.feed(prose[at : at + 4]))
        behind.append(min(at + 4, len(prose)) - shown)
    return {"lag_mean_chars": round(statistics.mean(behind), 1), "lag_most_chars": max(behind)}


def figures(*, small: bool = False) -> Mapping[str, object]:
    """Everything; ``small`` streams 8 MB instead of a gigabyte."""
    redactor = Redactor(b"benchmarks: 16 bytes or more")
    rng = random.Random(3)
    for _ in range(VALUES):
        redactor.register("".join(rng.choices(_ALNUM, k=24)))
    engine = redactor.warm()
    deadline = time.monotonic() + 30
    redactor.mask("x" * 1_000)
    while len(redactor.registered.current().side.owners) > 100 and time.monotonic() < deadline:
        redactor.mask(_BLOCK * 100)
        time.sleep(0.05)
    found = lag(redactor)
    fast, ratios = speed(redactor, 400_000 if small else 4_000_000)
    found |= fast
    found |= flat(redactor, SMALL if small else GIGABYTE)
    report = harness.report("redaction_stream", found, ratios)
    return {**report, "engine": engine}


if __name__ == "__main__":
    import json

    print(json.dumps(figures(small="--small" in sys.argv[1:]), indent=2))
