"""Nonces: each response has its own, a fragment's elements work after the swap, and markup without one does nothing."""

import re

from playwright.sync_api import Browser, expect

from remit.kernel.effects import Order
from remit.serve.console.pages import PAGES

from .browser import looking, settled
from .served import Served


def nonce_of(headers: dict[str, str]) -> str:
    found = re.search(r"'nonce-([^']+)'", headers["content-security-policy"])
    assert found is not None
    return found[1]


def test_every_response_has_a_nonce_and_a_policy_of_its_own(browser: Browser, served: Served) -> None:
    with looking(browser, served) as looked:
        answers = [looked.page.request.get(f"{served.url}{path}") for path in ("/", "/", "/approvals", "/stop", "/no")]
        nonces = [nonce_of(answer.headers) for answer in answers]
        assert len(set(nonces)) == len(nonces)
        for answer, nonce in zip(answers, nonces, strict=True):
            assert "require-trusted-types-for 'script'; trusted-types htmx" in answer.headers["content-security-policy"]
            assert answer.headers["cache-control"] == "no-store"
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert set(re.findall(r'nonce="([^"]*)"', answer.text())) <= {nonce}


def test_a_fragment_has_a_fresh_nonce_and_its_link_works(browser: Browser, served: Served) -> None:
    with looking(browser, served) as looked:
        page = looked.go("/approvals")
        first = page.request.get(f"{served.url}/approvals", headers={"Remit-Stamp": "another"})
        second = page.request.get(f"{served.url}/approvals", headers={"Remit-Stamp": "another"})
        assert nonce_of(first.headers) != nonce_of(second.headers)
        served.ask(Order("broker-gateway", {"mode": "real", "quantity": 4711}))
        page.evaluate("htmx.trigger('#changes', 'remit:look')")
        page.locator("#fresh a").click()
        expect(page.locator("h1")).to_contain_text("wait for you")
        looked.quiet()


def test_markup_without_the_pages_nonce_asks_for_nothing(browser: Browser, served: Served) -> None:
    """Were somebody's text ever to become markup, it would be inert: htmx strips it, the policy stops the rest."""
    with looking(browser, served) as looked:
        page = looked.go("/approvals")
        settled(page)
        before = len(looked.asked)
        page.evaluate(
            """() => {
              const plant = (text) => {
                const holder = document.createElement('div');
                for (const [name, value] of Object.entries(text)) holder.setAttribute(name, value);
                document.querySelector('main').append(holder);
                htmx.process(holder);
              };
              plant({'hx-get': '/stop', 'hx-trigger': 'load'});
              plant({'hx-get': '/stop', 'hx-trigger': 'load', 'hx-nonce': 'guessed'});
              plant({'data-hx-get': '/stop', 'hx-trigger': 'load'});
              // With the page's own nonce: the last to be processed, so that the others had their turn.
              const holder = document.createElement('div');
              const real = document.getElementById('changes');
              for (const [name, value] of Object.entries({
                'hx-get': '/approvals', 'hx-trigger': 'load', 'hx-swap': 'none', 'data-planted': 'live',
                'hx-nonce': real.getAttribute('hx-nonce') || real.nonce,
              })) holder.setAttribute(name, value);
              holder.addEventListener('htmx:after:request', () => holder.setAttribute('data-answered', 'yes'));
              document.querySelector('main').append(holder);
              htmx.process(holder);
            }"""
        )
        expect(page.locator("[data-planted=live]")).to_have_attribute("data-answered", "yes")
        assert [url for url in looked.asked[before:] if url.endswith("/stop")] == []
        for writes in ("document.body.innerHTML = '<b>x</b>'", "document.body.setAttribute('onclick', 'alert(1)')"):
            refused = f"() => {{ try {{ {writes}; return false }} catch (error) {{ return true }} }}"
            assert page.evaluate(refused), f"trusted types let anybody do this: {writes}"
        assert page.locator("h1").count() == 1
        stopped = [text for text in looked.complaints if "hx-csp" in text]
        assert len(stopped) >= 2


def test_hidden_columns_have_hidden_heads(browser: Browser, served: Served) -> None:
    with looking(browser, served, who="ada") as looked:
        for path in (each.path for each in PAGES if "{" not in each.path):
            page = looked.go(path)
            wrong = page.evaluate(
                """() => [...document.querySelectorAll('table.stack')].flatMap((table) => {
                  const heads = [...table.querySelectorAll('thead th')].map((head) => head.classList.contains('opt'));
                  return [...table.querySelectorAll('tbody tr')].filter((row) =>
                    [...row.children].some((cell, at) => cell.classList.contains('opt') !== heads[at])).length
                    ? [table.outerHTML] : [];
                })"""
            )
            assert wrong == [], path
            roles = page.evaluate(
                "[...document.querySelectorAll('.tbl :is(td, th, tr, table)')].every((e) => e.hasAttribute('role'))"
            )
            assert roles, path
