"""Every way round the fetcher that we know of: whatever is asked, no forbidden address is ever connected to.

The rules of these tests allow every host, so that nothing but the fetcher stands in the way. What is connected to
is seen at the lowest level: the function that makes the socket (``Web.dial``) and, where the real one is used,
Python's own audit events. Names are resolved by the tests: as given, or as the C library would read a number.
"""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from importlib import resources
from ipaddress import IPv4Address, IPv6Address, ip_network
from pathlib import Path

import pytest

from remit.adapters.fetch.backend import PinnedBackend, dial
from remit.adapters.fetch.resolving import resolve
from remit.adapters.store.sqlite import SqliteStore
from remit.guard.approval_terms import UNASKED
from remit.guard.fetching import FetchTerms
from remit.guard.rate_limits import lift_limit
from remit.kernel.addresses import CLOSED, EMBEDDING, PLATFORMS, judge_address, read_networks
from remit.kernel.clock import SystemClock
from remit.kernel.errors import Denied, RemitError

from .site import PUBLIC, Asked, moved, web_of
from .world import OWNER, WORKSPACE, World, make_world, store_in

PUBLIC6 = "2606:2800:220:1:248:1893:25c8:1946"
ALLOWED = {PUBLIC, PUBLIC6}
FULL = os.environ.get("REMIT_PROVE") == "1"
INNER = ("127.0.0.1", "169.254.169.254", "10.0.0.1")


def notations(address: str) -> Iterator[str]:
    """Spellings of an IPv4 address that some program takes for it."""
    a, b, c, d = (int(part) for part in address.split("."))
    whole = int(IPv4Address(address))
    yield from (str(whole), hex(whole), f"0X{whole:X}", f"0{whole:o}", f"{whole + 2**32}", f"0x{whole + 2**32:x}")
    yield from (f"{a}.{(b << 16) + (c << 8) + d}", f"{a}.{b}.{(c << 8) + d}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}")
    yield from (
        f"0x{a:x}.0x{b:x}.0x{c:x}.0x{d:x}",
        f"0x{a:x}.{b}.0{c:o}.{d}",
        f"0{a:o}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.0x{d:x}",
    )
    yield from (
        f"0000{a:o}.{b}.{c}.{d}",
        f"{a}.{b}.{c}.{d:03}",
        f"{a + 256}.{b}.{c}.{d}",
        f"{address}.",
        f"{address}..",
    )
    yield from (f"{a}.{b}.{c}.{d}.0", f"{a}.{b}.{c}", f"+{address}", f"{address}%00", f"{address}%2e", f"[{address}]")
    yield from ("".join(chr(0xFF10 + int(char)) if char.isdigit() else char for char in address),)
    yield from (address.replace(".", "\u3002"), address.replace(".", "\uff0e"), address.replace(".", "\uff61"))
    yield from (address.replace(".", "%2E"), address.replace("1", "\u2460"), address.replace("1", "\U0001d7cf"))
    yield from (address.replace("1", "%31"), address.replace("1", "\u0661"), address.replace(".", ".\u200b"))


def embedded(address: str) -> Iterator[str]:
    """IPv6 addresses with an IPv4 address inside."""
    inner = int(IPv4Address(address))
    for prefix in ("::ffff:0:0", "::", "::ffff:0:0:0", "64:ff9b::", "64:ff9b:1::", "2001:db8:64::", "fe80::5efe:0:0"):
        yield str(IPv6Address(int(IPv6Address(prefix)) | inner))
    yield str(IPv6Address((0x2002 << 112) | (inner << 80) | 1))
    yield str(IPv6Address((0x2001 << 112) | (inner ^ 0xFFFFFFFF)))
    yield str(IPv6Address((0x2001 << 112) | (inner << 64)))
    yield str(IPv6Address((int(IPv6Address("2a00:1450::")) >> 64 << 64) | (0x00005EFE << 32) | inner))
    yield str(IPv6Address((int(IPv6Address("2a00:1450::")) >> 64 << 64) | (0x02005EFE << 32) | inner))
    yield f"::ffff:{address}"
    yield f"::{address}"
    yield f"0:0:0:0:0:FFFF:{address}"
    yield f"64:ff9b::{address}"


def ranges() -> Iterator[str]:
    """First and last (and a middle) address of every block that is never public."""
    text = resources.files("remit.kernel").joinpath("special_purpose.csv").read_text("utf-8")
    blocks = [line.partition(",")[0] for line in text.splitlines() if line and not line.startswith("#")]
    for block in dict.fromkeys([*blocks, *PLATFORMS, *EMBEDDING, *CLOSED]):
        network = ip_network(block)
        middle = [network.network_address + network.num_addresses // 2] if FULL else []
        yield from dict.fromkeys(map(str, (network.network_address, *middle, network.broadcast_address)))
    yield from ("4000::1", "8000::1", "c000::1", "1::1", "1fff::1", "fd00:ec2::254", "fd20:ce::254", "168.63.129.16")


def bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address


NAMES = (
    *("localhost", "localhost.", "LOCALHOST", "a.localhost", "localhost.localdomain", "ip6-localhost", "loopback"),
    *("metadata.google.internal", "METADATA.google.internal.", "metadata", "metadata.goog", "instance-data"),
    *("instance-data.ec2.internal", "metadata.azure.internal", "metadata.tencentyun.com", "kubernetes.default.svc"),
    *("metadata.packet.net", "router", "intranet", "127.0.0.1.nip.io", "169.254.169.254.nip.io", "localtest.me"),
    *("a.b.c.lvh.me", "spoofed.burpcollaborator.net", "127-0-0-1.sslip.io", "xn--localhost-.example.org"),
)

CONFUSING = (
    "http://example.org@127.0.0.1/",
    "http://127.0.0.1@example.org/",
    "http://example.org:80@127.0.0.1/",
    "http://example.org:pw@127.0.0.1:80/",
    "http://example.org%40127.0.0.1/",
    "http://example.org\\@127.0.0.1/",
    "http://127.0.0.1\\@example.org/",
    "http://example.org\\.127.0.0.1/",
    "http:\\\\127.0.0.1\\",
    "http:/\\127.0.0.1/",
    "http:/127.0.0.1/",
    "http:127.0.0.1/",
    "http:///127.0.0.1/",
    "http:////127.0.0.1/",
    "//127.0.0.1/",
    "127.0.0.1",
    "http://127.0.0.1#@example.org/",
    "http://127.0.0.1?@example.org/",
    "http://127.0.0.1;@example.org/",
    "http://127.0.0.1&@example.org# @10.0.0.1/",
    "http://example.org#@127.0.0.1:80 @10.0.0.1/",
    "http://127.0.0.1:80:80/",
    "http://127.0.0.1:80#@example.org:80/",
    "http://127.0.0.1\t/",
    "http://127.0.0.1\n/",
    "http://12\t7.0.0.1/",
    "ht\ntp://127.0.0.1/",
    " http://127.0.0.1/",
    "http://127.0.0.1 /",
    "http:// 127.0.0.1/",
    "http://example.org\x00.127.0.0.1/",
    "http://127.0.0.1\x00.example.org/",
    "http://127.0.0.1%00.example.org/",
    "http://127.0.0.1%09/",
    "http://127.0.0.1%0d%0a/",
    "http://example.org\r\nHost: 127.0.0.1/",
    "http://example.org/\r\nX: y",
    "http://[::1/",
    "http://::1/",
    "http://[::1]example.org/",
    "http://example.org[::1]/",
    "http://[example.org]/",
    "http://[::1%25lo]/",
    "http://[::1%lo]/",
    "http://[fe80::1%25eth0]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::1].example.org/",
    "http://[::ffff:7f00:1]/",
    "http://[::FFFF:7F00:0001]/",
    "http://[v1.127.0.0.1]/",
    "http://127.0.0.1\u3002/",
    "http://127\u30020\u30020\u30021/",
    "http://\u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3/",
    "http://\uff4c\uff4f\uff43\uff41\uff4c\uff48\uff4f\uff53\uff54/",
    "http://localho\u017ft/",
    "http://local\u00adhost/",
    "http://\u2488\u2488\u2488\u2488/",
    "http://\u2469.0.0.1/",
    "http://127.0.0.1\u2044@example.org/",
    "http://127.0.0.1\uff0fexample.org/",
    "http://example.org\uff03@127.0.0.1/",
    "http://example.org\uff20127.0.0.1/",
    "http://127.0.0.1\uff1a80/",
    "http://\u2100.127.0.0.1/",
    "http://0/",
    "http://0.0.0.0/",
    "http://0x0/",
    "http://[::]/",
    "http://[0000::1]:80/",
    "http://127.0.0.1:/",
    "http://127.0.0.1:0080/",
    "http://127.127.127.127/",
    "http://127.1.1.1:80\\@127.2.2.2:80/",
    "http://foo@127.0.0.1:80@example.org/",
    "http://example.org,127.0.0.1/",
    "http://127.0.0.1,example.org/",
    "http://{127.0.0.1}/",
    "http://$127.0.0.1/",
    "http://127.0.0.1'/",
    "http://\U000e0031\U000e0032\U000e0037/",
)

SCHEMES = (
    "file:///etc/passwd",
    "file://127.0.0.1/etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:80/_GET%20/",
    "dict://127.0.0.1:11211/stats",
    "ldap://127.0.0.1/",
    "tftp://127.0.0.1/x",
    "sftp://127.0.0.1/",
    "ssh://127.0.0.1/",
    "telnet://127.0.0.1:80/",
    "smb://127.0.0.1/x",
    "jar:http://127.0.0.1!/",
    "netdoc:///etc/passwd",
    "data:text/plain,hello",
    "javascript:fetch('http://127.0.0.1')",
    "view-source:http://127.0.0.1/",
    "http+unix://%2Fvar%2Frun%2Fdocker.sock/info",
    "unix:///var/run/docker.sock",
    "ws://127.0.0.1/",
    "wss://127.0.0.1/",
    "blob:http://127.0.0.1/x",
    "about:blank",
    "php://filter/resource=/etc/passwd",
    "url:http://127.0.0.1/",
    "HTTPS\u200b://127.0.0.1/",
    "\uff48ttp://127.0.0.1/",
    "mailto:a@127.0.0.1",
    "",
    "http",
    "http://",
)

PORTS = (*(f"http://example.org:{port}/" for port in (1, 21, 22, 23, 25, 53, 110, 2375, 3306, 6379, 8080, 11211)),)
BAD_PORTS = tuple(
    f"http://example.org:{port}/" for port in ("0", "65536", "99999", "-80", "+80", "8o", "80 ", "٨٠", "1e2")
)

URLS = (
    *(f"http://{spelled}/" for inner in INNER for spelled in notations(inner)),
    *(f"http://[{address}]/" for inner in INNER for address in embedded(inner)),
    *(f"http://{bracketed(address)}/" for address in ranges()),
    *(f"http://{name}/" for name in NAMES),
    *CONFUSING,
    *SCHEMES,
    *PORTS,
    *BAD_PORTS,
)


def as_the_c_library(host: str) -> str | None:
    """What getaddrinfo makes of a number in whatever notation."""
    try:
        return socket.inet_ntoa(socket.inet_aton(host))
    except (OSError, UnicodeError, ValueError):
        return None


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SqliteStore]:
    with store_in(tmp_path_factory.mktemp("ssrf")) as made:
        yield made


@pytest.fixture
async def world(store: SqliteStore) -> AsyncIterator[World]:
    async with web_of() as web:
        made = await make_world(store, web, rules="use: []\n", approvals=UNASKED)
        await lift_limit_once(store)
        yield made
        await store.commit("guard.settle", lambda _tx: None)


async def lift_limit_once(store: SqliteStore) -> None:
    for name in ("fetch.minute", "fetch.mission"):
        try:
            await lift_limit(store, name, workspace=WORKSPACE, by=OWNER, clock=SystemClock())
        except RemitError:
            return


async def never(world: World, url: str) -> None:
    """Ask for ``url``: it may be refused, and no address but the public ones is connected to."""
    with pytest.raises(RemitError) as caught:
        await world.fetch(url)
    assert not caught.value.code.startswith("internal"), caught.value
    assert caught.value.code != "guard.adapter", caught.value
    assert {place for place, _ in world.web.dialled} <= ALLOWED


# ---------------------------------------------------------------------------------------------------------- the suite


@pytest.mark.parametrize("url", URLS, ids=ascii)
async def test_an_address_that_leads_inside_is_refused(world: World, url: str) -> None:
    web = world.web
    resolved = web.resolve

    async def as_programs_do(host: str, port: int) -> list[str]:
        found = as_the_c_library(host)
        return [found] if found else list(await resolved(host, port))

    web.names = {name.lower().rstrip("."): [["127.0.0.1"]] for name in NAMES}
    world.fetcher._resolve = as_programs_do
    await never(world, url)
    assert web.asked == []


@pytest.mark.parametrize("address", tuple(dict.fromkeys((*ranges(), *(a for i in INNER for a in embedded(i))))))
async def test_a_name_that_leads_there_is_refused(world: World, address: str) -> None:
    world.web.names["evil.example.org"] = [[address]]
    await never(world, "http://evil.example.org/")
    assert world.web.dialled == []


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize(
    "address", ["127.0.0.1", "::1", "169.254.169.254", "10.0.0.1", "168.63.129.16", "fd00::1", "x"]
)
async def test_one_bad_answer_among_good_ones_refuses(world: World, address: str, place: int) -> None:
    answers = [PUBLIC, PUBLIC6]
    answers.insert(place, address)
    world.web.names["mixed.example.org"] = [answers]
    await never(world, "http://mixed.example.org/")
    assert world.web.dialled == []


@pytest.mark.parametrize("good", [1, 2, 3])
async def test_a_name_that_changes_its_mind_is_judged_each_time(world: World, good: int) -> None:
    """Rebinding: the first lookups are public, and then the name means this machine."""
    web = world.web
    host = f"rebind{good}.example.org"
    web.names[host] = [*([[PUBLIC]] * good), ["127.0.0.1"]]
    web.answers |= {
        f"{host}/": moved("/1"),
        f"{host}/1": moved("/2"),
        f"{host}/2": moved("/3"),
        f"{host}/3": moved("/"),
    }
    await never(world, f"http://{host}/")
    assert len(web.dialled) == good, "one lookup for each connection, and none without one"
    assert web.lookups[host] == good + 1


LOCATIONS = (
    *(f"http://{spelled}/" for spelled in notations("127.0.0.1")),
    *(f"http://{bracketed(address)}/" for address in embedded("169.254.169.254")),
    *(f"http://{name}/" for name in NAMES),
    *("//127.0.0.1/", "//localhost", "/\\127.0.0.1", "\\/127.0.0.1/", "///127.0.0.1/", "http:127.0.0.1"),
    *("http:\\\\127.0.0.1/", "https://127.0.0.1/", "//[::1]/", "http://example.org:6379/", "http://a@127.0.0.1/"),
    *(each for each in SCHEMES if each and each.isascii()),
)


@pytest.mark.parametrize("location", LOCATIONS, ids=ascii)
async def test_a_redirect_there_is_refused(world: World, location: str) -> None:
    web = world.web
    web.names = {name.lower().rstrip("."): [["127.0.0.1"]] for name in NAMES}
    host = "start.example.org"
    raw = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode()
    web.answers[f"{host}/"] = raw
    with suppress(RemitError):
        done = await world.fetch(f"http://{host}/")
        assert str(done.value["url"]).startswith(f"http://{host}/"), "what is no redirect elsewhere stays where it was"
    assert {place for place, _ in web.dialled} <= ALLOWED
    assert all(asked.host == host for asked in web.asked)


@pytest.mark.parametrize("location", LOCATIONS[::4], ids=ascii)
async def test_a_redirect_of_robots_txt_there_is_refused(world: World, location: str) -> None:
    web = world.web
    web.names = {name.lower().rstrip("."): [["127.0.0.1"]] for name in NAMES}
    host = f"robots{LOCATIONS.index(location)}.example.org"
    web.answers[f"{host}/robots.txt"] = (
        f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n".encode()
    )
    with suppress(RemitError):
        await world.fetch(f"http://{host}/")
    assert {place for place, _ in web.dialled} <= ALLOWED
    assert all(asked.host == host for asked in web.asked)


@pytest.mark.parametrize(
    "host", [*(s for i in INNER for s in notations(i) if s.isascii()), *NAMES, "::1", "::ffff:7f00:1"]
)
async def test_the_connection_itself_refuses_whatever_stands_above_it(host: str) -> None:
    """The second line alone: no reading of addresses before it, only the resolver and the judgement."""
    made: list[str] = []

    async def as_programs_do(name: str, _port: int) -> list[str]:
        return [as_the_c_library(name) or "127.0.0.1"]

    async def noted(address: str, _port: int) -> socket.socket:
        made.append(address)
        raise OSError

    backend = PinnedBackend(FetchTerms(), resolve=as_programs_do, dial=noted)
    with pytest.raises(RemitError) as caught:
        await backend.connect_tcp(host, 80)
    expected = as_the_c_library(host)
    if expected is None or judge_address(expected):
        assert isinstance(caught.value, Denied)
        assert made == []


async def test_a_unix_socket_is_no_way(tmp_path: Path) -> None:
    backend = PinnedBackend(FetchTerms(), resolve=resolve, dial=dial)
    with pytest.raises(Denied):
        await backend.connect_unix_socket(str(tmp_path / "docker.sock"))


async def test_proxies_and_other_hints_of_the_environment_are_not_heeded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "")
    monkeypatch.setenv("NETRC", "/dev/null")
    assert (await world.fetch("http://plain.example.org/")).ok
    assert {place for place, _ in world.web.dialled} == {PUBLIC}


# ------------------------------------------------------------------------------------------------------- real sockets


class Events:
    """Every connection that this process tries, from Python's audit events."""

    def __init__(self) -> None:
        self.on = False
        self.connects: list[str] = []
        sys.addaudithook(self.hook)

    def hook(self, event: str, args: tuple[object, ...]) -> None:
        if self.on and event == "socket.connect" and isinstance(args[1], tuple):
            self.connects.append(str(args[1][0]))


EVENTS = Events()


@pytest.fixture
def connects() -> Iterator[list[str]]:
    EVENTS.connects.clear()
    EVENTS.on = True
    yield EVENTS.connects
    EVENTS.on = False


@pytest.mark.parametrize(
    "url",
    ["http://127.0.0.1:{}/", "http://localhost:{}/", "http://[::1]:{}/", "http://127.1:{}/", "http://0:{}/"],
)
async def test_loopback_is_closed_by_default_for_real(world: World, connects: list[str], url: str) -> None:
    world.terms(ports=frozenset({80, world.web.port}))
    world.fetcher._resolve, world.fetcher._dial = None, None
    with pytest.raises(Denied):
        await world.fetch(url.format(world.web.port))
    assert connects == []
    assert world.web.asked == []


async def test_loopback_opened_by_name_is_reached_for_real(world: World, connects: list[str]) -> None:
    world.terms(ports=frozenset({world.web.port}), opened=read_networks("127.0.0.0/8"))
    world.fetcher._resolve, world.fetcher._dial = None, None
    world.web.answers[f"127.0.0.1:{world.web.port}/"] = moved("http://169.254.169.254/")
    done = await world.fetch(f"http://127.0.0.1:{world.web.port}/x")
    assert (done.ok, done.value["address"]) == (True, "127.0.0.1")
    with pytest.raises(Denied):
        await world.fetch(f"http://127.0.0.1:{world.web.port}/")
    assert set(connects) == {"127.0.0.1"}


async def test_the_systems_resolver_is_bounded_and_says_what_it_does_not_know() -> None:
    assert "127.0.0.1" in await resolve("localhost", 80) or "::1" in await resolve("localhost", 80)
    with pytest.raises(RemitError):
        await asyncio.wait_for(resolve("no-such-host.invalid", 80), 60)


# --------------------------------------------------------------------------------------------------------- legitimate

LEGITIMATE = (
    *("http://example.org/", "http://EXAMPLE.org/", "http://example.org./", "http://www.example.org/a/b/../c?d=e#f"),
    *("http://example.org:80/", "http://en.wikipedia.org/wiki/Z%C3%BCrich", "http://en.wikipedia.org/wiki/Zürich"),
    *(
        "http://m\u00fcnchen.de/",
        "http://xn--mnchen-3ya.de/",
        "http://\u4f8b\u3048.\u30c6\u30b9\u30c8/",
        "http://8.8.8.8/",
    ),
    *(
        "http://1.1.1.1/",
        "http://172.15.255.255/",
        "http://172.32.0.1/",
        "http://192.167.255.255/",
        "http://100.63.0.1/",
    ),
    *("http://11.0.0.1/", "http://[2606:4700:4700::1111]/", "http://[2001:4860:4860::8888]/", "http://[2a00:1450::1]/"),
    *(
        "http://a.b.c.d.e.f.example.org/",
        "http://my_host.example.org/",
        "http://127.example.org/",
        "http://10.example.org/",
    ),
    *("http://localhost.example.org/", "http://r3---sn-4g5e6n.example.org/", "http://example.org/?q=http://127.0.0.1/"),
    *("http://example.org/@127.0.0.1", "http://example.org/a:b", "http://example.org/[1]", "http://0x7f.example.org/"),
    *(
        "http://xn--e1afmkfd.xn--p1ai/",
        "http://\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444/",
        "http://192.0.1.1/",
    ),
    *(
        "http://198.17.255.255/",
        "http://198.20.0.1/",
        "http://203.0.112.1/",
        "http://223.255.255.254/",
        "http://9.9.9.9/",
    ),
    *(
        "http://[2620:fe::fe]/",
        "http://169.253.255.255/",
        "http://168.63.129.17/",
        "http://128.0.0.1/",
        "http://126.0.0.1/",
    ),
)


@pytest.mark.parametrize("url", LEGITIMATE, ids=ascii)
async def test_a_legitimate_host_is_read(world: World, url: str) -> None:
    done = await world.fetch(url)
    assert done.ok
    assert done.text == "hello"
    assert world.web.pages()


async def test_a_name_with_several_public_addresses_is_read_at_the_first_that_answers(world: World) -> None:
    web = world.web
    web.names["many.example.org"] = [[PUBLIC6, PUBLIC]]
    web.refusing.add(PUBLIC6)
    assert (await world.fetch("http://many.example.org/")).value["address"] == PUBLIC
    assert [place for place, _ in web.dialled] == [PUBLIC6, PUBLIC] * 2


async def test_what_is_asked_for_is_what_was_judged(world: World) -> None:
    """The host that is resolved, the Host header and what rules read are one reading."""
    seen: list[Asked] = world.web.asked
    for url in ("http://Example.ORG./", "http://m\u00fcnchen.de/", "http://example.com:80/"):
        seen.clear()
        world.web.lookups.clear()
        done = await world.fetch(url)
        host = str(done.value["url"]).split("/")[2]
        assert {asked.host for asked in seen} == {host}
        assert set(world.web.lookups) == {host}


def test_there_are_enough_of_them() -> None:
    assert len(set(URLS)) + len(set(LOCATIONS)) > 400
    assert len(URLS) > 150
