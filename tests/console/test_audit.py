"""The audit explorer: search, one entry, its proof recomputed in the browser, verification, export."""

import asyncio
import re

from playwright.sync_api import Browser, Route, expect

from remit.audit.search import Wanted, search

from .browser import check_page, looking
from .served import WORKSPACE, Served


def newest(served: Served, **filters: str) -> int:
    """The number of the newest entry that fits."""
    served.run(lambda runtime: asyncio.to_thread(runtime.store.seal))
    wanted = Wanted(WORKSPACE, **filters)
    found = served.run(lambda runtime: runtime.store.read(lambda tx: search(tx, wanted, limit=1)))
    return found.lines[0].seq


def test_the_pages(browser: Browser, served: Served) -> None:
    check_page(browser, served, "/audit")
    check_page(browser, served, "/audit?q=nothing-of-the-kind", name="audit-nothing")
    seq = newest(served, action="guard.refused")
    check_page(browser, served, f"/audit/{seq}", name="audit-entry")
    with looking(browser, served) as looked:
        looked.go("/audit/99999999", status=404)
        looked.go("/audit/first", status=404)
        looked.go("/audit?from=yesterday", status=422)


def test_search_by_what_stands_in_the_header(browser: Browser, served: Served) -> None:
    with looking(browser, served) as looked:
        page = looked.go("/audit")
        page.keyboard.press("/")
        expect(page.get_by_label("Search codes and ids")).to_be_focused()
        page.get_by_label("Action", exact=True).first.fill("guard.refused")
        page.get_by_label("Domain", exact=True).first.fill("trading")
        page.get_by_role("button", name="Search").click()
        page.wait_for_url("**/audit?**")
        rows = page.locator("tbody tr")
        expect(rows).to_have_count(1)
        expect(rows).to_contain_text("broker for tomas")
        rows.get_by_role("link").first.click()
        expect(page.locator("h1")).to_contain_text("guard.refused")
        expect(page.get_by_role("region", name="The payload of this entry")).to_be_visible()
        story = page.locator("section").filter(has=page.get_by_role("heading", name="The story of this action"))
        expect(story).to_contain_text("broker for user:tomas asked for order broker-gateway")
        expect(story).to_contain_text("Check authorise")
        expect(story).to_contain_text("Check approval")
        looked.quiet()


def test_the_browser_recomputes_the_proof_and_remembers_the_head(browser: Browser, served: Served) -> None:
    seq = newest(served, action="guard.refused")
    with looking(browser, served) as looked:
        page = looked.go(f"/audit/{seq}")
        recompute = page.get_by_role("button", name="Recompute in this browser")
        recompute.click()
        for what in ("Leaf", "Inclusion", "Signature"):
            expect(page.locator("#steps [data-step=done]").filter(has_text=what)).to_have_count(1)
        expect(page.locator("#steps")).to_contain_text("has not seen this log before")
        served.ask_something()
        newest(served)
        recompute.click()
        expect(page.locator("#steps")).to_contain_text("nothing was changed or removed since")
        expect(page.locator("#steps [data-step=done]")).to_have_count(4)
        expect(page.locator("#steps [data-step=failed]")).to_have_count(0)
        looked.quiet()


def test_a_server_that_lies_is_found_out(browser: Browser, served: Served) -> None:
    seq = newest(served, action="guard.refused")

    def lying(what: str) -> list[str]:
        with looking(browser, served) as looked:
            page = looked.go(f"/audit/{seq}")

            def changed(route: Route) -> None:
                answer = route.fetch()
                view = answer.json()
                proof = view["proof"]
                match what:
                    case "header":
                        proof["header"] = (
                            proof["header"][:40] + ("A" if proof["header"][40] != "A" else "B") + proof["header"][41:]
                        )
                    case "path":
                        proof["path"][0] = proof["path"][-1]
                    case "root":
                        lines = proof["note"].split("\n")
                        lines[1] = str(int(lines[1]) + 1)
                        proof["note"] = "\n".join(lines)
                    case _:
                        head, _, mark = proof["note"].rpartition(" ")
                        proof["note"] = f"{head} {mark[:20]}{'A' if mark[20] != 'A' else 'B'}{mark[21:]}"
                route.fulfill(response=answer, json=view)

            page.route(re.compile(rf"/audit/{seq}(\?.*)?$"), changed)
            page.get_by_role("button", name="Recompute in this browser").click()
            expect(page.locator("#steps [data-step=failed]")).to_have_count(1)
            return page.locator("#steps [data-step=failed]").all_inner_texts()

    assert "Leaf" in lying("header")[0] or "Not verified" in lying("header")[0]
    assert "Inclusion" in lying("path")[0]
    assert lying("root")
    assert "Signature" in lying("signature")[0]


def test_verify_on_the_server_and_export(browser: Browser, served: Served) -> None:
    with looking(browser, served) as looked:
        page = looked.go("/audit")
        page.get_by_role("button", name="Verify the log").click()
        page.wait_for_url("**/audit?verified=now")
        expect(page.locator("#verify")).to_contain_text("The log is whole")
        expect(page.locator(".seal")).to_contain_text("Log verified")
        page.locator("#x-action").fill("guard.refused")
        page.get_by_role("button", name="Export entries").click()
        page.wait_for_url("**/audit?exported=**")
        expect(page.get_by_role("status").filter(has_text="Exported")).to_be_visible()
        name = page.url.rpartition("=")[2]
        looked.quiet()
    folder = served.settings.home / "exports" / WORKSPACE / name
    assert (folder / "manifest.json").is_file()
