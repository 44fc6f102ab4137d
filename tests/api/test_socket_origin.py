"""Whose pages may open a WebSocket with a session: the same rule as for forms, behind proxies and without."""

import base64
import secrets
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from remit.kernel.errors import Denied
from remit.serve.edge.cors import Cors
from remit.serve.edge.forms import check_site
from remit.serve.edge.origin import Origin

from .serving import Api, serving

HOSTS = "remit.example.org, other.example.org"
LISTED = "https://app.example.org"


def made(tmp_path_factory: pytest.TempPathFactory, **settings: Any) -> Iterator[Api]:
    with serving(tmp_path_factory.mktemp("home") / "home", cors_origins=LISTED, **settings) as api:
        yield api


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Without proxies."""
    yield from made(tmp_path_factory, hosts=HOSTS)


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Behind a proxy on this machine."""
    yield from made(tmp_path_factory, hosts=HOSTS, proxies="127.0.0.0/8", public_url="https://Public.example.org:443")


def opens(api: Api, *, who: str = "viewer", bearer: str = "", **headers: str) -> bool:
    """Whether a WebSocket is accepted that a browser with the cookie of `who` asks for."""
    host, _, port = api.url.removeprefix("http://").partition(":")
    shown = {"authorization": f"Bearer {bearer}"} if bearer else {"cookie": f"remit_session={api.session(who)}"}
    sent = {
        "host": f"{host}:{port}",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
        "sec-websocket-key": base64.b64encode(secrets.token_bytes(16)).decode(),
        **shown,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items())
    with socket.create_connection((host, int(port)), timeout=20) as wire, wire.makefile("rb") as answer:
        wire.sendall(f"GET /api/v1/events/ws HTTP/1.1\r\n{lines}\r\n".encode("latin-1"))
        status = int(answer.readline().split()[1])
    assert status in {101, 403}
    return status == 101


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("remit.example.org:8080", "http://remit.example.org:8080"),
        ("remit.example.org", "http://remit.example.org"),
        ("remit.example.org:80", "http://remit.example.org"),
        ("remit.example.org", "http://remit.example.org:80"),
        ("Remit.Example.ORG", "HTTP://remit.EXAMPLE.org"),
        ("[::1]:4100", "http://[::1]:4100"),
        ("[2001:DB8::7]", "http://[2001:db8::7]"),
        ("other.example.org", "http://other.example.org"),
    ],
)
def test_a_page_of_the_address_that_was_asked_for_is_ours(bare: Api, host: str, origin: str) -> None:
    assert opens(bare, host=host, origin=origin)


@pytest.mark.parametrize(
    ("host", "origin"),
    [
        ("remit.example.org", "https://remit.example.org"),  # another scheme is another origin
        ("remit.example.org:443", "https://remit.example.org"),
        ("remit.example.org", "http://remit.example.org:8080"),
        ("remit.example.org:8080", "http://remit.example.org"),
        ("remit.example.org", "http://other.example.org"),  # ours as well, but not the page's own
        ("remit.example.org", "http://evil.example/remit.example.org"),
        ("remit.example.org", "http://evil.example@remit.example.org"),
        ("remit.example.org", "ftp://remit.example.org"),
        ("remit.example.org", "null"),
        ("remit.example.org", "http://remit.example.org, http://evil.example"),
        ("remit.example.org", "remit.example.org"),
        ("remit.example.org", LISTED),  # shows a token or key, no cookie
        ("[::1]:4100", "http://[::2]:4100"),
        ("evil.example", "http://evil.example"),  # a name that somebody pointed here
    ],
)
def test_a_page_of_any_other_is_not(bare: Api, host: str, origin: str) -> None:
    assert not opens(bare, host=host, origin=origin)


def test_what_says_no_origin_is_no_page_of_ours(bare: Api) -> None:
    assert not opens(bare, host="remit.example.org")
    assert not opens(bare, host="", origin="http://")


@pytest.mark.parametrize("origin", ["", LISTED])
def test_a_key_needs_no_page(bare: Api, origin: str) -> None:
    more = {"origin": origin} if origin else {}
    assert opens(bare, bearer=bare.key("viewer"), **more)
    assert not opens(bare, bearer=bare.key("viewer"), origin="https://evil.example")


@pytest.mark.parametrize(
    ("headers", "fit"),
    [
        ({"origin": "https://remit.example.org", "x_forwarded_host": "remit.example.org"}, True),
        ({"origin": "https://remit.example.org", "x_forwarded_host": "Remit.example.org:443"}, True),
        ({"origin": "https://remit.example.org:8443", "x_forwarded_host": "remit.example.org:8443"}, True),
        ({"origin": "https://public.example.org"}, True),  # the proxy asks by an address of its own
        ({"origin": "https://remit.example.org", "x_forwarded_host": "remit.example.org:8443"}, False),
        ({"origin": "http://remit.example.org", "x_forwarded_host": "remit.example.org"}, False),
        ({"origin": "http://public.example.org"}, False),
        ({"origin": "https://public.example.org:8443"}, False),
        ({"origin": "https://remit.example.org"}, False),
        ({"origin": "null", "x_forwarded_host": "remit.example.org"}, False),
    ],
)
def test_a_proxy_says_what_was_asked_for(behind: Api, headers: dict[str, str], *, fit: bool) -> None:
    told = {"x_forwarded_for": "203.0.113.5", "x_forwarded_proto": "https"}
    assert opens(behind, **told, **headers) is fit


def test_nobody_but_a_proxy_is_believed(bare: Api) -> None:
    told = {"x_forwarded_for": "127.0.0.1", "x_forwarded_proto": "https", "x_forwarded_host": "evil.example"}
    assert not opens(bare, origin="https://evil.example", **told)
    assert opens(bare, origin=bare.url, **told)


def test_forms_follow_the_same_rule() -> None:
    origin, cors = Origin("192.0.2.1", "https", "remit.example.org:443"), Cors(())
    for said in (b"https://remit.example.org", b"https://REMIT.example.org:443", b"https://public.example.org"):
        check_site("POST", {b"origin": said}, origin, cors, "https://public.example.org:443")
    for said in (b"null", b"http://remit.example.org", b"https://remit.example.org:8443", b"https://", b"", b" "):
        if said:
            with pytest.raises(Denied):
                check_site("POST", {b"origin": said}, origin, cors, "")
