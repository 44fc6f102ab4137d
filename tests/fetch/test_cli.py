"""``remit fetch`` as a person runs it, in a process of its own; the server is on loopback, opened by name."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ..warm import run as run_command  # noqa: TID252 - tests are loaded by path

PERSON = "ada.lovelace@post.lovelace-family.co.uk"
SECRET = "ghp_" + "x9K2" * 9


class Site(BaseHTTPRequestHandler):
    """Robots.txt that forbids one page, a page with a secret, a redirect inside, an error."""

    def do_GET(self) -> None:
        bodies = {
            "/robots.txt": (200, "User-agent: remit\nDisallow: /closed\n"),
            "/page": (200, f"first line\nkey {SECRET} \x1b[31mred {PERSON}"),
            "/gone": (404, "not here"),
        }
        if self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data/")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        status, text = bodies.get(self.path, (200, "hello"))
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_args: object) -> None:
        pass


@pytest.fixture(scope="module")
def site() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def remit(site: int, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("home")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        closed = probe.getsockname()[1]

    def run(*words: object, opened: bool = True) -> subprocess.CompletedProcess[str]:
        environ = {name: value for name, value in os.environ.items() if not name.startswith("REMIT_")}
        if opened:
            environ |= {"REMIT_FETCH_PRIVATE": "127.0.0.0/8", "REMIT_FETCH_PORTS": f"80, {site}, {closed}"}
        argv = [sys.executable, "-m", "remit.cli", *map(str, words), "--home", str(folder / "home")]
        argv = [word.replace(":CLOSED", f":{closed}") for word in argv]
        return run_command(argv, capture_output=True, text=True, check=False, env=environ, cwd=folder, timeout=100)

    assert run("init").returncode == 0
    rules = folder / "rules.yaml"
    rules.write_text("lists: {fetch.allow: [+127.0.0.1]}\n")
    saved = run("policy", "save", rules, "--reason", "test")
    assert saved.returncode == 0, saved.stderr
    assert run("limits", "set", "fetch.minute", "--amount", "100").returncode == 0  # all tests ask one host
    return run


def test_a_page_is_printed_without_secrets_personal_data_and_escapes(
    remit: Callable[..., subprocess.CompletedProcess[str]], site: int
) -> None:
    done = remit("fetch", f"http://127.0.0.1:{site}/page")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("first line\nkey [REDACTED:")
    assert SECRET not in done.stdout + done.stderr
    assert PERSON not in done.stdout + done.stderr
    assert done.stdout.count("[REDACTED:") == 2
    assert "\x1b" not in done.stdout
    assert "200 http://127.0.0.1" in done.stderr


def test_a_page_is_told_as_json_or_written_to_a_file(
    remit: Callable[..., subprocess.CompletedProcess[str]], site: int, tmp_path: Path
) -> None:
    told = json.loads(remit("fetch", f"http://127.0.0.1:{site}/x", "--json").stdout)
    assert (told["ok"], told["status"], told["text"], told["robots"]) == (True, 200, "hello", "allowed")
    assert told["provenance"]["trusted"] is False
    page = tmp_path / "page.txt"
    told = json.loads(remit("fetch", f"http://127.0.0.1:{site}/x", "--json", "--output", page).stdout)
    assert page.read_text() == "hello"
    assert page.stat().st_mode & 0o777 == 0o600
    assert "text" not in told


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("http://127.0.0.1:{}/gone", 1, "answered with an error"),
        ("http://127.0.0.1:{}/closed", 3, "robots.txt of 127.0.0.1 does not let this agent read /closed"),
        ("http://127.0.0.1:{}/away", 3, "cloud metadata"),
        ("http://127.0.0.1:22/", 3, "fetch_ports"),
        ("http://127.0.0.1:CLOSED/", 5, "can't be reached"),
    ],
)
def test_a_refusal_says_what_why_and_what_to_do(
    remit: Callable[..., subprocess.CompletedProcess[str]], site: int, url: str, code: int, said: str
) -> None:
    done = remit("fetch", url.format(site))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "hint:" in done.stderr or code == 1


def test_this_machine_is_closed_by_default(remit: Callable[..., subprocess.CompletedProcess[str]], site: int) -> None:
    done = remit("fetch", "http://127.0.0.1/", opened=False)
    assert done.returncode == 3
    assert "no public address (loopback)" in done.stderr
    assert remit("fetch", f"http://127.0.0.1:{site}/", opened=False).returncode == 3


def test_settings_that_open_too_much_are_refused() -> None:
    for name, value in (("FETCH_PRIVATE", "0.0.0.0/0"), ("FETCH_PRIVATE", "169.254.0.0/16"), ("FETCH_PORTS", "0")):
        environ = {**os.environ, f"REMIT_{name}": value}
        argv = [sys.executable, "-m", "remit.cli", "missions"]
        done = run_command(argv, capture_output=True, text=True, check=False, env=environ, timeout=60)
        assert done.returncode == 2, name
        assert name.lower() in done.stderr


def test_every_request_is_in_the_audit_log(remit: Callable[..., subprocess.CompletedProcess[str]], site: int) -> None:
    url = f"http://127.0.0.1:{site}/page?token=abcdef"
    done = remit("fetch", url)
    assert done.returncode == 0, done.stderr
    found = remit("audit", "show", "--action", "fetch.request", "--json").stdout
    assert '"status": 200' in found
    assert "abcdef" not in found
    assert "[REDACTED:query]" in found
    assert remit("audit", "verify").returncode == 0
