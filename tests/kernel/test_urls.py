"""Addresses have one reading: the same for us, for the standard library, and for a second reading of what we made."""

import os
from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.kernel.urls import UnreadableUrl, join_url, known_url, read_host, read_url

TRIALS = 3000 if os.environ.get("REMIT_PROVE") == "1" else 300

HOSTILE = st.text(
    alphabet=st.sampled_from("ab1.:/@\\?#[]%20xX-_ \t\n\0e\u3002\uff0e\u00fc\u00df\u2460\uff47\u200b&;=,"), max_size=24
)


@given(st.builds("{}{}".format, st.sampled_from(["http://", "https://", "HTTP://", "http:/", ""]), HOSTILE))
@settings(max_examples=TRIALS, deadline=None)
def test_what_is_read_is_read_so_by_everybody(text: str) -> None:
    try:
        url = read_url(text)
    except UnreadableUrl as error:
        assert str(error)  # noqa: PT017 - either is right, and each has its own promise
        assert known_url(text) is None
        return
    again = str(url)
    assert read_url(again) == url, "one spelling, and it stays"
    parts = urlsplit(again)
    assert (parts.scheme, parts.hostname, parts.port or url.port) == (url.scheme, url.host, url.port)
    assert (parts.path, parts.query, parts.fragment, parts.username) == (url.path, url.query, "", None)
    assert again.isascii()
    assert again.isprintable()
    assert " " not in again
    assert "/../" not in url.path
    assert read_host(f"[{url.host}]" if ":" in url.host else url.host) == (url.host, url.literal)


@given(HOSTILE)
@settings(max_examples=TRIALS, deadline=None)
def test_a_link_leads_somewhere_or_is_refused(location: str) -> None:
    base = read_url("https://example.org/a/b?c")
    try:
        found = join_url(base, location)
    except UnreadableUrl:
        return
    if not location.startswith("//") and "://" not in location:
        assert found.origin == base.origin, "what names no host stays where it is"
    assert read_url(str(found)) == found


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("http://EXAMPLE.org", "http://example.org/"),
        ("https://example.org.:443/", "https://example.org/"),
        ("http://example.org:8080/a/./b/../c", "http://example.org:8080/a/c"),
        ("http://example.org/%2e%2E/a", "http://example.org/a"),
        ("http://example.org/ü?ü#ü", "http://example.org/%C3%BC?%C3%BC"),
        ('http://example.org/<a>"{b}', "http://example.org/%3Ca%3E%22%7Bb%7D"),
        ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ("http://[2606:4700:0:0::1111]/", "http://[2606:4700::1111]/"),
        ("http://1.1.1.1./", "http://1.1.1.1/"),
    ],
)
def test_harmless_spellings_are_brought_to_one(text: str, read: str) -> None:
    assert str(read_url(text)) == read


@pytest.mark.parametrize(
    ("location", "leads"),
    [
        ("c", "https://example.org/a/c"),
        ("/c", "https://example.org/c"),
        ("//example.com/c", "https://example.com/c"),
        ("?d", "https://example.org/a/b?d"),
        ("#d", "https://example.org/a/b?c"),
        ("", "https://example.org/a/b?c"),
        ("../../../x", "https://example.org/x"),
        ("http://example.com", "http://example.com/"),
    ],
)
def test_links_are_read_as_rfc_3986_has_it(location: str, leads: str) -> None:
    assert str(join_url(read_url("https://example.org/a/b?c#x"), location)) == leads


@pytest.mark.parametrize(
    "text",
    [
        "http://\ud800/",
        "http://example.org/%",
        "http://example.org/%zz",
        "http://" + "a" * 9000,
        "http://a..b/",
        "ftp://a/",
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UnreadableUrl):
        read_url(text)
