"""Who used which secret: names and never values, on a page."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from remit.guard.secrets_use import Used, trying, using
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.effects import Fetch
from remit.kernel.ids import new_id
from remit.serve.console.pages.secrets_log import SIZE, secrets

from .browser import check_page, looking
from .served import WORKSPACE, Served
from .test_home import cost

HOSTILE = 'key"><script>alert(1)</script>\u202etxt'


async def use(served: Served, name: str, *, agent: str = "quill", denied: bool = False) -> None:
    """A use, or a denied try, as the guard writes it."""
    who, owner = Principal(ActorKind.AGENT, agent), Principal(ActorKind.USER, "priya")
    action = Action(
        id=new_id(), effect=Fetch("https://records.example.org"), principal=who, on_behalf_of=owner,
        workspace=WORKSPACE, effect_key=f"test/{new_id()}",
    )  # fmt: skip
    now_us = micros_of(served.runtime.clock.now())
    op = (
        trying(action, [name], reason="secrets.denied", now_us=now_us)
        if denied
        else using(action, [Used(name, "1", "file")], now_us=now_us)
    )
    await served.runtime.store.commit("guard.intent", op)


async def some(served: Served) -> None:
    for _ in range(SIZE + 5):
        await use(served, "registry-token")
    await use(served, "broker-key", agent="lantern", denied=True)
    await use(served, HOSTILE)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("home") / "home", some).start()
    try:
        yield made
    finally:
        made.stop()


def test_the_page_names_who_used_what(browser: Browser, house: Served) -> None:
    check_page(browser, house, "/secrets")
    with looking(browser, house) as looked:
        page = looked.go("/secrets")
        log = page.locator("section", has=page.locator("#h-log"))
        assert log.locator("tbody tr").count() == SIZE
        expect(log.locator("tbody tr").first).to_contain_text('key"><script>alert(1)</script>[U+202E]txt')
        expect(log.locator("tbody tr").nth(1)).to_contain_text("lantern for priya")
        expect(log.locator("tbody tr").nth(1)).to_contain_text("no rule lets it")
        assert log.locator("tbody tr").nth(1).locator("a[href^='/audit/']").count() == 1
        expect(page.locator("section", has=page.locator("#h-odd"))).to_contain_text("was denied it")
        log.get_by_role("link", name="Next").click()
        assert log.locator("tbody tr").count() == 7
        page.goto(f"{house.url}/secrets?denied=1")
        assert log.locator("tbody tr").count() == 1
        found = page.request.get(f"{house.url}/secrets.json").json()
        first = found["uses"][0]
        assert (first["secret"], first["uses"]) == ("registry-token", SIZE + 5)
        looked.quiet()


def test_it_takes_a_fixed_number_of_statements(house: Served) -> None:
    before = cost(house, secrets)
    house.run(lambda _: use(house, "another"))
    assert cost(house, secrets) == before
    assert before <= 20
