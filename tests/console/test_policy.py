"""Rules in the console: tried, saved with their faults told, compared, restored; an action tried; breakers."""

from playwright.sync_api import Browser, expect

from .browser import check_page, looking
from .served import Served

RULES = """use: []
rules:
  - id: own.small
    on: [order]
    assert: estimate_usd < 0.10
    else: deny
    message: an order costs less than ten cents
"""


def test_the_pages(browser: Browser, served: Served) -> None:
    for path in ("/policy", "/policy/edit", "/policy/try", "/breakers"):
        check_page(browser, served, path)


def test_try_save_compare_and_restore(browser: Browser, served: Served) -> None:
    with looking(browser, served) as looked:
        page = looked.go("/policy/edit")
        page.get_by_label("Rule file").fill(RULES.replace("estimate_usd", "estimate_usb"))
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_role("alert")).to_contain_text("rules:5:")
        expect(page.get_by_role("alert")).to_contain_text("^")
        expect(page.get_by_label("Rule file")).to_have_value(RULES.replace("estimate_usd", "estimate_usb"))
        page.get_by_label("Rule file").fill(RULES)
        page.get_by_role("button", name="Try it").click()
        expect(page.locator("h1")).to_contain_text("out otherwise")
        expect(page.locator("h1")).to_be_focused()
        expect(page.get_by_role("region", name="Differences")).to_contain_text("+ rule own.small")
        page.get_by_label("Reason for saving").fill("cheap orders only")
        page.get_by_role("button", name="Save as revision 3").click()
        expect(page.locator("h1")).to_have_text("One rule is in force, revision 3")
        expect(page.get_by_role("region", name="Differences")).to_contain_text("+ rule own.small")
        assert [each for each in looked.complaints if "422" not in each] == []
        page = looked.go("/policy/try")
        page.get_by_role("button", name="Try it").click()
        expect(page.locator("h1")).to_have_text("The rules say: deny")
        expect(page.locator("ol.rail")).to_contain_text("estimate_usd is 0.5")
        page.get_by_label("Kind, target, payload").fill("kind: odrer")
        page.get_by_role("button", name="Try it").click()
        expect(page.get_by_role("alert")).to_contain_text("did you mean order?")
        page = looked.go("/policy?since=2")
        page.get_by_label("Reason, kept in the audit log").fill("that was too strict")
        page.get_by_role("button", name="Restore revision 2").click()
        expect(page.locator("h1")).to_have_text("No rules are in force, revision 4")


def test_set_a_switch_of_the_gateway(browser: Browser, served: Served) -> None:
    with looking(browser, served) as looked:
        page = looked.go("/policy")
        page.get_by_label("Cache").select_option("on")
        page.get_by_role("button", name="Set the switches").click()
        expect(page.get_by_label("Cache")).to_have_value("on")
        page.get_by_role("button", name="Set the switches").click()
        expect(page.get_by_role("alert")).to_contain_text("Nothing was given that should change")


def test_hold_a_breaker_open_and_reset_it(browser: Browser, served: Served) -> None:
    with looking(browser, served) as looked:
        page = looked.go("/breakers")
        page.get_by_label("Kind").select_option("fetch")
        page.get_by_label("Service").fill("records.example.org")
        page.locator("#why").fill("they asked us to")
        page.get_by_role("button", name="Hold open").click()
        expect(page.locator("h1")).to_have_text("One breaker is open")
        expect(page.get_by_role("row").nth(1)).to_contain_text("they asked us to")
        looked.quiet()
        check_page(browser, served, "/breakers", name="breakers-open")
        page.get_by_role("row").nth(1).get_by_label("Reason, kept in the audit log").fill("all is well")
        page.get_by_role("button", name="Reset fetch records.example.org").click()
        expect(page.locator("h1")).to_have_text("Every breaker is closed")
    with looking(browser, served, who="vera") as looked:
        page = looked.go("/breakers")
        page.get_by_label("Kind").select_option("fetch")
        page.get_by_label("Service").fill("records.example.org")
        page.locator("#why").fill("I may not")
        page.get_by_role("button", name="Hold open").click()
        expect(page.locator("h1")).to_contain_text("may not")
