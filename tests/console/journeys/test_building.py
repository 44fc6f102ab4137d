"""The longest journey: an intake becomes an application that people use, over a server that dies on the way."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from remit.testing.drill import until
from remit.testing.intakes import synthetic_intake

from .install import Install

SMALLEST = synthetic_intake(1, 1).decode()


def answers(release: Path, folder: Path) -> tuple[int, object]:
    """What a release says over a socket of its own when it is asked whether it is well."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    environ = os.environ | {
        "APP_ENVIRONMENT": "development",
        "APP_DATABASE_URL": f"sqlite:///{folder}/app.db",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    python = [sys.executable, "-m"]
    subprocess.run([*python, "alembic", "upgrade", "head"], cwd=release, env=environ, check=True, capture_output=True)
    serve = [*python, "uvicorn", "app.main:app", "--port", str(port), "--log-level", "warning"]
    process = subprocess.Popen(serve, cwd=release, env=environ)

    def asked() -> tuple[int, object] | None:
        assert process.poll() is None, "it ended"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        except OSError:
            return None
        finally:
            connection.close()

    try:
        return until(asked, what="an answer")  # type: ignore[return-value]
    finally:
        process.kill()
        process.wait()


@pytest.mark.timeout(400)
def test_from_a_form_to_an_application_that_answers(  # noqa: PLR0915 - one journey
    browser: Browser, tmp_path: Path
) -> None:
    """Ordered on the page, killed in the middle, built, deployed with another's approval, switched back."""
    site = tmp_path / "sites" / "shop"
    site.mkdir(parents=True, mode=0o755)
    environ = {"REMIT_DEPLOY_ROOTS": str(site.parent), "REMIT_APPROVAL_SEPARATION": "on"}
    with Install(tmp_path, environ) as install:
        install.add("ines", "admin")
        with install.person(browser) as owner, install.person(browser, "ines") as ines:
            page = owner.go("/missions/new?preset=build")
            page.get_by_label("Intake").fill(SMALLEST.replace("type: crud", "type: crux"))
            page.get_by_role("button", name="Check and plan").click()
            expect(page.get_by_role("alert")).to_contain_text("crux")
            page.get_by_label("Intake").fill(SMALLEST)
            page.get_by_role("button", name="Check and plan").click()
            expect(page.get_by_role("status").first).to_contain_text("The input is good")
            page.get_by_role("button", name="Order this mission").click()
            page.wait_for_url("**done=start")
            mission = page.url.rpartition("/")[2].partition("?")[0]

            until(lambda: {"skeleton"} <= install.drill.look().done, what="the middle of it")
            install.kill()
            before = install.drill.look()
            assert before.status != "succeeded"
            expect(page.locator("#live")).to_contain_text("Connection lost")
            install.up()
            expect(page.locator("#live")).to_have_text("Live")
            until(lambda: install.said(mission)["status"] == "succeeded", within_s=240, what="the application")
            assert all(install.drill.look().attempts[step] == before.attempts[step] for step in before.done)
            page = owner.go(f"/missions/{mission}")
            expect(page.locator(".head .st").first).to_have_text(re.compile("done|succeeded"))

            where = f"/missions/{mission}/deploy?target={site}"
            page = owner.go(where)
            page.get_by_label("I have read this tree").fill("read the routes and their tests")
            page.get_by_role("button", name="Attest the review").click()
            page.wait_for_url("**done=attested")
            page.get_by_role("button", name="Deploy this mission").click()
            page.wait_for_url("**done=waits")
            assert not (site / "current").exists(), "nothing is there before somebody allowed it"
            link = page.get_by_role("link", name="Look at the request")
            request = str(link.get_attribute("href"))
            expect(owner.go(request).locator(".decide")).to_contain_text("You may not decide this")

            other = ines.go(request)
            other.get_by_label("Reason, kept in the audit log").fill("tested, and read by its owner")
            other.get_by_label("I have read the effect").check()
            other.get_by_role("button", name="Approve this deploy").click()
            expect(other.locator("h1")).to_contain_text("Approved")

            page = owner.go(where)
            page.get_by_role("button", name="Deploy it now").click()
            page.wait_for_url(re.compile("done=(deployed|running)"))
            until(lambda: "is live at" in owner.go(where).inner_text("h1"), what="the release")
            assert answers((site / "current").resolve(), tmp_path)[0] == 200
            live = install.remit("deploy", "--to", site, "--status")
            assert live["live"] == install.said(mission)["tree"], live

            page.get_by_role("button", name="Switch back now").click()
            page.wait_for_url(re.compile("done=(back|running)"))
            until(lambda: "is live at" not in owner.go(where).inner_text("h1"), what="the switch back")
            assert not (site / "current").exists(), "nothing was live before"
        install.whole()
