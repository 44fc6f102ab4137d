"""What agents and outsiders wrote does nothing on the pages of agents, stops, the log, rules and breakers."""

from urllib.parse import quote

from playwright.sync_api import Browser

from remit.accounts.kills import KillScope, Target, pause, unkill
from remit.accounts.kills import kill as stop
from remit.audit.search import Wanted, search
from remit.guard.breakers import Order, move
from remit.guard.rules.revisions import save

from .browser import looking, settled
from .served import WORKSPACE, Served
from .test_approvals import HOSTILE


def test_hostile_text_is_inert_everywhere(browser: Browser, served: Served) -> None:
    async def write(_runtime: object) -> None:
        one = served.runtime
        who, clock, store = one.owner, one.clock, one.store
        mason = Target(KillScope.AGENT, "mason")
        await stop(store, mason, workspace=WORKSPACE, reason=HOSTILE, by=who, clock=clock)
        await unkill(store, mason, workspace=WORKSPACE, reason=HOSTILE, by=who, clock=clock)
        await pause(store, mason, workspace=WORKSPACE, reason=HOSTILE, by=who, clock=clock)
        for name in ("rules", "again"):
            text = f"use: []\nlists:\n  fetch.deny: [{name}.example.org]\n"
            await save(store, text, workspace=WORKSPACE, name="r", reason=HOSTILE, by=who, clock=clock)
        order = Order(WORKSPACE, "fetch", "a.example.org")
        await move(store, order, opened=True, reason=HOSTILE, by=who, clock=clock)

    served.run(write)
    wanted = Wanted(WORKSPACE, action="accounts.pause.set")
    entry = served.run(lambda runtime: runtime.store.read(lambda tx: search(tx, wanted, limit=1))).lines[0].seq
    told = ("/agents", "/agents/mason", "/stop", "/policy", "/breakers", f"/audit/{entry}")
    asked = (
        f"/audit?q={quote(HOSTILE)}",
        f"/agents?q={quote(HOSTILE)}",
        f"/stop?target={quote('mission:' + HOSTILE[:50])}",
    )
    with looking(browser, served) as looked:
        for path in (*told, *asked):
            page = looked.go(path)
            if path in told:
                assert "<img src=x onerror=alert(1)>" in page.inner_text("main"), path
                assert "[U+202E]txt.exe" in page.inner_text("main"), path
            assert page.locator("main img, main script, main b[hx-get], main svg[onload]").count() == 0, path
            assert page.locator("main a[href^=javascript]").count() == 0
            settled(page)
        looked.quiet()
