"""``remit gateway``: it starts soon, says where, stops gracefully, and is nowhere by accident."""

import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from remit.testing.model_server import Behaviour, ModelServer, Reply

from ..warm import run as run_command  # noqa: TID252 - tests are loaded by path
from ..warm import start  # noqa: TID252 - as above
from .running import Wire, ask, gateway

ROOT = Path(__file__).resolve().parents[2]

ASKED: dict[str, Any] = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Go on."}], "stream": True}


@pytest.fixture
def home(tmp_path: Path) -> Iterator[tuple[Path, str, ModelServer]]:
    """A home with a provider and a key in it, whose gateway has stopped."""
    with ModelServer() as provider:
        with gateway(tmp_path / "home", provider) as made:
            token = made.token
        yield tmp_path / "home", token, provider


def started(home: Path, *more: str) -> tuple[subprocess.Popen[bytes], dict[str, Any], float]:
    """The command, what it said when it listened, and how long that took."""
    began = time.monotonic()
    command = [sys.executable, "-m", "remit.cli", "gateway", "--home", str(home), "--port", "0", "--json", *more]
    process = start(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=os.environ | {"TZ": "UTC"})
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        assert process.stderr is not None
        pytest.fail(process.stderr.read().decode())
    return process, orjson.loads(line)["gateway"], time.monotonic() - began


def test_it_answers_and_lets_a_stream_end_when_it_is_stopped(home: tuple[Path, str, ModelServer]) -> None:
    folder, token, provider = home
    process, told, _ = started(folder)
    try:
        assert told["openai"] == f"{told['anthropic']}/v1"
        provider.say(Reply(deltas=tuple(f"{n} " for n in range(20))))
        provider.behave(Behaviour(drip_s=0.05))
        wire = Wire(told["anthropic"]).send("/v1/chat/completions", ASKED, token=token)
        status, headers = wire.head()
        assert status == 200
        process.send_signal(signal.SIGTERM)
        body = wire.body(headers)
        assert body.endswith(b"data: [DONE]\n\n"), "the running call had its time"
        wire.close()
        assert process.wait(60) == 0
        with pytest.raises(OSError, match=r".*"):
            Wire(told["anthropic"])
    finally:
        process.kill()
        process.communicate()


def test_what_does_not_end_in_its_time_is_told_so_and_settled(home: tuple[Path, str, ModelServer]) -> None:
    folder, token, provider = home
    os.environ["REMIT_GATEWAY_DRAIN_S"] = "1"
    try:
        process, told, _ = started(folder)
    finally:
        del os.environ["REMIT_GATEWAY_DRAIN_S"]
    try:
        provider.say(Reply(deltas=("word ",) * 400))
        provider.behave(Behaviour(drip_s=0.05))
        wire = Wire(told["anthropic"]).send("/v1/chat/completions", ASKED, token=token)
        _, headers = wire.head()
        process.send_signal(signal.SIGTERM)
        body = wire.body(headers)
        wire.close()
        assert b"gateway.stopping" in body
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.communicate()
    with gateway(folder, provider) as again:
        assert {row["state"] for row in again.rows()} == {"cancelled"}
        assert not any(again.reserved())


def test_it_listens_nowhere_else_by_accident(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "remit.cli", "gateway", "--home", str(tmp_path / "h"), "--host", "0.0.0.0"]  # noqa: S104 - refused
    done = run_command([*command, "--json"], capture_output=True, timeout=100)
    assert done.returncode == 2
    error = orjson.loads(done.stdout)["error"]
    assert error["code"] == "gateway.host"
    assert "--anywhere" in error["hint"]


def test_a_port_that_is_taken(home: tuple[Path, str, ModelServer]) -> None:
    folder, _, provider = home
    command = [sys.executable, "-m", "remit.cli", "gateway", "--home", str(folder), "--port", str(provider.port)]
    done = run_command([*command, "--json"], capture_output=True, timeout=100)
    assert done.returncode == 5
    assert orjson.loads(done.stdout)["error"]["code"] == "gateway.listen"


def test_the_first_steps_of_the_docs_lead_to_an_answer(tmp_path: Path) -> None:
    """As `docs/gateway.md` has them, word for word, but for where the provider is; then who needs no key."""
    page = (ROOT / "docs" / "gateway.md").read_text()
    orders = [shlex.split(line, comments=True) for line in page.split("```")[1].splitlines()]
    *orders, (_, last) = [words for words in orders if words]
    assert last == "gateway"
    token, folder = "", tmp_path / "home"
    with ModelServer() as provider:
        for words in orders:
            more = ["--base-url", f"{provider.url}/v1"] if words[1] == "providers" else []
            command = [sys.executable, "-m", "remit.cli", *words[1:], *more, "--home", str(folder)]
            done = run_command(command, capture_output=True, input="a-key-of-nobody\n", text=True)
            assert done.returncode == 0, done.stderr
            token = done.stdout.strip()
        process, told, _ = started(folder)
        try:
            assert ask(told["anthropic"], "/health", b"", method="GET")[2] == b'{"status":"ok"}'
            status, _, body = ask(told["anthropic"], "/v1/chat/completions", {**ASKED, "stream": False}, token=token)
            assert status == 200, body
            models = orjson.loads(ask(told["anthropic"], "/v1/models", b"", method="GET", token=token)[2])
            assert models == {"object": "list", "data": []}, "none has a name yet"
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == 0
            process.communicate()
