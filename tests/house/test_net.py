"""The audit hook catches what it must, planted in modules that look like Remit's own, and lets through what it may."""

import asyncio
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pytest

from remit.kernel import permits

REPOSITORY = Path(__file__).parents[2]


class Net(Protocol):
    """What these tests use of `tests/net.py`."""

    def drain(self) -> list[str]: ...


def plant(source: str, *, module: str = "remit.missions.planted", **names: object) -> Callable[..., Any]:
    """A function `act` written in a module of that name."""
    space: dict[str, Any] = {"__name__": module, **names}
    exec(compile(source, f"<planted in {module}>", "exec"), space)  # noqa: S102 - planting is the point
    act: Callable[..., Any] = space["act"]
    return act


WRITES = {
    "open": "def act(path): open(path, 'w').close()",
    "append": "def act(path): open(path, 'ab').close()",
    "pathlib": "def act(path): path.write_text('x')",
    "os.open": "import os\ndef act(path): os.close(os.open(path, os.O_WRONLY | os.O_CREAT))",
    "mkdir": "def act(path): path.mkdir()",
    "symlink": "import os\ndef act(path): os.symlink('/', path)",
    "sqlite": "import sqlite3\ndef act(path): sqlite3.connect(path).close()",
    "tempfile": "import tempfile\ndef act(path): tempfile.mkdtemp(dir=path.parent)",
    "shutil": "import shutil\ndef act(path): shutil.copy(__import__('sys').executable, path)",
}
PROCESSES = {
    "subprocess": "import subprocess\ndef act(path): subprocess.run(['touch', str(path)], check=True)",
    "os.system": "import os\ndef act(path): os.system(f'touch {path}')",
    "posix_spawn": "import os\ndef act(path): os.posix_spawn('/usr/bin/touch', ['touch', str(path)], {})",
    "asyncio": (
        "import asyncio\nasync def run(path): await (await asyncio.create_subprocess_exec('touch', path)).wait()\n"
        "def act(path): asyncio.run(run(path))"
    ),
    "fork": "import os\ndef act(path): os.fork() or os._exit(0)",
}
CONNECTIONS = {
    "socket": "import socket\ndef act(port): socket.create_connection(('127.0.0.1', port)).close()",
    "urllib": "import urllib.request\ndef act(port): urllib.request.urlopen(f'http://127.0.0.1:{port}/', timeout=30)",
    "asyncio": (
        "import asyncio\nasync def run(port): await asyncio.open_connection('127.0.0.1', port)\n"
        "def act(port): asyncio.run(run(port))"
    ),
    "datagram": (
        "import socket\ndef act(port):\n"
        " with socket.socket(type=socket.SOCK_DGRAM) as s: s.sendto(b'x', ('127.0.0.1', port))"
    ),
}


@pytest.mark.parametrize("source", [*WRITES.values(), *PROCESSES.values()], ids=[*WRITES, *PROCESSES])
def test_a_room_neither_writes_nor_starts_anything(source: str, tmp_path: Path, net: Net) -> None:
    with pytest.raises(AssertionError, match=r"remit\.missions\.planted \("):
        plant(source)(tmp_path / "x")
    assert net.drain()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("source", CONNECTIONS.values(), ids=CONNECTIONS)
def test_a_room_connects_to_nothing(source: str, net: Net) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.05)
        with pytest.raises(AssertionError, match=r"remit\.missions\.planted \("):
            plant(source)(server.getsockname()[1])
        with pytest.raises(TimeoutError):
            server.accept()
    assert net.drain()


def test_swallowing_the_refusal_does_not_help(tmp_path: Path, net: Net) -> None:
    plant("def act(path):\n try: path.write_text('x')\n except BaseException: pass")(tmp_path / "x")
    assert len(net.drain()) == 1


def test_a_thread_does_not_help(tmp_path: Path, net: Net) -> None:
    act = plant("def act(path):\n try: path.write_text('x')\n except AssertionError: pass")
    thread = threading.Thread(target=act, args=(tmp_path / "x",))
    thread.start()
    thread.join()
    assert len(net.drain()) == 1


def test_another_library_in_between_does_not_help(tmp_path: Path, net: Net) -> None:
    with pytest.raises(AssertionError):
        plant("import json, logging\ndef act(path): logging.FileHandler(path)")(tmp_path / "x")
    assert net.drain()


def test_reading_and_the_null_device_are_free(tmp_path: Path, net: Net) -> None:
    (tmp_path / "x").write_text("words")
    assert plant("def act(path): return path.read_text()")(tmp_path / "x") == "words"
    plant("import os\ndef act(): open(os.devnull, 'w').close()")()
    assert net.drain() == []


def test_what_a_permit_covers_is_free(tmp_path: Path, net: Net) -> None:
    act = plant(WRITES["pathlib"], module="remit.adapters.sandbox.planted")
    through_a_room = plant("def act(path): inner(path)", module="remit.guard.planted", inner=act)
    with pytest.raises(AssertionError):
        through_a_room(tmp_path / "x")
    assert net.drain()
    with permits.opened("an action"):
        through_a_room(tmp_path / "x")
    assert (tmp_path / "x").exists()
    with pytest.raises(AssertionError):
        through_a_room(tmp_path / "y")
    assert len(net.drain()) == 1


async def test_a_permit_goes_along_into_tasks_and_to_thread(tmp_path: Path, net: Net) -> None:
    act = plant(WRITES["pathlib"], module="remit.adapters.sandbox.planted")
    threaded = plant(
        "import asyncio\nasync def act(path): await asyncio.to_thread(inner, path)", module="remit.guard.p", inner=act
    )
    with permits.opened("an action"):
        await asyncio.create_task(threaded(tmp_path / "x"))
    assert (tmp_path / "x").exists()
    assert net.drain() == []


def test_infrastructure_is_free_but_not_what_it_calls_back(tmp_path: Path, net: Net) -> None:
    store = plant("def act(path, op): op(path)", module="remit.adapters.store.planted")
    own = plant(WRITES["pathlib"], module="remit.adapters.store.planted")
    room = plant(WRITES["pathlib"])
    plant("def act(path): own(path)", own=own)(tmp_path / "x")
    assert net.drain() == []
    with pytest.raises(AssertionError):
        store(tmp_path / "y", room)
    assert net.drain()


def test_an_adapter_called_straight_from_a_test_is_free(tmp_path: Path, net: Net) -> None:
    adapter = plant(WRITES["pathlib"], module="remit.adapters.sandbox.planted")
    adapter(tmp_path / "x")
    assert net.drain() == []
    with pytest.raises(AssertionError):
        plant("def act(path): adapter(path)", module="remit.missions.planted", adapter=adapter)(tmp_path / "y")
    assert net.drain()


def test_a_process_that_a_test_starts_is_under_the_net_too(tmp_path: Path, net: Net) -> None:
    script = tmp_path / "child.py"
    script.write_text(
        "import sys\nfrom pathlib import Path\n"
        "space = {'__name__': 'remit.cli.planted'}\n"
        "exec('def act(path): path.write_text(str(1))', space)\n"
        "try: space['act'](Path(sys.argv[1]))\nexcept BaseException: pass\n"
    )
    done = subprocess.run([sys.executable, str(script), str(tmp_path / "x")], check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "x").exists()
    (line,) = net.drain()
    assert "remit.cli.planted" in line
    assert "in process" in line


def test_nobody_leaves_this_machine(net: Net) -> None:
    with socket.socket() as outbound, pytest.raises(AssertionError, match="beyond loopback"):
        outbound.connect(("192.0.2.1", 9))
    assert net.drain()


INNER = """
import pytest
from pathlib import Path

def act(path, module):
    space = {"__name__": module}
    exec("def act(path):\\n try: path.write_text('x')\\n except BaseException: pass", space)
    space["act"](path)

def test_clean(tmp_path): act(tmp_path / "x", "remit.adapters.store.x")
def test_swallowed(tmp_path): act(tmp_path / "x", "remit.guard.x")
@pytest.fixture
def late(tmp_path):
    yield
    act(tmp_path / "x", "remit.guard.x")
def test_teardown(late): pass
def test_skipped(): pytest.skip("no database here")
def test_excepted(): pytest.skip("peer not installed: langgraph")
"""


@pytest.mark.parametrize(
    ("everything", "counts"),
    [("0", "1 failed, 2 passed, 2 skipped, 1 error"), ("1", "2 failed, 2 passed, 1 skipped, 1 error")],
)
def test_a_run_of_tests_says_so(everything: str, counts: str, tmp_path: Path) -> None:
    (tmp_path / "test_inner.py").write_text(INNER)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COV"))}
    path = os.pathsep.join([str(REPOSITORY / "src"), str(REPOSITORY / "tests")])
    options = ["-c", str(REPOSITORY / "pyproject.toml"), "--rootdir", str(tmp_path), "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "conftest", *options, str(tmp_path)],
        env={**clean, "PYTHONPATH": path, "REMIT_REQUIRE_ALL": everything},
        capture_output=True,
        text=True,
        check=False,
    )
    assert counts in done.stdout, done.stdout + done.stderr
    assert "during the test, outside the guard:" in done.stdout
    assert "during teardown, outside the guard:" in done.stdout
    assert "not run on this machine" in done.stdout
    assert ("and this was not run: " in done.stdout) is (everything == "1")
