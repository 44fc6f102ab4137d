"""Every form that is refused comes back as it was sent: from a table that fails when a form has no row.

What was typed stands in the form again (never what is secret), the reason stands beside its field, which is marked and
has the focus. Plain HTTP, so without scripts; one home, one reader of pages.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest

from remit.accounts.agents import Agent, register_agent
from remit.accounts.break_glass import Lift, Lifts, request_glass
from remit.accounts.entrance import Visit
from remit.accounts.invitations import invite
from remit.accounts.key_orders import create_key
from remit.accounts.key_tokens import Word
from remit.accounts.keys import Key
from remit.accounts.kills import KillScope, Target, kill
from remit.accounts.links import make_link, use_link
from remit.accounts.roles import Role
from remit.accounts.sessions import SessionKind, person_of
from remit.accounts.signing_in import sign_in
from remit.accounts.teams import Team, create_team
from remit.accounts.telemetry import turn
from remit.accounts.telemetry_events import say
from remit.accounts.totp import begin_factor, confirm_factor
from remit.guard.breakers import Order as Circuit
from remit.guard.breakers import move as circuit
from remit.guard.rules.revisions import save
from remit.kernel.clock import micros_of
from remit.kernel.effects import Order
from remit.kernel.mission import Outcome
from remit.models.cache_rows import NOBODY, Place, put
from remit.models.catalogue import Provider, ProviderKind
from remit.models.orders import SetProvider, order
from remit.serve import console
from remit.serve.console.pages import FORMS

from .served import WORKSPACE, Served

SHOP = "remit.testing.shop:PACK"
TEMPLATES = Path(console.__file__).parent / "templates"
FORM = re.compile(r'<form\b[^>]*action="([^"]+)" method="post"[^>]*>(.*?)</form>', re.DOTALL)
HOUR_US = 3_600_000_000
GOOD = "three quiet lanterns drift"
HOSTILE = 'kept <b>as typed</b> "and" \u202egnp.exe'
SHOWN = HOSTILE.replace("\u202e", "[U+202E]")
#: For forms that are buttons: there is nothing to type, so nothing to lose.
BUTTON = None


@dataclass(frozen=True)
class Row:
    """A refusal: where the form stands, what is typed into it, and the field that is told of; ``""``: the form."""

    page: str
    typed: Mapping[str, str]
    field: str
    status: int = 422
    who: str = "ada"
    of: Mapping[str, str] = field(default_factory=dict)  # hidden fields that tell forms of one address apart
    secret: frozenset[str] = frozenset()


REASON = {"reason": "   "}
ROWS: Mapping[str, Row | None] = {
    "/approvals/{request}/decision": Row(
        "/approvals/{request}", {"decision": "approve", "reason": HOSTILE}, "seen", who="ines"
    ),
    "/missions/{failed}/resume": Row("/missions/{failed}", {"from_step": "begin", "drift": "whatever"}, "drift"),
    "/missions/{failed}/rollback": Row("/missions/{failed}", {"to": "step:nowhere"}, "to", 404),
    "/missions/{failed}/branch": Row("/missions/{failed}", {"from_step": ""}, "from_step"),
    "/missions/{id}/cancel": BUTTON,
    "/approvals/delegations": Row(
        "/approvals/delegations", {"taker": "priya", "days": "400", "reason": HOSTILE}, "days"
    ),
    "/approvals/delegations/end": BUTTON,
    "/missions/{done}/deploy": Row(
        "/missions/{done}/deploy?target={site}", {"smoke": "test 'not closed", "keep": "7"}, "smoke"
    ),
    "/missions/{id}/deploy/back": BUTTON,
    "/missions/{done}/deploy/review": Row("/missions/{done}/deploy?target={site}", REASON, "reason"),
    "/missions/new": Row(
        "/missions/new?preset=build",
        {"do": "order", "name": "a/b", "budget": "3", "priority": "high", "input": f"# {HOSTILE}\n"},
        "name",
    ),
    "/queue/{queued}/priority": Row("/queue", {"priority": "urgent"}, "priority"),
    "/queue/pause": Row("/queue", REASON, "reason"),
    "/stop/set": Row("/stop", {"target": "", "mode": "pause", "reason": HOSTILE}, "target"),
    "/stop/lift": Row("/stop", REASON, "reason", of={"target": "agent:quill"}),
    "/break-glass": Row(
        "/break-glass", {"what": "stop:agent mover", "whom": "agent:mover", "minutes": "30", "reason": HOSTILE},
        "what", 404,
    ),
    "/break-glass/{glass}/confirm": Row("/break-glass", {}, "seen", who="priya"),
    "/break-glass/{glass}/close": Row("/break-glass", REASON, "reason"),
    "/agents/register": Row(
        "/agents/new",
        {"name": "Not A Word", "kind": "coder", "owner": "ines", "effects": "model", "models": "a/*", "spend": "4"},
        "name",
    ),
    "/agents/{agent}/change": Row("/agents/{agent}", {"effects": "order modle", "kind": "mover"}, "effects"),
    "/agents/{agent}/retire": Row("/agents/{agent}", REASON, "reason"),
    "/policy/edit": Row("/policy/edit", {"do": "save", "text": "rules: [", "reason": HOSTILE}, "text"),
    "/policy/try": Row("/policy/try", {"text": f"kind: [\n# {HOSTILE}"}, "text"),
    "/policy/restore": Row("/policy?since=1", REASON, "reason"),
    "/policy/gateway": Row("/policy", {}, ""),
    "/breakers": Row(
        "/breakers", {"kind": "fetch", "operation": "", "reason": HOSTILE}, "operation", of={"to": "open"}
    ),
    "/audit/verify": BUTTON,
    "/audit/export": Row("/audit", {"from": "yesterday", "format": "csv"}, "from"),
    "/spend/budgets": Row("/spend", {"whose": "workspace:", "amount": "a lot", "period": "month"}, "amount"),
    "/spend/budgets/remove": BUTTON,
    "/models/reset": Row("/models", REASON, "reason", of={"target": "spare/gpt-4o"}),
    "/models/providers/move": Row("/models", REASON, "reason", of={"provider": "spare"}),
    "/keys": Row(
        "/keys",
        {
            "name": "Not A Word", "agent": "mason", "owner": "ines", "models": "acme/*", "scope-openai": "on",
            "addresses": "192.0.2.0/24", "days": "30", "budget": "12.50",
        },
        "name",
    ),
    "/keys/{key}/revoke": Row("/keys", {"reason": HOSTILE}, "", 409),
    "/keys/{open}/limits": Row("/keys", {"requests": "60", "tokens": "many", "budget": "7"}, "tokens"),
    "/keys/{id}/rotate": BUTTON,
    "/people/{person}/role": Row("/people", {"role": "king"}, "role"),
    "/people/{user}/remove": BUTTON,
    "/people/{user}/sign-out": BUTTON,
    "/people/teams": Row("/people", {"team": "Not A Word", "name": "Film"}, "team"),
    "/people/teams/{team}/members": Row("/people", {"role": "king"}, "role", of={"user": "ada"}),
    "/people/invitations/{id}/revoke": BUTTON,
    "/people/{user}/link": BUTTON,
    "/people/invite": Row("/people", {"email": "nobody at all", "role": "viewer"}, "email", of={"team": "crew"}),
    "/account/password": Row(
        "/account", {"current": "not it at all", "new": "seven loud kettles dance"}, "current", who="ines",
        secret=frozenset({"current", "new"}),
    ),
    "/account/factor": Row(
        "/account", {"password": "not it at all"}, "password", who="ines", secret=frozenset({"password"})
    ),
    "/account/factor/confirm": Row("/account", {"code": "000000"}, "code", who="ines", secret=frozenset({"code"})),
    "/account/factor/off": Row(
        "/account", {"password": "not it at all"}, "password", who="priya", secret=frozenset({"password"})
    ),
    "/account/sessions/end": BUTTON,
    "/account/sessions/{id}/end": BUTTON,
    "/account/api-keys": Row(
        "/account", {"name": "nightly", "scope-write": "on", "days": "999"}, "days", who="ines"
    ),
    "/account/api-keys/{id}/revoke": BUTTON,
    "/account/join": Row("/account", {"token": "not-a-token-of-anything"}, "token", 403),
    "/database/answers": Row("/database", REASON, "reason"),
    "/database/responses": BUTTON,
    "/telemetry/switches": Row("/telemetry", REASON, "reason", of={"switch": "telemetry"}),
    "/telemetry/forget": Row("/telemetry", REASON, "reason"),
    "/telemetry/feedback": Row("/telemetry", {"rating": "", "comment": HOSTILE}, "rating"),
}  # fmt: skip
#: Before anybody is known. Nothing says there whether a name, a password or a link was wrong.
STRANGERS: Mapping[str, Row] = {
    "/sign-in": Row(
        "/sign-in", {"user": HOSTILE, "password": "not it at all"}, "password", 401, "", secret=frozenset({"password"})
    ),
    "/set-up": Row(
        "/set-up", {"token": "not-a-token-of-anything", "password": GOOD}, "token", 401, "",
        secret=frozenset({"password"}),
    ),
    "/join": Row(
        "/join", {"token": "not-a-token-of-anything", "user": "zoe", "name": HOSTILE, "password": "short"}, "password",
        422, "", secret=frozenset({"password"}),
    ),
}  # fmt: skip


@dataclass
class Tag:
    """An element of a page."""

    name: str
    of: dict[str, str | None]
    form: Tag | None
    text: str = ""
    options: list[Tag] = field(default_factory=list)

    @property
    def value(self) -> str | None:
        """What would be sent of it."""
        if self.name == "textarea":
            return self.text.removeprefix("\n")
        if self.name == "select":
            chosen = [one for one in self.options if "selected" in one.of] or self.options[:1]
            return chosen[0].of.get("value", chosen[0].text) if chosen else None
        if self.of.get("type") in {"checkbox", "radio"} and "checked" not in self.of:
            return None
        return self.of.get("value") or ("on" if self.of.get("type") == "checkbox" else "")


class Reader(HTMLParser):
    """The elements of a page in their order, each with its text and the form that it stands in."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[Tag] = []
        self._open: list[Tag] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        forms = [one for one in self._open if one.name == "form"]
        one = Tag(tag, dict(attrs), forms[-1] if forms else None)
        self.tags.append(one)
        if tag == "option":
            for outer in [each for each in self._open if each.name == "select"]:
                outer.options.append(one)
        if tag not in {"input", "meta", "link", "br", "hr", "img"}:
            self._open.append(one)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop().name != tag:
            pass

    def handle_data(self, data: str) -> None:
        for one in self._open:
            one.text += data

    def form(self, action: str, of: Mapping[str, str]) -> Tag | None:
        """The form at an address, whose hidden fields are so."""
        for form in self.tags:
            where = (form.of.get("action") or "").partition("#")[0]
            if form.name == "form" and form.of.get("method") == "post" and where == action:
                known = {one.of.get("name"): one.of.get("value") for one in self.inside(form)}
                if of.items() <= known.items():
                    return form
        return None

    def inside(self, form: Tag) -> list[Tag]:
        return [one for one in self.tags if one.form is form and one.name in {"input", "select", "textarea"}]

    def named(self, form: Tag, name: str) -> list[Tag]:
        return [one for one in self.inside(form) if one.of.get("name") == name]


class House(Served):
    """A home in which every form can be seen."""

    names: dict[str, str]
    site: Path

    def adapters(self) -> dict[str, Any]:
        given = super().adapters()
        del given["deploy"]  # a folder is really looked at
        return given


async def furnish(served: Served) -> None:
    """Something of everything that a form is about."""
    assert isinstance(served, House)
    runtime, clock = served.runtime, served.runtime.clock
    store, entrance, ada = runtime.store, runtime.entrance, runtime.owner
    for name in ("ines", "priya"):
        link = await make_link(entrance, name, workspace=WORKSPACE, by=ada)
        await use_link(entrance, link.token, GOOD, visit=Visit("192.0.2.7"))
    await sign_in(entrance, "ines", GOOD, workspace=WORKSPACE, visit=Visit("192.0.2.9"), kind=SessionKind.CONSOLE)
    await begin_factor(entrance, workspace=WORKSPACE, by=person_of("ines"))
    priya = person_of("priya")
    begun = await begin_factor(entrance, workspace=WORKSPACE, by=priya)
    code = pyotp.TOTP(begun.secret).at(clock.now())
    await confirm_factor(entrance, code, workspace=WORKSPACE, by=priya)
    await create_team(store, Team(WORKSPACE, "crew", "The crew"), by=ada, clock=clock)
    await invite(
        store, "crew", workspace=WORKSPACE, email="zoe@example.org", role=Role.MEMBER, by=ada, clock=clock,
        rand=entrance.rand,
    )  # fmt: skip
    agent = Agent(WORKSPACE, "mover", "ines", kind="worker", effects=frozenset({"order"}))
    await register_agent(store, agent, by=ada, clock=clock)
    mask = runtime.redactor.mask
    stopped = Target(KillScope.AGENT, "quill")
    await kill(store, stopped, workspace=WORKSPACE, reason="a look", by=ada, clock=clock, mask=mask)
    for name in ("ended", "open"):
        key = Key(WORKSPACE, name, "mason", "ines")
        await create_key(store, key, by=ada, clock=clock, rand=secrets.token_bytes, word=Word.TEST)
    provider = Provider(WORKSPACE, "spare", ProviderKind.COMPATIBLE, "http://127.0.0.1:8001/v1")
    await order(store, [SetProvider(provider)], workspace=WORKSPACE, by=ada, clock=clock)
    held = Circuit(WORKSPACE, "model", "spare/gpt-4o")
    await circuit(store, held, opened=True, reason="nonsense", by=ada, clock=clock)
    for switch in ("telemetry", "feedback"):
        await turn(store, switch, on=True, workspace=WORKSPACE, reason="a look", by=ada, clock=clock)
    await say(
        store, "good", rating=4, about="", surface="console", workspace=WORKSPACE, by=ada,
        settings=runtime.settings, clock=clock, mask=mask,
    )  # fmt: skip
    now_us = micros_of(clock.now())
    place, answer = Place(WORKSPACE, "ab" * 32, "spare/gpt-4o", "openai", NOBODY), Outcome(ok=True, text="yes")
    await store.commit(
        "models.cache", lambda tx: put(tx, place, answer, now_us=now_us, until_us=now_us + HOUR_US, most=1_000_000)
    )
    shop = await runtime.missions.create(WORKSPACE, SHOP, b'{"greeting": "hello"}', name="shop.json", originator=ada)
    await runtime.missions.run(WORKSPACE, shop)
    await save(store, "use: []\n# two\n", workspace=WORKSPACE, name="rules.yaml", reason="two", by=ada, clock=clock)
    served.names = {
        "request": await served.asked(Order("broker-gateway", {"mode": "real", "quantity": 4})),
        "failed": await served.mission("fail"),
        "done": shop,
        "queued": await served.mission("work", run=False),
        "glass": await request_glass(
            store, Lift(Lifts.STOP, "agent quill", KillScope.AGENT, "quill", 5), workspace=WORKSPACE, reason="a look",
            by=person_of("tomas"), clock=clock,
        ),
        "agent": "mover", "key": "ended", "open": "open", "person": "vera", "team": "crew",
        "site": str(served.site),
    }  # fmt: skip


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("forms")
    site = folder / "srv" / "site"
    site.mkdir(parents=True, mode=0o755)
    made = House(folder / "home", furnish, deploy_roots=str(folder / "srv"))
    made.site = site
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def client(house: House) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=house.url, timeout=60) as made:
        yield made


def shape(path: str) -> str:
    """An address without the names of what stands in it."""
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))


def test_every_form_has_a_row() -> None:
    assert {shape(path) for path in ROWS} == {shape(form.path) for form in FORMS}
    assert len(ROWS) == len(FORMS)


@pytest.mark.parametrize("path", [path for path, row in ROWS.items() if row is not BUTTON])
def test_a_refused_form_comes_back_as_it_was_sent(house: House, client: httpx.Client, path: str) -> None:
    row = ROWS[path]
    assert row is not None
    client.cookies.clear()
    client.cookies.set("remit_session", f"session-of-{row.who}")
    _check(client, path.format(**house.names), row, row.page.format(**house.names))


@pytest.mark.parametrize("path", STRANGERS)
def test_so_does_a_strangers(client: httpx.Client, path: str) -> None:
    client.cookies.clear()
    _check(client, path, STRANGERS[path], STRANGERS[path].page)


def test_a_button_has_nothing_to_lose() -> None:
    """What has no row has no field, or one that can't be wrong: whoever gives such a form one has to add a row."""
    buttons = {shape(path) for path, row in ROWS.items() if row is BUTTON}
    seen: set[str] = set()
    for template in TEMPLATES.glob("*.html"):
        for action, inside in FORM.findall(template.read_text()):
            where = re.sub(r"\{\{.*?\}\}", "{}", action)
            if where in buttons:
                seen.add(where)
                shown = re.findall(r'<(?:input|select|textarea)(?! type="hidden")[^>]* name="(\w+)"', inside)
                assert shown == (["overlap"] if where == "/keys/{}/rotate" else []), where
    assert seen == buttons


def _check(client: httpx.Client, action: str, row: Row, page: str) -> None:
    before = Reader(client.get(page).text)
    form = before.form(action, row.of)
    assert form is not None, f"{page} has no form {action}"
    hidden = {
        str(one.of["name"]): one.of.get("value") or "" for one in before.inside(form) if one.of.get("type") == "hidden"
    }
    if row.status == httpx.codes.CONFLICT:
        client.post(action, data={**hidden, **row.typed})  # somebody else was quicker
    answer = client.post(action, data={**hidden, **row.typed})
    assert answer.status_code == row.status, answer.text
    after = Reader(answer.text)
    focused = [one for one in after.tags if "autofocus" in one.of]
    assert len(focused) == 1, [(one.name, one.of) for one in focused]
    for name in row.secret:
        assert row.typed[name] not in answer.text, name
    again = after.form(action, row.of)
    if again is None or not row.field:
        assert focused[0].of["id"] == "problem"
        for text in row.typed.values():
            assert again is not None or text.replace("\u202e", "[U+202E]") in focused[0].text
        return
    _kept(after, again, row)
    (wrong, *_) = after.named(again, row.field)
    assert focused == [wrong]
    assert wrong.of["aria-invalid"] == "true"
    ids = (wrong.of["aria-describedby"] or "").split()
    told = [one for one in after.tags if one.of.get("id") == ids[0]]
    assert len(told) == 1
    assert len(told[0].text.strip()) > 8
    assert set(ids) <= {one.of.get("id") for one in after.tags}
    assert not [one for one in after.tags if one.of.get("id") == "problem"] or ids[0] == "problem"


def _kept(read: Reader, form: Tag, row: Row) -> None:
    for name, text in row.typed.items():
        for one in read.named(form, name):
            offered: Sequence[str | None] = [each.of.get("value", each.text) for each in one.options]
            if one.of.get("type") == "radio":
                assert ("checked" in one.of) == (one.of["value"] == text), name
            elif name in row.secret:
                assert not one.value
            elif one.name != "select" or text in offered:
                assert one.value == text.replace("\u202e", "[U+202E]"), name
    for one in read.inside(form):
        if one.of.get("type") == "checkbox":
            assert ("checked" in one.of) == (one.of["name"] in row.typed), one.of
