"""What keeps other people's text from doing anything: templates, the policy, the files of others."""

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from remit.serve import console
from remit.serve.console import words
from remit.serve.console.security import policy
from remit.serve.console.static_files import read_files

HERE = Path(console.__file__).parent
TEMPLATES = sorted((HERE / "templates").glob("*.html"))
VENDOR = HERE / "static" / "vendor"
FORBIDDEN = {
    r"\|\s*safe\b": "escaping is never switched off",
    r"autoescape": "as above",
    r"\sstyle=": "the policy allows no inline style",
    r"<style": "as above",
    r"\son[a-z]+=": "the policy allows no inline handler",
    r"javascript:": "no address runs anything",
    r"hx-on|hx-vals=.?js:|hx-trigger=\"[^\"]*\[": "htmx would have to evaluate it",
}


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_templates_hold_to_the_rules(path: Path) -> None:
    text = path.read_text()
    for pattern, why in FORBIDDEN.items():
        assert re.search(pattern, text) is None, f"{path.name}: {why}"
    for tag in re.findall(r"<script[^>]*>", text):
        assert 'nonce="{{ nonce }}"' in tag
        assert "src=" in tag
    for tag in re.findall(r"<[a-z]+(?:\{\{.*?\}\}|\{%.*?%\}|[^<>])*?\shx-[^n](?:\{\{.*?\}\}|[^<>])*>", text):
        assert 'hx-nonce="{{ nonce }}"' in tag, f"{path.name}: inert without a nonce: {tag}"


def test_every_form_that_changes_something_carries_the_token() -> None:
    for path in TEMPLATES:
        text = path.read_text()
        if '{% extends "entry.html" %}' in text:
            continue  # nobody is signed in yet, so there is no session to ride on; the edge looks at the origin
        for form in re.findall(r"<form(?:(?!</form>).)*method=\"post\"(?:(?!</form>).)*</form>", text, re.DOTALL):
            assert "csrf" in form, path.name


def test_the_files_of_others_are_what_they_were() -> None:
    listed = tomllib.loads((VENDOR / "vendor.toml").read_text())["file"]
    assert {each["path"] for each in listed} == {path.name for path in VENDOR.iterdir()} - {"vendor.toml"}
    notice = (HERE.parents[3] / "NOTICE").read_text()
    for each in listed:
        assert hashlib.sha256((VENDOR / each["path"]).read_bytes()).hexdigest() == each["sha256"], each["path"]
        assert each["licence"] in {"0BSD", "MIT"}
        assert each["version"] in notice


def test_what_a_browser_loads_is_small() -> None:
    files = read_files().known
    vendored = sum(len(file.packed) for path, file in files.items() if path.startswith("vendor/"))
    assert vendored <= 50_000
    assert len(files["css/remit.css"].body) <= 25 * 1024


def test_the_policy_says_what_it_should() -> None:
    assert policy("N") == (
        "default-src 'none'; script-src 'self' 'nonce-N'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; "
        "trusted-types htmx"
    )


def test_hidden_characters_are_spelled_out() -> None:
    assert words.visible("a\u202etxt.exe\u202c\u200b\x1b[2J\r") == "a[U+202E]txt.exe[U+202C][U+200B][U+001B][2J[U+000D]"
    assert words.visible("two\nlines\tstay, é, 東京, 👍") == "two\nlines\tstay, é, 東京, 👍"


def test_every_status_has_a_shape_and_a_row_in_the_vocabulary() -> None:
    css = (HERE / "static" / "css" / "remit.css").read_text()
    used = set(re.findall(r"st\('([a-z]+)'", "".join(path.read_text() for path in TEMPLATES)))
    used |= set(re.findall(r"class=\"st ([a-z]+)\"", "".join(path.read_text() for path in TEMPLATES)))
    for kind in used:
        assert re.search(rf"\.{kind}(,| \{{)", css), f"{kind} has no shape"
