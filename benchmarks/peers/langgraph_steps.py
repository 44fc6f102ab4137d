"""LangGraph's checkpointers at ``durability="sync"``: steps a second, for the benchmark ``steps``.

Runs in the environment that ``benchmarks/peers/setup langgraph`` makes, never in Remit's. Prints one JSON line:

    {"peer": "langgraph", "versions": {...}, "figures": {"sqlite": {"sequence": 1067.1, "at_once": 788.0}, ...}}

``sequence`` is one thread through a chain of 200 nodes, ``at_once`` 100 threads through 10 nodes; a node adds one to a
number. Each figure is the median of the runs, in steps a second, without start-up, schema or compiling. A run whose
number or whose count of checkpoints is wrong is an error: a peer that skips its work is not measured.

``sequence`` uses the blocking savers and ``at_once`` the asynchronous ones, as LangGraph's documentation has them.
"""

# ruff: noqa: ANN401 - LangGraph is not installed where this is checked

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypedDict
from uuid import uuid4

os.environ["LANGSMITH_TRACING"] = "false"
os.environ["LANGCHAIN_TRACING_V2"] = "false"

from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.postgres.aio import AsyncPostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import AsyncConnectionPool

SEQUENCE = 200
THREADS, EACH = 100, 10
#: One checkpoint before the first node, one after each, and the input's.
EXTRA_CHECKPOINTS = 1


class State(TypedDict):
    """What the nodes hand on."""

    number: int


def add(state: State) -> State:
    """The trivial body."""
    return {"number": state["number"] + 1}


def chain(nodes: int) -> Any:
    """A graph of ``nodes`` nodes, one after the other."""
    graph = StateGraph(State)
    names = [f"n{index}" for index in range(nodes)]
    for name in names:
        graph.add_node(name, add)
    for before, after in zip([START, *names], [*names, END], strict=True):
        graph.add_edge(before, after)
    return graph


def config(thread: str) -> dict[str, Any]:
    """One thread's, with room for a long chain."""
    return {"configurable": {"thread_id": thread}, "recursion_limit": SEQUENCE * 2}


def check(number: int, nodes: int, checkpoints: int) -> None:
    """Refuse a run that did not do its work.

    Raises:
        SystemExit: The number or the count of checkpoints is wrong.
    """
    if number != nodes or checkpoints < nodes + EXTRA_CHECKPOINTS:
        sys.exit(f"langgraph: {nodes} nodes gave {number} and {checkpoints} checkpoints")


def sequence(saver: Any) -> float:
    """Seconds for one thread through the chain."""
    compiled, own = chain(SEQUENCE).compile(checkpointer=saver), config(uuid4().hex)
    begun = time.perf_counter()
    result = compiled.invoke({"number": 0}, own, durability="sync")
    seconds = time.perf_counter() - begun
    check(result["number"], SEQUENCE, len(list(saver.list(own))))
    return seconds


async def at_once(saver: Any) -> float:
    """Seconds for all threads together."""
    compiled = chain(EACH).compile(checkpointer=saver)
    threads = [config(uuid4().hex) for _ in range(THREADS)]
    begun = time.perf_counter()
    results = await asyncio.gather(*(compiled.ainvoke({"number": 0}, own, durability="sync") for own in threads))
    seconds = time.perf_counter() - begun
    for own, result in zip(threads, results, strict=True):
        check(result["number"], EACH, len([row async for row in saver.alist(own)]))
    return seconds


def sqlite_sequence(folder: Path) -> float:
    """On a new file."""
    with SqliteSaver.from_conn_string(str(folder / f"{uuid4().hex}.db")) as saver:
        saver.setup()
        return sequence(saver)


async def sqlite_at_once(folder: Path) -> float:
    """On a new file."""
    async with AsyncSqliteSaver.from_conn_string(str(folder / f"{uuid4().hex}.db")) as saver:
        await saver.setup()
        return await at_once(saver)


def postgres_sequence(url: str) -> float:
    """On one connection."""
    with PostgresSaver.from_conn_string(url) as saver:
        saver.setup()
        return sequence(saver)


async def postgres_at_once(url: str) -> float:
    """On a pool of ten connections."""
    keywords = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
    async with AsyncConnectionPool(url, min_size=10, max_size=10, kwargs=keywords, open=False) as pool:
        saver = AsyncPostgresSaver(pool)  # pyright: ignore[reportArgumentType]
        await saver.setup()
        return await at_once(saver)


def median_rate(measure: Callable[[], float], steps: int, runs: int) -> float:
    """Steps a second, median of ``runs``."""
    return round(steps / statistics.median(measure() for _ in range(runs)), 1)


def main() -> None:
    """Measure what was asked for and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where the SQLite files go (default: a temporary folder)")
    parser.add_argument("--postgres", metavar="URL", help="an empty database; without it SQLite alone is measured")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only-sequence", action="store_true", help="leave `at_once` out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        sequences: dict[str, Callable[[], float]] = {"sqlite": lambda: sqlite_sequence(folder)}
        at_onces: dict[str, Callable[[], float]] = {"sqlite": lambda: asyncio.run(sqlite_at_once(folder))}
        if options.postgres:
            sequences["postgres"] = lambda: postgres_sequence(options.postgres)
            at_onces["postgres"] = lambda: asyncio.run(postgres_at_once(options.postgres))
        figures: dict[str, dict[str, float]] = {}
        for database, measure in sequences.items():
            figures[database] = {"sequence": median_rate(measure, SEQUENCE, options.runs)}
            if not options.only_sequence:
                figures[database]["at_once"] = median_rate(at_onces[database], THREADS * EACH, options.runs)
    names = ("langgraph", "langgraph-checkpoint-sqlite", "langgraph-checkpoint-postgres")
    versions = {package: version(package) for package in names}
    print(json.dumps({"peer": "langgraph", "versions": versions, "figures": figures}))


if __name__ == "__main__":
    main()
