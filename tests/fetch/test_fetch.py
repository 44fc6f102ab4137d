"""Fetching end to end: guard, rules, robots.txt, redirects, limits; over real sockets on loopback."""

import asyncio
import gzip
import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from remit.accounts.agents import Agent, register_agent
from remit.accounts.kills import KillScope, Target, kill
from remit.guard.approval_decisions import decide
from remit.guard.approval_terms import ApprovalTerms
from remit.guard.permit import Terms
from remit.guard.retry import Patience
from remit.guard.rules.revisions import save
from remit.guard.why import why
from remit.kernel.action import ActorKind, Principal
from remit.kernel.addresses import read_networks
from remit.kernel.clock import SystemClock
from remit.kernel.errors import ApprovalPending, Denied, Failed, RateLimited, RemitError, Timeout, Unavailable

from ..pace import Pace  # noqa: TID252 - tests are loaded by path
from .site import PUBLIC, Asked, certificates, moved, page, web_of
from .world import OWNER, WORKSPACE, World, make_world, store_in


async def test_a_page_is_read_and_told(world: World) -> None:
    world.web.answers["example.org/a?x=1"] = page("<p>héllo", kind="text/html; charset=utf-8", ETag='"1"')
    done = await world.fetch("http://Example.org./b/../a?x=1#part")
    assert done.ok
    assert done.text == "<p>héllo"
    assert done.value["url"] == "http://example.org/a?x=1"
    assert (done.value["status"], done.value["address"], done.value["type"]) == (200, PUBLIC, "text/html")
    assert done.value["headers"] == {"etag": '"1"'}
    assert done.value["provenance"] == {"source": "web", "url": "http://example.org/a?x=1", "trusted": False}
    assert [asked.target for asked in world.web.asked] == ["/robots.txt", "/a?x=1"]
    assert world.web.asked[1].headers["user-agent"].startswith("Remit")
    assert world.web.asked[1].headers["host"] == "example.org"
    seen = await world.requests()
    assert [(one["purpose"], one["status"], one["verdict"], one["address"]) for one in seen] == [
        ("robots", 404, "ok", PUBLIC),
        ("page", 200, "ok", PUBLIC),
    ]
    assert seen[1]["bytes"] == len("<p>héllo".encode())


async def test_what_is_not_allowed_is_not_asked(world: World) -> None:
    for url in ("http://example.net/", "http://bad.example.com/", "http://www.facebook.com/", "http://x.com/"):
        with pytest.raises(Denied):
            await world.fetch(url)
    assert world.web.dialled == []
    assert not world.web.lookups


# -------------------------------------------------------------------------------------------------------- redirects


async def test_a_redirect_is_followed_and_told(world: World) -> None:
    world.web.answers |= {"example.org/old": moved("../new?q"), "example.org/new?q": moved("http://example.com/")}
    done = await world.fetch("http://example.org/old")
    assert done.value["url"] == "http://example.com/"
    assert done.value["redirects"] == ["http://example.org/old", "http://example.org/new?q"]
    assert [(one["hop"], one["url"], one["status"]) for one in await world.requests() if one["purpose"] == "page"] == [
        (0, "http://example.org/old", 302),
        (1, "http://example.org/new?q", 302),
        (2, "http://example.com/", 200),
    ]


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://bad.example.com/", "guard.denied"),
        ("http://example.net/", "guard.denied"),
        ("http://www.facebook.com/", "guard.denied"),
        ("http://169.254.169.254/latest/meta-data/", "fetch.redirect"),
        ("http://[::1]/", "fetch.redirect"),
        ("http://example.org:22/", "fetch.redirect"),
        ("ftp://example.org/", "fetch.redirect"),
        ("file:///etc/passwd", "fetch.redirect"),
        ("javascript:alert(1)", "fetch.redirect"),
        ("//user:pw@example.org/", "fetch.redirect"),
        ("\\\\example.com\\", "fetch.redirect"),
        ("http://0x7f.1/", "fetch.redirect"),
    ],
)
async def test_a_redirect_goes_nowhere_that_could_not_be_asked_for(world: World, location: str, code: str) -> None:
    world.web.answers["example.org/"] = moved(location)
    with pytest.raises(Denied) as caught:
        await world.fetch("http://example.org/")
    assert caught.value.code == code
    assert caught.value.hint
    assert {place for place, _ in world.web.dialled} == {PUBLIC}
    assert world.web.pages() == ["example.org/"]


async def test_a_hop_that_is_refused_can_be_explained(world: World) -> None:
    world.web.answers["example.org/"] = moved("http://bad.example.com/x")
    action = world.action("http://example.org/")
    with pytest.raises(Denied) as caught:
        await world.guard.run(action)
    story = await why(world.store, str(caught.value.decision_id), workspace=WORKSPACE)
    [told] = story.actions
    assert (told.row["target"], told.row["parent"]) == ("http://bad.example.com/x", action.id)
    assert told.row["reason"] == "rules.denied"
    assert '"fetch.list":"deny"' in told.row["facts"]
    assert f"on the way of action {action.id}" in story.text()


async def test_five_redirects_are_followed_and_no_more(world: World) -> None:
    for host in ("example.org", "example.com"):
        world.web.answers |= {f"{host}/{n}": moved(f"/{n + 1}") for n in range(9)}
    assert (await world.fetch("http://example.org/4")).ok
    with pytest.raises(Denied, match="more than 5 times"):
        await world.fetch("http://example.com/3")


async def test_a_sensitive_hop_asks_nobody_half_way(world: World) -> None:
    world.guard.approvals = ApprovalTerms(domains=frozenset({"gov.example.com"}))
    world.web.answers["example.org/"] = moved("http://gov.example.com/")
    with pytest.raises(Denied) as caught:
        await world.fetch("http://example.org/")
    assert caught.value.code == "guard.approval"
    story = await why(world.store, str(caught.value.decision_id), workspace=WORKSPACE)
    assert story.actions[0].row["reason"] == "hop.approval"
    assert "remit fetch http://gov.example.com/" in story.actions[0].next
    with pytest.raises(ApprovalPending):
        await world.fetch("http://gov.example.com/")


async def test_an_agent_goes_no_further_than_its_reach(world: World) -> None:
    scout = Agent(WORKSPACE, "scout", OWNER.id, effects=frozenset({"fetch"}), domains=frozenset({"example.org"}))
    await register_agent(world.store, scout, by=OWNER, clock=SystemClock())
    world.web.answers["example.org/"] = moved("http://example.com/")
    asked = world.action("http://example.org/")
    with pytest.raises(Denied) as caught:
        await world.guard.run(replace(asked, principal=Principal(ActorKind.AGENT, "scout")))
    assert caught.value.code == "guard.domain"
    assert world.web.pages() == ["example.org/"]
    assert (await world.fetch("http://example.org/")).value["url"] == "http://example.com/"


async def test_an_approval_that_robots_txt_makes_necessary_is_asked_for(world: World) -> None:
    own = (
        'use: []\nrules:\n  - {id: own.robots, on: fetch, assert: \'fetch.robots in ["allowed", "unknown"]\', '
        "else: require_approval, message: robots.txt says no}\n"
        '  - {id: own.com, on: fetch, assert: fetch.host != "example.com", else: require_approval, message: com}\n'
    )
    await save(world.store, own, workspace=WORKSPACE, name="r.yaml", reason="mine", by=OWNER, clock=SystemClock())
    await world.guard.register.refresh(WORKSPACE)
    for host in ("example.org", "example.com"):
        world.web.answers[f"{host}/robots.txt"] = page(f"User-agent: *\nDisallow: /{'no' if 'com' in host else ''}\n")
    with pytest.raises(Denied) as caught:
        await world.fetch("http://example.org/")  # admitted before robots.txt was known
    assert caught.value.code == "guard.approval"
    with pytest.raises(ApprovalPending):
        await world.fetch("http://example.org/")
    assert world.web.pages() == []
    with pytest.raises(ApprovalPending) as pending:
        await world.fetch("http://example.com/")
    await decide(
        world.store,
        pending.value.approval_id,
        workspace=WORKSPACE,
        by=OWNER,
        approve=True,
        subject_hash=world.action("http://example.com/").subject_hash,
        reason="read it",
        clock=SystemClock(),
        redactor=world.guard.redactor,
    )
    assert (await world.fetch("http://example.com/")).ok, "approved once, and robots.txt says nothing against it"


async def test_credentials_stay_with_their_origin_and_go_over_tls_only(tmp_path: Path) -> None:
    tls, ca = certificates(tmp_path, "example.org", "example.com")
    async with web_of(tls) as web:
        with store_in(tmp_path) as store:
            world = await make_world(store, web)
            world.terms(ca_file=str(ca))
            asked: list[str] = []

            def secret(_action: object, text: str) -> str:
                asked.append(text)
                return text.replace("secret://team/api", "s3cr3t-v4lue")

            world.fetcher.secret = secret
            await world.allow_secrets()
            sent = {"Authorization": "Bearer secret://team/api", "X-Note": "n", "Accept-Language": "de"}
            web.answers |= {"example.org/": moved("/two"), "example.org/two": moved("https://example.com/")}
            done = await world.fetch("https://example.org/", headers=sent)
            assert done.ok
            heads = {asked.host + asked.target: asked.headers for asked in web.asked}
            for place in ("example.org/", "example.org/two"):
                assert heads[place]["authorization"] == "Bearer s3cr3t-v4lue"
                assert heads[place]["x-note"] == "n"
            assert heads["example.com/"]["accept-language"] == "de"
            assert "authorization" not in heads["example.com/"]
            assert "x-note" not in heads["example.com/"]
            assert all("authorization" not in heads[f"{host}/robots.txt"] for host in ("example.org", "example.com"))
            assert asked == ["Bearer secret://team/api"] * 2
            web.answers["example.org/"] = moved("http://example.org/")
            with pytest.raises(Denied, match="from https to http"):
                await world.fetch("https://example.org/", headers=sent)
            refused: dict[str, dict[str, str]] = {
                "http://example.org/": sent,
                "https://example.org/": {"Cookie": "a=b"},
                "https://example.org/t": {"PRIVATE-TOKEN": "abc"},
                "https://example.org/b": {"X-Note": "see secret://team/api there"},
                "https://example.org/x": {"Host": "example.com"},
                "https://example.org/y": {"X-Forwarded-For": "127.0.0.1"},
                "https://example.org/z": {"X": "a\r\nHost: b"},
                "https://example.org/m": {"Metadata-Flavor": "Google"},
            }
            for url, headers in refused.items():
                with pytest.raises(Denied):
                    await world.fetch(url, headers=headers)
            await store.commit("guard.settle", lambda _tx: None)


async def test_a_certificate_must_be_the_hosts(tmp_path: Path) -> None:
    tls, ca = certificates(tmp_path, "example.com")
    async with web_of(tls) as web:
        with store_in(tmp_path) as store:
            world = await make_world(store, web)
            with pytest.raises(Failed) as caught:
                await world.fetch("https://example.com/")  # nobody vouches for it
            assert caught.value.code == "fetch.certificate"
            world.terms(ca_file=str(ca))
            with pytest.raises(Failed) as caught:
                await world.fetch("https://example.org/")  # another's
            assert caught.value.code == "fetch.certificate"
            assert (await world.fetch("https://example.com/")).ok
            assert web.pages() == ["example.com/"]
            await store.commit("guard.settle", lambda _tx: None)


# -------------------------------------------------------------------------------------------------------- robots.txt

RULES_OF_SITE = "User-agent: *\nDisallow: /private\n\nUser-agent: remit\nDisallow: /ours\n"


async def test_robots_txt_is_kept_to_and_asked_for_once(world: World) -> None:
    world.web.answers["example.org/robots.txt"] = page(RULES_OF_SITE)
    assert (await world.fetch("http://example.org/private")).value["robots"] == "allowed"
    for number in range(3):
        with pytest.raises(Denied, match=r"robots\.txt of example\.org") as caught:
            await world.fetch(f"http://example.org/ours/{number}")
        assert caught.value.code == "guard.denied"
    assert [asked.target for asked in world.web.asked] == ["/robots.txt", "/private"]
    story = await why(world.store, str(caught.value.decision_id), workspace=WORKSPACE)
    assert '"fetch.robots":"disallowed"' in story.actions[0].row["facts"]


async def test_the_first_page_of_an_origin_is_held_to_robots_txt_as_well(world: World) -> None:
    world.web.answers["example.org/robots.txt"] = page(RULES_OF_SITE)
    action = world.action("http://example.org/ours")
    with pytest.raises(Denied, match=r"robots\.txt of example\.org") as caught:
        await world.guard.run(action)
    assert world.web.pages() == []
    story = await why(world.store, str(caught.value.decision_id), workspace=WORKSPACE)
    assert story.actions[0].row["parent"] == action.id


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        (page("", status="404 Not Found"), True),
        (page("", status="403 Forbidden"), True),
        (page("", status="429 Too Many Requests"), False),
        (page("", status="500 Internal Server Error"), False),
        (page("", status="503 Service Unavailable"), False),
        (page(""), True),
        (moved("/other.txt"), False),
        (moved("http://example.com/robots-elsewhere.txt"), False),
        (moved("http://bad.example.com/robots.txt"), False),
        (moved("http://127.0.0.1/robots.txt"), False),
        (moved("/robots.txt"), True),
        (page(b"User-agent: *\nDisallow: /\n" + b"#" * (600 << 10)), False),
        (page(b"#" * (500 << 10) + b"\nUser-agent: *\nDisallow: /\n"), True),
    ],
)
async def test_what_an_answer_for_robots_txt_means(world: World, answer: bytes, *, allowed: bool) -> None:
    world.web.answers["example.org/robots.txt"] = answer
    for place in ("example.org/other.txt", "example.com/robots-elsewhere.txt"):
        world.web.answers[place] = page("User-agent: *\nDisallow: /\n")
    if allowed:
        assert (await world.fetch("http://example.org/page")).ok
    else:
        with pytest.raises(Denied):
            await world.fetch("http://example.org/page")
    assert ("example.org/page" in world.web.pages()) is allowed
    assert {place for place, _ in world.web.dialled} == {PUBLIC}


async def test_an_origin_that_does_not_answer_is_no_refusal(world: World) -> None:
    world.web.refusing.add(PUBLIC)
    with pytest.raises(Unavailable):
        await world.fetch("http://example.org/")
    world.web.refusing.clear()
    assert (await world.fetch("http://example.org/")).ok


async def test_the_operator_decides_about_robots_txt(world: World) -> None:
    world.web.answers["example.org/robots.txt"] = page("User-agent: *\nDisallow: /\n")
    own = "use: []\n"
    await save(world.store, own, workspace=WORKSPACE, name="r.yaml", reason="mine", by=OWNER, clock=SystemClock())
    await world.guard.register.refresh(WORKSPACE)
    assert (await world.fetch("http://example.org/page")).value["robots"] == "disallowed"


# ------------------------------------------------------------------------------------------------------------ limits


async def test_requests_count_for_each_domain_hops_and_robots_txt_too(world: World) -> None:
    world.web.answers |= {"example.org/go": moved("http://example.com/")}
    for _ in range(4):
        assert (await world.fetch("http://example.org/go")).ok
    # example.org: robots.txt and 4 pages; example.com: the same.
    for _ in range(5):
        assert (await world.fetch("http://example.com/")).ok
    with pytest.raises(RateLimited) as caught:
        await world.fetch("http://example.com/")
    assert "10 fetch requests a minute for example.com" in caught.value.limit
    with pytest.raises(RateLimited) as caught:
        await world.fetch("http://example.org/go")  # the hop's own domain has none left
    assert "example.com" in caught.value.limit
    story = await why(world.store, str(caught.value.decision_id), workspace=WORKSPACE)
    assert story.actions[0].row["reason"] == "rate.exceeded"


async def test_links_are_followed_three_deep(world: World) -> None:
    assert (await world.fetch("http://example.org/", depth=3)).value["depth"] == 3
    for depth in (4, -1):
        with pytest.raises(Denied, match="links away"):
            await world.fetch("http://example.org/", depth=depth)


async def test_the_whole_fetch_has_one_bound_of_time(world: World) -> None:
    async def drip(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10000\r\n\r\n")
        while True:
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    async def stall(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async def hop(_asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.25)
        writer.write(moved("/hop"))
        await writer.drain()

    world.terms(timeout_s=0.5)
    world.guard.terms = Terms(patience=Patience(tries=4))
    for name, reply in (("drip", drip), ("stall", stall), ("hop", hop)):
        world.web.answers[f"example.org/{name}"] = reply
        pace = Pace()
        with pytest.raises(Timeout) as caught:
            await world.fetch(f"http://example.org/{name}")
        assert pace.spent() < 2
        assert caught.value.code == "fetch.timeout"
        if name != "hop":  # which goes to itself
            assert world.web.pages().count(f"example.org/{name}") <= 1, "it is not tried again at once"


async def test_names_that_never_answer_end_as_well(world: World) -> None:
    async def never(_host: str, _port: int) -> list[str]:
        await asyncio.sleep(30)
        return []

    world.terms(timeout_s=0.3)
    world.fetcher._resolve = never
    with pytest.raises(Timeout):
        await world.fetch("http://example.org/")


# ----------------------------------------------------------------------------------------------------------- answers


async def test_bodies_are_bounded_after_decompression(world: World) -> None:
    world.terms(most_bytes=100_000)
    bomb = gzip.compress(bytes(50_000_000))
    nested = gzip.compress(b"") * 6000
    plain = b"x" * 100_001
    for name, answer, code in (
        ("bomb", page(bomb, Content_Encoding="gzip"), "fetch.too_large"),
        ("deflate", page(zlib.compress(bytes(50_000_000)), Content_Encoding="deflate"), "fetch.too_large"),
        ("plain", page(plain), "fetch.too_large"),
        ("unsaid", b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n" + plain, "fetch.too_large"),
        ("members", page(nested, Content_Encoding="gzip"), "fetch.too_large"),
        ("brotli", page("x", Content_Encoding="br"), "fetch.coding"),
        ("twice", page(gzip.compress(bomb), Content_Encoding="gzip, gzip"), "fetch.coding"),
        ("broken", page(b"no gzip", Content_Encoding="gzip"), "fetch.coding"),
        ("cut", page(gzip.compress(b"text" * 99)[:-9], Content_Encoding="gzip"), "fetch.truncated"),
    ):
        world.web.answers[f"{name}.example.org/"] = answer
        with pytest.raises(Failed) as caught:
            await world.fetch(f"http://{name}.example.org/")
        assert caught.value.code == code, name
    raw = zlib.compressobj(wbits=-15)
    for name, body, coding in (
        ("gzip", gzip.compress(b"fine"), "gzip"),
        ("zlib", zlib.compress(b"fine"), "deflate"),
        ("raw", raw.compress(b"fine") + raw.flush(), "deflate"),
        ("two", gzip.compress(b"fi") + gzip.compress(b"ne") + b"rubbish", "gzip"),
    ):
        world.web.answers[f"{name}.example.org/"] = page(body, Content_Encoding=coding)
        assert (await world.fetch(f"http://{name}.example.org/")).text == "fine", name


@pytest.mark.parametrize(
    ("kind", "body", "text"),
    [
        ("text/html; charset=iso-8859-1", b"caf\xe9 \x80", "café €"),
        ("text/html", b'<meta charset="windows-1251">\xcf\xf0', '<meta charset="windows-1251">Пр'),
        ("text/html", b'<meta charset="utf-16">x', '<meta charset="utf-16">x'),
        ("text/plain", b"\xef\xbb\xbfmark", "mark"),
        ("text/plain; charset=utf-8", b"\xff\xfeh\x00i\x00", "hi"),
        ("text/plain", b"caf\xe9", "café"),
        ("text/plain; charset=unicode_escape", b"\\x41", "\\x41"),
        ("text/plain; charset=idna", b"a", "a"),
        ("application/json; charset=Shift_JIS", b"\x83\x65", "テ"),
        ("application/vnd.api+json", b"{}", "{}"),
        ("", b"plain enough", "plain enough"),
    ],
)
async def test_text_is_read_in_its_encoding(world: World, kind: str, body: bytes, text: str) -> None:
    world.web.answers["example.org/"] = page(body, kind=kind)
    assert (await world.fetch("http://example.org/")).text == text


@pytest.mark.parametrize("kind", ["application/pdf", "image/png", "application/octet-stream", "audio/x", ""])
async def test_what_is_no_text_is_not_read(world: World, kind: str) -> None:
    world.web.answers["example.org/"] = page(b"\x89PNG\0\0", kind=kind)
    with pytest.raises(Failed) as caught:
        await world.fetch("http://example.org/")
    assert caught.value.code == "fetch.content_type"
    assert (await world.fetch("http://example.org/", method="HEAD")).ok


async def test_what_a_status_means(world: World) -> None:
    world.web.answers["example.org/gone"] = page("gone", status="410 Gone")
    done = await world.fetch("http://example.org/gone")
    assert (done.ok, done.value["status"], done.text) == (False, 410, "gone")
    world.web.answers["example.org/busy"] = page("", status="503 Busy", Retry_After="7")
    with pytest.raises(Unavailable) as caught:
        await world.fetch("http://example.org/busy")
    assert caught.value.retry_after == 7
    world.web.answers["example.org/odd"] = b"SMTP ready\r\n\r\n"
    with pytest.raises(Failed) as odd:
        await world.fetch("http://example.org/odd")
    assert odd.value.code == "fetch.protocol"


async def test_what_comes_back_and_what_is_recorded_holds_no_secret(world: World) -> None:
    secret = "ghp_" + "x9K2" * 9
    world.web.answers["example.org/x?session=abc&q=1"] = page(f"the key is {secret} and ada@example.com")
    world.fetcher.clean = lambda text: text.replace("ada@example.com", "[EMAIL]")
    done = await world.fetch("http://example.org/x?session=abc&q=1")
    assert secret not in done.text
    assert done.text.endswith("and [EMAIL]")
    assert [one["url"] for one in await world.requests()][-1] == "http://example.org/x?session=[REDACTED:query]&q=1"
    assert world.rows()[0]["target"] == "http://example.org/x?session=[REDACTED:query]&q=1"
    with pytest.raises(Denied, match="carries a secret"):
        await world.fetch(f"http://example.org/?key={secret}")


async def test_a_method_that_changes_something_is_no_fetch(world: World) -> None:
    for method in ("POST", "DELETE", "CONNECT", "TRACE"):
        with pytest.raises(Denied, match="GET or HEAD"):
            await world.fetch("http://example.org/", method=method)
    assert (await world.fetch("http://example.org/", method="head")).text == ""


async def test_private_networks_are_closed_until_they_are_named(world: World) -> None:
    web = world.web
    web.names = {"wiki.example.org": [["10.1.2.3"]], "other.example.org": [["10.1.3.3"]]}
    with pytest.raises(Denied) as caught:
        await world.fetch("http://wiki.example.org/")
    assert caught.value.code == "fetch.address"
    assert "10.1.2.3" in caught.value.message
    assert "fetch_private" in caught.value.hint
    assert web.dialled == []
    world.terms(opened=read_networks("10.1.2.0/24"))
    assert (await world.fetch("http://wiki.example.org/")).value["address"] == "10.1.2.3"
    with pytest.raises(RemitError):
        await world.fetch("http://other.example.org/")
    assert {place for place, _ in web.dialled} == {"10.1.2.3"}


async def test_a_kill_switch_stops_a_fetch_that_hangs(world: World) -> None:
    async def stall(_asked: Asked, _writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(600)

    world.web.answers["example.org/"] = stall
    task = asyncio.create_task(world.fetch("http://example.org/"))
    while not world.web.pages():  # noqa: ASYNC110 - the server is not ours to wait for
        await asyncio.sleep(0.01)
    target = Target(KillScope.INSTALL)
    await kill(world.store, target, workspace=WORKSPACE, reason="drill", by=OWNER, clock=SystemClock())
    with pytest.raises(Denied) as caught:
        await asyncio.wait_for(task, 60)
    assert caught.value.code == "guard.killed"
    assert (await world.requests())[-1]["verdict"] == "cancelled"
