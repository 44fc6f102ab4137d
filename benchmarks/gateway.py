"""The model gateway beside LiteLLM's proxy and Portkey's gateway: the same provider, the same callers, one core each.

A gateway is a process on core 0; provider and callers share the other. Remit's checks are all on: key, rules, rate,
budget, redaction both ways, audit by group commit at synchronous=FULL. A second row has redaction off, by the
workspace's audited policy. The peers check their key and pass the call on; neither writes anything durable. What a row
adds is its median less that of the provider asked directly, in the same rounds.

Peers come from ``make bench-peers``: LiteLLM with OpenTelemetry's SDK and compiled, without which it is slower by half;
Portkey with the version of its server library under which it streams.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.gateway_load import request
from benchmarks.harness import ROOT, report, wait_for_quiet

LOAD = Path(__file__).with_name("gateway_load.py")
PEERS = ROOT / ".venv-peers"
MODEL = "gpt-4o-mini"
KEY = "sk-bench-0000"  # what peers are shown; they were told to expect it
PATIENCE_S = 90.0
_LOADS = (("unary", 32, False), ("alone", 1, False), ("stream", 1, True), ("streams", 32, True))


@dataclass(frozen=True, slots=True)
class Size:
    """How long each measurement runs, and how often everybody has a turn."""

    seconds: float = 3.0
    rounds: int = 3


SMALL = Size(seconds=1.0, rounds=1)


@dataclass(slots=True)
class Running:
    """A gateway that answers: its process, where, with which key and headers, and how long it took to start."""

    name: str
    process: subprocess.Popen[bytes] | None
    url: str
    key: str = KEY
    model: str = MODEL
    headers: tuple[str, ...] = ()
    cold_s: float = 0.0
    idle_mb: float = 0.0
    found: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def note(self, name: str, value: float) -> None:
        """One more measurement."""
        self.found.setdefault(name, []).append(value)

    def median(self, name: str) -> float:
        """Over the rounds."""
        return statistics.median(self.found[name])


def figures(*, small: bool = False) -> dict[str, object]:
    """Requests a second, what a call costs and waits for, memory and start, of each gateway; ratios to both peers."""
    size = SMALL if small else Size()
    wait_for_quiet(patience_s=5.0 if small else 120.0)
    with tempfile.TemporaryDirectory() as folder, _provider() as provider:
        rows: list[Running] = [Running("direct", None, f"{provider}/v1")]
        with contextlib.ExitStack() as stack:
            starting = [_remit(Path(folder) / "on", provider), _remit(Path(folder) / "off", provider, redaction=False)]
            starting += [made for made in (_litellm(Path(folder), provider), _portkey(provider)) if made is not None]
            rows.extend(stack.enter_context(each) for each in starting)
            for _ in range(size.rounds):
                for row in rows:
                    _measure(row, size)
    return report("gateway", _figures(rows), _ratios(rows))


def _measure(row: Running, size: Size) -> None:
    _load(row, callers=8, seconds=min(size.seconds, 1.0))  # connections, caches, compiled code
    for name, callers, stream in _LOADS:
        before = _cpu_s(row)
        told = _load(row, callers=callers, seconds=size.seconds, stream=stream)
        spent = _cpu_s(row) - before
        row.note(f"{name}_per_s", told["requests"] / told["wall_s"])
        row.note(f"{name}_cpu_us", spent * 1e6 / max(told["requests"], 1))
        row.note(f"{name}_p50_ms", told["took"]["p50_ms"])
        row.note(f"{name}_p99_ms", told["took"]["p99_ms"])
        if stream:
            row.note(f"{name}_first_ms", told["first"]["p50_ms"])
    if row.process is not None:
        row.note("loaded_mb", _memory_mb(row.process.pid))


def _figures(rows: Sequence[Running]) -> dict[str, object]:
    direct = rows[0]
    told: dict[str, object] = {}
    for row in rows:
        of: dict[str, float] = {name: round(row.median(name), 3) for name in row.found}
        if row is not direct:
            of |= {name: round(value, 3) for name, value in _added(row, direct).items()}
            of |= {"cold_s": round(row.cold_s, 2), "idle_mb": round(row.idle_mb, 1)}
        told[row.name] = of
    return told


def _added(row: Running, direct: Running) -> dict[str, float]:
    return {
        "added_p50_ms": row.median("alone_p50_ms") - direct.median("alone_p50_ms"),
        "added_first_ms": row.median("stream_first_ms") - direct.median("stream_first_ms"),
    }


def _ratios(rows: Sequence[Running]) -> dict[str, object]:
    named = {row.name: row for row in rows}
    ratios: dict[str, object] = {}
    for mine in ("remit", "remit_plain"):
        for peer in ("litellm", "portkey"):
            if peer in named:
                ratios |= {f"{mine}_{name}_over_{peer}": value for name, value in _versus(named, mine, peer).items()}
    plain = named["remit_plain"].median("unary_cpu_us")
    ratios["redaction_cpu"] = round(named["remit"].median("unary_cpu_us") / plain, 3)
    return ratios


def _versus(named: Mapping[str, Running], mine: str, peer: str) -> dict[str, float]:
    ours, theirs, direct = named[mine], named[peer], named["direct"]
    added, theirs_added = _added(ours, direct), _added(theirs, direct)
    return {
        "rate": round(ours.median("unary_per_s") / theirs.median("unary_per_s"), 3),
        "added_p50": round(added["added_p50_ms"] / theirs_added["added_p50_ms"], 4),
        "added_first": round(added["added_first_ms"] / theirs_added["added_first_ms"], 4),
        "memory": round(ours.median("loaded_mb") / theirs.median("loaded_mb"), 3),
        "cold": round(ours.cold_s / theirs.cold_s, 3),
    }


def _load(row: Running, *, callers: int, seconds: float, stream: bool = False) -> dict[str, Any]:
    words = [sys.executable, str(LOAD), "callers", row.url, row.key, "--callers", str(callers)]
    words += ["--seconds", str(seconds), "--model", row.model, *(["--stream"] if stream else [])]
    words += [word for each in row.headers for word in ("--header", each)]
    done = subprocess.run(_pinned(words, 1), capture_output=True, check=False)
    if done.returncode:
        message = f"{row.name}: {done.stderr.decode()[-600:]}"
        raise RuntimeError(message)
    told: dict[str, Any] = json.loads(done.stdout)
    return told


# ----------------------------------------------------------------------------------------------------------- processes


def _pinned(words: Sequence[str], core: int) -> list[str]:
    """The command on one core, where there are two and the system can be asked for it."""
    taskset = shutil.which("taskset")
    return list(words) if taskset is None or (os.cpu_count() or 1) < 2 else [taskset, "-c", str(core), *words]


@contextlib.contextmanager
def _provider() -> Generator[str]:
    words = [sys.executable, str(LOAD), "provider", "0"]
    with subprocess.Popen(_pinned(words, 1), stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            yield f"http://127.0.0.1:{json.loads(process.stdout.readline())['port']}"
        finally:
            process.kill()


@contextlib.contextmanager
def _started(
    row: Running, words: Sequence[str], *, env: Mapping[str, str], cwd: Path | None = None
) -> Generator[Running]:
    """Start a gateway on core 0; it counts as started with the first good answer."""
    with tempfile.TemporaryFile() as log:
        began = time.perf_counter()
        process = subprocess.Popen(
            _pinned(words, 0),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )
        row.process = process
        try:
            _await_answer(row, process)
            row.cold_s = time.perf_counter() - began
            time.sleep(1.0)
            row.idle_mb = _memory_mb(process.pid)
            yield row
        except BaseException:
            log.seek(0)
            sys.stderr.write(log.read()[-1500:].decode("utf-8", "replace"))
            raise
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _await_answer(row: Running, process: subprocess.Popen[bytes]) -> None:
    headers = {"authorization": f"Bearer {row.key}", "content-type": "application/json"}
    for each in row.headers:
        name, _, value = each.partition(": ")
        headers[name] = value
    last = ""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            asked = Request(f"{row.url}/chat/completions", request(row.model, stream=False), headers)  # noqa: S310 - http
            with urlopen(asked, timeout=10):  # noqa: S310 - as above
                return
        except OSError as error:
            last = str(error)
        time.sleep(0.02)
    message = f"{row.name} did not answer: {last}"
    raise RuntimeError(message)


def _port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _remit(home: Path, provider: str, *, redaction: bool = True) -> contextlib.AbstractContextManager[Running]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("REMIT_")}
    environ |= {"PYTHONPATH": str(ROOT / "src")}

    def remit(*words: str) -> dict[str, Any]:
        argv = [sys.executable, "-m", "remit.cli", *words, "--home", str(home), "--json"]
        done = subprocess.run(argv, capture_output=True, env=environ, check=False)
        if done.returncode:
            message = f"remit {' '.join(words)}: {done.stderr.decode()[-800:]}"
            raise RuntimeError(message)
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    remit("init")
    remit("plan", "set", "enterprise")
    remit("agents", "register", "bench", "--kind", "client", "--effect", "model", "--model", "*")
    remit("providers", "add", "openai", "--base-url", f"{provider}/v1")
    remit("models", "add", "house", f"openai/{MODEL}")
    remit("budget", "set", "workspace", "1000000", "--period", "month")
    if not redaction:
        remit("keys", "policy", "--set", "redaction=off")
    token = remit("keys", "create", "bench", "--agent", "bench", "--budget", "100000")["token"]
    remit("keys", "limit", "bench", "--requests", "10000000", "--tokens", "50000000")
    port = _port()
    row = Running("remit" if redaction else "remit_plain", None, f"http://127.0.0.1:{port}/v1", str(token), "house")
    words = [sys.executable, "-m", "remit.cli", "gateway", "--port", str(port), "--home", str(home)]
    return _started(row, words, env=environ)


def _litellm(folder: Path, provider: str) -> contextlib.AbstractContextManager[Running] | None:
    program = PEERS / "litellm" / "bin" / "litellm"
    if not program.exists():
        return None
    settings = folder / "litellm.yaml"
    settings.write_text(
        "model_list:\n"
        f"  - model_name: {MODEL}\n"
        f"    litellm_params: {{model: openai/{MODEL}, api_base: {provider}/v1, api_key: sk-up}}\n"
        f"general_settings: {{master_key: {KEY}}}\n"
        "litellm_settings: {telemetry: false}\n"
    )
    port = _port()
    words = [str(program), "--config", str(settings), "--port", str(port), "--host", "127.0.0.1", "--num_workers", "1"]
    env = {**os.environ, "LITELLM_TELEMETRY": "False", "LITELLM_LOG": "ERROR", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    return _started(Running("litellm", None, f"http://127.0.0.1:{port}/v1"), words, env=env, cwd=folder)


def _portkey(provider: str) -> contextlib.AbstractContextManager[Running] | None:
    script = PEERS / "portkey" / "node_modules" / "@portkey-ai" / "gateway" / "build" / "start-server.js"
    node = shutil.which("node")
    if node is None or not script.exists():
        return None
    port = _port()
    headers = ("x-portkey-provider: openai", f"x-portkey-custom-host: {provider}/v1")
    row = Running("portkey", None, f"http://127.0.0.1:{port}/v1", headers=headers)
    words = [node, str(script), f"--port={port}", "--headless"]
    return _started(row, words, env={**os.environ, "NODE_ENV": "production"})


# ------------------------------------------------------------------------------------------------------------- /proc


def _cpu_s(row: Running) -> float:
    """Seconds of processor, user and system, of the gateway's processes so far."""
    if row.process is None:
        return 0.0
    ticks = 0
    for pid in _family(row.process.pid):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _memory_mb(pid: int) -> float:
    """Proportional set size of the gateway's processes."""
    kib = 0
    for each in _family(pid):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
            kib += int(next(line for line in text.splitlines() if line.startswith("Pss:")).split()[1])
    return kib / 1024


def _family(pid: int) -> list[int]:
    """A process and its children's children."""
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            parents.setdefault(parent, []).append(int(folder.name))
    family = [pid]
    for each in family:
        family += parents.get(each, [])
    return family
