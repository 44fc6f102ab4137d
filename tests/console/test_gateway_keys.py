"""Virtual keys on their page: made with a token that is shown once, limited, rotated, revoked."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from remit.accounts.key_orders import create_key
from remit.accounts.key_tokens import Word
from remit.accounts.keys import Key, Keys
from remit.guard.key_overview import KeyShown, show_key
from remit.kernel.clock import SystemClock
from remit.kernel.money import usd
from remit.serve.console.pages.keys import keys

from .browser import check_page, looking
from .served import WORKSPACE, Served
from .test_home import cost


async def more(served: Served, *names: str) -> None:
    """Keys of `lantern`."""
    runtime = served.runtime
    for name in names:
        key = Key(WORKSPACE, name, "lantern", "ines")
        await create_key(
            runtime.store, key, by=runtime.owner, clock=runtime.clock, rand=secrets.token_bytes, word=Word.TEST,
            budget=usd("40"),
        )  # fmt: skip


async def some(served: Served) -> None:
    await more(served, "lint", "nightly")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("home") / "home", some).start()
    try:
        yield made
    finally:
        made.stop()


def shown(house: Served, name: str) -> KeyShown:
    return house.run(lambda runtime: runtime.store.read(lambda tx: show_key(tx, name, workspace=WORKSPACE, now_us=1)))


def holds(house: Served, token: str) -> bool:
    return house.run(lambda runtime: Keys(runtime.store, SystemClock()).find(token)) is not None


def test_a_key_from_its_making_to_its_end(browser: Browser, house: Served) -> None:
    check_page(browser, house, "/keys", name="gateway-keys")
    with looking(browser, house) as looked:
        page = looked.go("/keys")
        expect(page.locator("h1")).to_have_text("Two keys open the gateway")
        expect(page.locator("main")).to_contain_text(f"OPENAI_BASE_URL={house.url}/v1")
        offered = page.locator("#agent").inner_text().split()
        assert ("mason" in offered, "coder" in offered) == (True, False), "only those that a key is of use for"
        page.locator("#name").fill("ci")
        page.locator("#agent").select_option("mason")
        page.locator("#models").fill("acme/*")
        page.get_by_role("button", name="Make this key").press("Enter")
        token = page.inner_text("pre.once").strip()
        assert holds(house, token)
        page.get_by_role("link", name="Go on").click()
        assert token not in page.content()
        row = page.locator("tr", has=page.locator("td", has_text=re.compile(r"^ci")))
        row.locator("summary").click()
        row.get_by_label("Requests a minute").fill("30")
        row.get_by_label("Dollars a month").fill("12.50")
        row.get_by_role("button", name="Set limits").click()
        expect(page.locator("h1")).to_have_text("The key's limits are set")
        found = shown(house, "ci")
        assert [each.limit_micros for each in found.budgets] == [12_500_000]
        assert [limit.amount for limit in found.limits] == [30]
        row.locator("summary").click()
        row.get_by_label("Requests a minute").fill("")
        row.get_by_label("Dollars a month").fill("")
        row.get_by_role("button", name="Set limits").click()
        expect(page.locator("h1")).to_have_text("The key's limits are set")
        found = shown(house, "ci")
        assert (list(found.budgets), list(found.limits)) == ([], [])
        row.locator("summary").click()
        row.get_by_role("button", name="Give it a new token").click()
        renewed = page.inner_text("pre.once").strip()
        assert (holds(house, renewed), holds(house, token)) == (True, False)
        page.get_by_role("link", name="Go on").click()
        row.locator("summary").click()
        row.get_by_label("Why it ends").fill("no more")
        row.get_by_role("button", name="Revoke for good").click()
        expect(page.locator("h1")).to_have_text("The key is revoked")
        assert row.count() == 0
        assert not holds(house, renewed)
        looked.quiet()


def test_who_may_not_gets_no_token(browser: Browser, house: Served) -> None:
    with looking(browser, house, who="tomas") as looked:
        page = looked.go("/keys")
        page.locator("#name").fill("mine")
        page.get_by_role("button", name="Make this key").click()
        expect(page.locator("main")).to_contain_text("may not admin")
        assert page.locator("pre.once").count() == 0


def test_it_takes_a_fixed_number_of_statements(house: Served) -> None:
    before = cost(house, keys)
    house.run(lambda _: more(house, "a", "b", "c"))
    assert cost(house, keys) == before
    assert before <= 20
