"""Every page, in a real browser."""

from playwright.sync_api import Browser

from .browser import check_page
from .served import Served


def test_the_inbox(browser: Browser, served: Served) -> None:
    check_page(browser, served, "/approvals")


def test_one_request(browser: Browser, served: Served) -> None:
    check_page(browser, served, f"/approvals/{served.waiting()[0]}", name="approval-order")
    check_page(browser, served, f"/approvals/{served.waiting()[1]}", name="approval-own")


def test_the_start_page(browser: Browser, served: Served) -> None:
    check_page(browser, served, "/")
