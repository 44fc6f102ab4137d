"""The page about models: how each is, breakers reset with a reason, a provider paused, who would be asked."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect
from sqlalchemy import insert, select

from remit.guard.breakers import Order
from remit.guard.breakers import move as circuit
from remit.kernel.ports import Tx
from remit.models.catalogue import Provider, ProviderKind
from remit.models.orders import SetProvider, order
from remit.models.orders_listing import SetAlias, SetDeployment
from remit.models.tables import HEALTH
from remit.serve.console.pages.models import models

from .browser import check_page, looking
from .money import HOSTILE, call
from .served import WORKSPACE, Served
from .test_home import cost


async def asked(served: Served) -> None:
    """Two providers, three models: one answers well, one fails often, one is kept away from."""
    runtime = served.runtime
    changes = [
        SetProvider(Provider(WORKSPACE, "house", ProviderKind.COMPATIBLE, "http://127.0.0.1:8000/v1")),
        SetProvider(
            Provider(WORKSPACE, "spare", ProviderKind.OPENAI, "http://127.0.0.1:8001/v1", "secret://spare-key")
        ),
        SetDeployment("smart", "house", "our-70b"),
        SetDeployment("smart", "spare", "gpt-4o", order=1),
        SetDeployment("quick", "house", "our-7b"),
        SetAlias("default", "smart"),
    ]
    await order(runtime.store, changes, workspace=WORKSPACE, by=runtime.owner, clock=runtime.clock)
    health = runtime.models.health
    for number in range(40):
        health.observe(WORKSPACE, "house/our-70b", 0.25, 1.0 + number / 40)
        health.observe(WORKSPACE, "house/our-7b", 0.1, 0.4, "timeout" if number % 3 == 0 else "")
    health.observe(WORKSPACE, f"house/{HOSTILE}", None, 1.0, "refused")
    await health.flush(runtime.store, closing=True)

    def earlier(tx: Tx) -> None:
        """A model that was asked ten and twenty minutes ago as well, so that there is a line to draw."""
        row = tx.rows(select(HEALTH).where(HEALTH.c.target == "house/our-70b"))[0]
        for minutes in (0, 10, 20):
            at_us = row["minute_us"] - minutes * 60_000_000
            tx.execute(insert(HEALTH), {**row, "target": "elsewhere/steady", "minute_us": at_us})

    await runtime.store.commit("models.health", earlier)
    await call(served, "our-70b", provider="house", cost="0.40")
    held = Order(WORKSPACE, "model", "spare/gpt-4o")
    await circuit(runtime.store, held, opened=True, reason="it answers nonsense", by=runtime.owner, clock=runtime.clock)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    made = Served(tmp_path_factory.mktemp("home") / "home", asked).start()
    try:
        yield made
    finally:
        made.stop()


def test_the_page(browser: Browser, house: Served) -> None:
    check_page(browser, house, "/models?model=smart", name="models")
    with looking(browser, house) as looked:
        page = looked.go("/models?model=smart")
        assert page.locator("section", has=page.locator("#h-late")).locator("figure.drawn canvas").count() >= 1
        found = page.request.get(f"{house.url}/models.json").json()
        rows = {row["target"]: row for row in found["models"]}
        assert (rows["house/our-70b"]["word"], rows["house/our-70b"]["times"]["calls"]) == ("answers", 40)
        assert (rows["house/our-7b"]["word"], rows["house/our-7b"]["times"]["errors"]) == ("failing", 14)
        assert rows["spare/gpt-4o"]["word"] == "breaker open"
        assert rows["house/our-70b"]["cost_micros"] == 400_000
        assert rows["spare/gpt-4o"]["price"] == "$2.50 in, $10.00 out"
        expect(page.locator("h1")).to_have_text("One breaker is open")
        expect(page.locator("section", has=page.locator("#h-route"))).to_contain_text("1. house/our-70b (smart)")
        expect(page.locator("main")).to_contain_text("[U+202E]txt[U+200B]<img src=x onerror=alert(2)>")
        assert page.locator("main script, main img").count() == 0
        looked.quiet()


def test_a_breaker_is_reset_and_a_provider_paused(browser: Browser, house: Served) -> None:
    with looking(browser, house) as looked:
        page = looked.go("/models")
        page.get_by_label("Why it may be asked again").fill("their status page is green")
        page.get_by_role("button", name="Reset").click()
        expect(page.locator("h1")).to_have_text("The breaker is closed")
        assert page.locator("#h-brk").count() == 0
        row = page.locator("section", has=page.locator("#h-prov")).locator("tr", has_text="spare")
        row.locator("summary").click()
        expect(row).to_contain_text("No call goes to it until it is resumed")
        button = row.get_by_role("button", name="Ask it no more").bounding_box()
        assert button is not None
        assert button["x"] + button["width"] < 1440, "whole, beside a long address too"
        row.get_by_label("Why").fill("too dear")
        row.get_by_role("button", name="Ask it no more").click()
        expect(page.locator("h1")).to_have_text("The provider is paused")
        expect(row).to_contain_text("paused")
        looked.quiet()
    with looking(browser, house, who="tomas") as looked:
        page = looked.go("/models")
        row = page.locator("section", has=page.locator("#h-prov")).locator("tr", has_text="spare")
        row.locator("summary").click()
        row.get_by_label("Why").fill("I want it")
        row.get_by_role("button", name="Ask it again").click()
        expect(page.locator("main")).to_contain_text("may not admin")


def test_it_takes_a_fixed_number_of_statements(house: Served) -> None:
    before = cost(house, models)
    for number in range(3):
        house.run(lambda _, number=number: call(house, f"more-{number}", cost="0.01"))
    assert cost(house, models) == before
    assert before <= 25
