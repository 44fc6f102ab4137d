"""The journey of somebody whose program asks models: a key, its use, its cost, its budget, its end."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import openai
import pytest
from playwright.sync_api import Browser, expect

from remit.testing.drill import until
from remit.testing.model_server import ModelServer, Reply

from .install import Install

MODEL = "openai/gpt-4o"


def test_a_key_from_its_making_to_its_end(  # noqa: PLR0915 - one journey
    browser: Browser, tmp_path: Path
) -> None:
    """Made on the page, used by the openai SDK, paid for, kept to its budget, renewed, revoked."""
    with ModelServer() as provider, Install(tmp_path) as install:
        install.remit("providers", "add", "openai", "--kind", "openai", "--base-url", f"{provider.url}/v1")
        install.remit("models", "price", MODEL, "--input", "1000", "--output", "1000")
        install.remit("agents", "register", "laptop", "--kind", "client", "--effect", "model", "--model", "openai/*")

        def ask(token: str) -> str:
            provider.say(Reply(text="Four.", tokens_in=100, tokens_out=900))
            with openai.OpenAI(base_url=f"{install.url}/v1", api_key=token, max_retries=0) as client:
                told = client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": "How many?"}], max_tokens=900
                )
            return told.choices[0].message.content or ""

        with install.person(browser) as owner:
            page = owner.go("/keys")
            expect(page.locator("main")).to_contain_text("No keys open the gateway")
            page.locator("#name").fill("ci")
            page.locator("#agent").select_option("laptop")
            page.locator("#models").fill("openai/*")
            page.locator("#budget").fill("1.50")
            page.get_by_role("button", name="Make this key").press("Enter")
            token = page.inner_text("pre.once").strip()
            page.get_by_role("link", name="Go on").click()
            assert token not in page.content(), "shown once"
            row = page.locator("tr", has=page.locator("td", has_text=re.compile(r"^ci")))

            assert ask(token) == "Four."
            # The answer is there before what it cost is booked.
            until(lambda: "$1.00 of $1.50" in owner.go("/keys").inner_text("main"), what="what the call cost")
            expect(owner.go("/spend").locator("main")).to_contain_text("$1.00")
            (used,) = install.remit("usage", "--by", "key")["usage"]
            assert used["key"] == "ci", used
            seen = provider.count
            with pytest.raises(openai.APIStatusError) as over:
                ask(token)
            assert over.value.status_code == 402
            assert provider.count == seen, "what is not paid for is not asked"

            page = owner.go("/keys")
            row.locator("summary").click()
            row.get_by_label("Dollars a month").fill("12.50")
            row.get_by_label("Requests a minute").fill("30")
            row.get_by_role("button", name="Set limits").click()
            expect(page.locator("h1")).to_have_text("The key's limits are set")
            assert ask(token) == "Four."
            row.locator("summary").click()
            row.get_by_role("button", name="Give it a new token").click()
            renewed = page.inner_text("pre.once").strip()
            page.get_by_role("link", name="Go on").click()
            assert ask(renewed) == "Four."

            def refused(which: str) -> bool:
                try:
                    ask(which)
                except openai.AuthenticationError:
                    return True
                return False

            until(lambda: refused(token), what="the end of the old token")
            row.locator("summary").click()
            row.get_by_label("Why it ends").fill("no more")
            row.get_by_role("button", name="Revoke for good").click()
            expect(page.locator("h1")).to_have_text("The key is revoked")
            assert row.count() == 0, page.inner_text("main")
            until(lambda: refused(renewed), what="the end of the key")
            expect(owner.go("/keys?all=1").locator("tr", has_text="ci").first).to_contain_text("revoked")
        with closing(sqlite3.connect(f"file:{install.home}/remit.db?mode=ro", uri=True)) as store:
            for (state,) in store.execute("SELECT DISTINCT state FROM action WHERE kind = 'model'"):
                assert state in {"ok", "refused"}
            whole = "".join(store.iterdump())
        assert not any(one in whole for one in (token, renewed)), "only their hashes are kept"
        install.whole()
