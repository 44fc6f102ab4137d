"""Every page, in a real browser."""

from playwright.sync_api import Browser

from .browser import check_page
from .served import Served


def test_the_inbox(browser: Browser, served: Served) -> None:
    check_page(browser, served, "/approvals")
