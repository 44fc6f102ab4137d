"""robots.txt: the RFC's examples, what Google documents of its parser, and laws that hold for any bytes."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import remit
from remit.guard.robots import MOST_BYTES, MOST_URL, matches, path_of
from remit.sdk.robots import robots_allowed

SITE = "https://www.example.com"


def _rules(*lines: str) -> bytes:
    return "\n".join(lines).encode()


# ------------------------------------------------------------------------------------------------- RFC 9309, section 5

_SIMPLE = _rules(
    "User-Agent: *",
    "Disallow: *.gif$",
    "Disallow: /example/",
    "Allow: /publications/",
    "",
    "User-Agent: foobot",
    "Disallow:/",
    "Allow:/example/page.html",
    "Allow:/example/allowed.gif",
    "",
    "User-Agent: barbot",
    "User-Agent: bazbot",
    "Disallow: /example/page.html",
    "",
    "User-Agent: quxbot",
)


@pytest.mark.parametrize(
    ("agent", "path", "allowed"),
    [
        ("anybot", "/", True),
        ("anybot", "/a.gif", False),
        ("anybot", "/a.gif?size=1", True),
        ("anybot", "/example/page.html", False),
        ("anybot", "/publications/", True),
        ("anybot", "/publications/b.gif", True),  # /publications/ is longer than *.gif$
        ("foobot", "/", False),
        ("foobot", "/example/page.html", True),
        ("foobot", "/example/allowed.gif", True),
        ("foobot", "/example/other.gif", False),
        ("barbot", "/example/page.html", False),
        ("bazbot", "/example/page.html", False),
        ("barbot", "/example/", True),
        ("quxbot", "/example/", True),  # a group of its own without a rule
    ],
)
def test_simple_example_of_the_rfc(agent: str, path: str, *, allowed: bool) -> None:
    assert robots_allowed(_SIMPLE, agent, SITE + path) is allowed


_LONGEST = _rules("User-Agent: foobot", "Allow: /example/page/", "Disallow: /example/page/disallowed.gif")


@pytest.mark.parametrize(
    ("path", "allowed"),
    [("/example/page/disallowed.gif", False), ("/example/page/", True), ("/example/page/other", True)],
)
def test_longest_match_example_of_the_rfc(path: str, *, allowed: bool) -> None:
    assert robots_allowed(_LONGEST, "foobot", SITE + path) is allowed


@pytest.mark.parametrize(
    ("path", "to_match"),
    [  # section 2.2.2: what stands in robots.txt, what an address must look like to be matched
        ("/foo/bar?baz=quz", "/foo/bar?baz=quz"),
        ("/foo/bar?baz=https://foo.bar", "/foo/bar?baz=https%3A%2F%2Ffoo.bar"),
        ("/foo/bar/\u30c4", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%E3%83%84", "/foo/bar/%E3%83%84"),
        ("/foo/bar/%62%61%7A", "/foo/bar/baz"),
    ],
)
def test_escapes_of_the_rfc_are_refused_in_every_spelling(path: str, to_match: str) -> None:
    body = _rules("User-agent: *", f"Disallow: {path}")
    assert not robots_allowed(body, "foobot", SITE + to_match)
    assert not robots_allowed(body, "foobot", SITE + path)


@pytest.mark.parametrize(
    ("rule", "path", "allowed"),
    [  # section 2.2.3
        ("/path/file-with-a-%2A.html", "/path/file-with-a-*.html", False),
        ("/path/foo-%24", "/path/foo-$", False),
        ("/this/*/exactly", "/this/path/exactly", False),
        ("/this/*/exactly", "/this/exactly", True),
        ("/this/path/exactly$", "/this/path/exactly", False),
        ("/this/path/exactly$", "/this/path/exactly/", True),
    ],
)
def test_special_characters_of_the_rfc(rule: str, path: str, *, allowed: bool) -> None:
    assert robots_allowed(_rules("User-agent: *", f"Disallow: {rule}"), "foobot", SITE + path) is allowed


def test_groups_of_one_agent_are_one() -> None:
    body = _rules(  # section 2.2.1
        "user-agent: ExampleBot",
        "disallow: /foo",
        "disallow: /bar",
        "user-agent: BazBot",
        "disallow: /all",
        "user-agent: ExampleBot",
        "disallow: /baz",
    )
    for path in ("/foo", "/bar", "/baz"):
        assert not robots_allowed(body, "examplebot", SITE + path)
    assert robots_allowed(body, "examplebot", SITE + "/all")


# ---------------------------------------------------------------------------------------- what Google documents

_BASIC = ("user-agent: FooBot", "disallow: /")
_TWO_WORDS = ("user-agent: *", "disallow: /", "user-agent: Foo Bar", "allow: /x/", "disallow: /")
_IN_QUERY = "/foo/bar?q=a&b=http://f.b?t&p"


@pytest.mark.parametrize(
    ("lines", "agent", "url", "allowed"),
    [
        # Syntax: keys in any case, blanks anywhere around, a blank for the colon, unknown lines.
        (_BASIC, "FooBot", "http://foo.bar/x/y", False),
        (("foo: FooBot", "bar: /"), "FooBot", "http://foo.bar/x/y", True),
        (("user-agent FooBot", "disallow /"), "FooBot", "http://foo.bar/x/y", False),
        (("USER-AGENT: FooBot", "ALLOW: /x/", "DISALLOW: /"), "FooBot", "http://foo.bar/x/y", True),
        (("user-agent: FooBot", "allow: /x/", "disallow: /"), "FooBot", "http://foo.bar/a/b", False),
        (("  user-agent :  FooBot  # us", "\tdisallow\t:\t/x\t#"), "FooBot", "http://foo.bar/x", False),
        (("user-agent: FooBot", "disallow: /x # /y"), "FooBot", "http://foo.bar/y", True),
        (("useragent: FooBot", "disalow: /"), "FooBot", "http://foo.bar/x", False),
        (("user-agent: FooBot", "allowed: /x", "disallow: /"), "FooBot", "http://foo.bar/x", False),
        # Unknown lines (a sitemap, a delay) neither end a group nor begin one.
        (("user-agent: BarBot", "sitemap: https://foo.bar/s", "user-agent: *", "disallow: /"), "FooBot", "/x", False),
        (("user-agent: BarBot", "sitemap: https://foo.bar/s", "user-agent: *", "disallow: /"), "BarBot", "/x", False),
        (("user-agent: FooBot", "crawl-delay: 9", "invalid", "user-agent: *", "disallow: /"), "FooBot", "/x", False),
        (("user-agent: FooBot", "", "disallow: /", "", "disallow: /y"), "FooBot", "/y", False),
        # Rules before any agent count for nobody.
        (("disallow: /", "user-agent: FooBot", "allow: /"), "FooBot", "/x", True),
        (("disallow: /",), "FooBot", "/x", True),
        # Agents: any case; the token ends at the first other character; the special group only when there is none.
        (("user-agent: FOO BAR", "allow: /x/", "user-agent: *", "disallow: /"), "foo", "/x/y", True),
        (_TWO_WORDS, "Foo", "/x/y", True),
        (_TWO_WORDS, "Foo Bar", "/x/y", False),
        (("user-agent: FooBot/2.1", "disallow: /"), "FooBot", "/x", False),
        (("user-agent: FooBot", "disallow: /"), "FooBot/2.1", "/x", False),
        (("user-agent: FooBot", "disallow: /"), "FooBot/2.1 (+https://foo.bar/bot)", "/x", False),
        (("user-agent: FooBot", "disallow: /"), "Mozilla/5.0 (compatible; FooBot/2.1; +https://foo.bar)", "/x", False),
        (("user-agent: *", "disallow: /", "user-agent: FooBot", "allow: /"), "FooBot/2.1", "/x", True),
        (("user-agent: FooBot", "disallow: /"), "FooBot-News", "/x", True),
        (("user-agent: FooBot-News", "disallow: /"), "FooBot", "/x", True),
        (("user-agent: *", "allow: /x", "user-agent: FooBot", "disallow: /"), "FooBot", "/x", False),
        (("user-agent: * baz", "disallow: /"), "FooBot", "/x", False),
        (("user-agent: *baz", "disallow: /"), "FooBot", "/x", True),
        (("user-agent: *", "disallow: /x"), "", "/x", False),
        (("user-agent: FooBot", "user-agent: *", "disallow: /x"), "FooBot", "/x", False),
        (("user-agent: FooBot", "disallow:", "user-agent: *", "disallow: /"), "FooBot", "/x", True),
        # The longest rule decides, allow wins a tie, paths are case-sensitive.
        (("user-agent: FooBot", "disallow: /x/page.html", "allow: /x/"), "FooBot", "/x/page.html", False),
        (("user-agent: FooBot", "allow: /x/page.html", "disallow: /x/"), "FooBot", "/x/page.html", True),
        (("user-agent: FooBot", "allow: /x/page.html", "disallow: /x/"), "FooBot", "/x/", False),
        (("user-agent: FooBot", "disallow: ", "allow: "), "FooBot", "/x", True),
        (("user-agent: FooBot", "disallow: /", "allow: /"), "FooBot", "/x", True),
        (("user-agent: FooBot", "disallow: /x", "allow: /x/"), "FooBot", "/x", False),
        (("user-agent: FooBot", "disallow: /x", "allow: /x/"), "FooBot", "/x/", True),
        (("user-agent: FooBot", "disallow: /page", "allow: /*.htm"), "FooBot", "/page.htm", True),
        (("user-agent: FooBot", "disallow: /page", "allow: /*.html"), "FooBot", "/page.html", True),
        (("user-agent: FooBot", "disallow: /*.html", "allow: /x"), "FooBot", "/x.html", False),
        (("user-agent: FooBot", "allow: /$", "disallow: /"), "FooBot", "/", True),
        (("user-agent: FooBot", "allow: /$", "disallow: /"), "FooBot", "/page.html", False),
        (("user-agent: FooBot", "disallow: /X"), "FooBot", "/x", True),
        (("user-agent: FooBot", "disallow: x"), "FooBot", "/x", True),  # no slash in front: matches no path
        # Wildcards.
        (("user-agent: FooBot", "disallow: /fish"), "FooBot", "/fishheads/yummy.html", False),
        (("user-agent: FooBot", "disallow: /fish"), "FooBot", "/catfish", True),
        (("user-agent: FooBot", "disallow: /fish*"), "FooBot", "/fish.php?id=anything", False),
        (("user-agent: FooBot", "disallow: /fish/"), "FooBot", "/fish", True),
        (("user-agent: FooBot", "disallow: /*.php"), "FooBot", "/folder/any.php.file.html", False),
        (("user-agent: FooBot", "disallow: /*.php$"), "FooBot", "/folder/filename.php", False),
        (("user-agent: FooBot", "disallow: /*.php$"), "FooBot", "/filename.php?parameters", True),
        (("user-agent: FooBot", "disallow: /*.php$"), "FooBot", "/windows.PHP", True),
        (("user-agent: FooBot", "disallow: /fish*.php"), "FooBot", "/fishheads/catfish.php?parameters", False),
        (("user-agent: FooBot", "disallow: /*a*a$"), "FooBot", "/a", True),
        (("user-agent: FooBot", "disallow: /a$b"), "FooBot", "/a$bc", False),
        (("user-agent: FooBot", "disallow: /x?"), "FooBot", "/x?q=1", False),
        (("user-agent: FooBot", "disallow: /x?"), "FooBot", "/x", True),
        # Addresses.
        (("user-agent: FooBot", "disallow: /$"), "FooBot", "http://foo.bar", False),
        (("user-agent: FooBot", "disallow: /$"), "FooBot", "http://foo.bar#/x", False),
        (("user-agent: FooBot", "disallow: /?a"), "FooBot", "http://foo.bar?a", False),
        (("user-agent: FooBot", "disallow: /;p"), "FooBot", "http://foo.bar;p", False),
        (("user-agent: FooBot", "disallow: /x"), "FooBot", "//foo.bar/x", False),
        (("user-agent: FooBot", "disallow: /x$"), "FooBot", "/x#y", False),
        (("user-agent: FooBot", "disallow: /"), "FooBot", "", False),
        # Escapes: what Google calls illegal but works as a comparison of strings is refused here (see the module).
        (("user-agent: FooBot", "disallow: /", f"allow: {_IN_QUERY}"), "FooBot", _IN_QUERY, True),
        (("user-agent: FooBot", "disallow: /", "allow: /foo/\u30c4"), "FooBot", "/foo/%E3%83%84", True),
        (("user-agent: FooBot", "disallow: /", "allow: /foo/\u30c4"), "FooBot", "/foo/\u30c4", False),
        (("user-agent: FooBot", "disallow: /", "allow: /foo/%e3%83%84"), "FooBot", "/foo/%E3%83%84", True),
        (("user-agent: FooBot", "disallow: /", "allow: /foo/%62%61%7A"), "FooBot", "/foo/baz", False),
        (("user-agent: FooBot", "disallow: /", "allow: /foo/%62%61%7A"), "FooBot", "/foo/%62%61%7A", False),
        # Google reads index.html as its folder: that only ever allows more than the RFC.
        (("user-agent: FooBot", "allow: /x/index.html", "disallow: /"), "FooBot", "/x/", False),
        (("user-agent: FooBot", "allow: /x/index.html", "disallow: /"), "FooBot", "/x/index.html", True),
    ],
)  # fmt: skip
def test_what_google_documents(lines: tuple[str, ...], agent: str, url: str, *, allowed: bool) -> None:
    assert robots_allowed(_rules(*lines), agent, url) is allowed


def test_line_ends_and_byte_order_marks() -> None:
    for end in (b"\n", b"\r", b"\r\n", b"\n\n"):
        body = end.join((b"User-agent: FooBot", b"Disallow: /x", b"Allow: /x/y"))
        assert not robots_allowed(body, "FooBot", "/x")
        assert robots_allowed(body, "FooBot", "/x/y")
        assert not robots_allowed(b"\xef\xbb\xbf" + body, "FooBot", "/x")
    assert robots_allowed(b"\xef\xbb\xbe" + b"User-agent: FooBot\nDisallow: /", "FooBot", "/x")  # no mark: a broken key


@pytest.mark.parametrize(
    "body", [b"", b"\0" * 100, b"\xff\xfe\x00", b"<!DOCTYPE html><title>404</title>", b":::\n:\n#", b"\xef\xbb\xbf"]
)
def test_a_body_without_a_rule_allows(body: bytes) -> None:
    assert robots_allowed(body, "FooBot", "https://foo.bar/x")


def test_robots_txt_itself_is_always_allowed() -> None:
    assert robots_allowed(b"User-agent: *\nDisallow: /", "FooBot", "https://foo.bar/robots.txt")


def test_dot_segments_lead_nowhere_else() -> None:
    body = b"User-agent: *\nDisallow: /private/\nAllow: /public/"
    for path in ("/public/../private/x", "/public/%2e%2E/private/x", "/./private/x", "/private/../private/x"):
        assert not robots_allowed(body, "FooBot", path), path
    assert robots_allowed(body, "FooBot", "/public/./x")
    assert robots_allowed(body, "FooBot", "/public/a.b?c=../private/")


def test_five_hundred_kibibytes_are_read() -> None:
    line = b"Disallow: /filler\n"
    filler = line * (MOST_BYTES // len(line) + 1)
    start = b"User-agent: *\n"
    within = start + filler[: MOST_BYTES - len(start) - 14] + b"\nDisallow: /x\n"
    assert not robots_allowed(within, "FooBot", "/x")
    assert robots_allowed(start + filler + b"\nDisallow: /x\n", "FooBot", "/x")
    # The line that the cap cuts: a shorter Disallow refuses more, a shorter Allow must not allow more.
    room = MOST_BYTES - len(start) - len(b"Disallow: /\nAllow: /x/")
    cut = start + b"Disallow: /\n" + b"#" * (room - 1) + b"\n" + b"Allow: /x/only/this\n"
    assert not robots_allowed(cut, "FooBot", "/x/y")


def test_a_very_long_line_and_a_very_long_address() -> None:
    long = b"/" + b"a" * 20_000
    assert not robots_allowed(b"User-agent: *\nAllow: " + long + b"\nDisallow: /a", "FooBot", "/" + "a" * 8_000)
    assert robots_allowed(b"User-agent: *\nAllow: /", "FooBot", "/" + "a" * (MOST_URL - 1))
    assert not robots_allowed(b"User-agent: *\nAllow: /", "FooBot", "/" + "a" * MOST_URL)


@pytest.mark.parametrize("pattern", [b"/" + b"*a" * 200 + b"b", b"/" + b"a*" * 200 + b"$", b"*" * 2000 + b"b"])
def test_hostile_patterns_cost_no_more_than_others(pattern: bytes) -> None:
    body = b"User-agent: *\n" + (b"Disallow: " + pattern + b"\n") * (MOST_BYTES // (len(pattern) + 11))
    began = time.thread_time()
    robots_allowed(body, "FooBot", "/" + "a" * 2000)
    assert time.thread_time() - began < 5


def test_public_name_costs_nothing_until_it_is_asked_for() -> None:
    assert remit.robots_allowed is robots_allowed
    code = "import sys, remit; print('remit.guard.robots' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    with pytest.raises(AttributeError, match="no attribute 'robot_allowed'"):
        _ = remit.robot_allowed  # pyright: ignore[reportAttributeAccessIssue]


# ------------------------------------------------------------------------------------------------------------- laws


def _slowly(pattern: bytes, target: bytes) -> bool:
    """The pattern read octet by octet: the set of places that what was read so far may end at."""
    places = {0}
    for at, octet in enumerate(pattern):
        if octet == ord("$") and at + 1 == len(pattern):
            return len(target) in places
        if octet == ord("*"):
            places = set(range(min(places), len(target) + 1))
        else:
            places = {place + 1 for place in places if place < len(target) and target[place] == octet}
        if not places:
            return False
    return True


_SHORT = st.text("ab/*$", max_size=12).map(lambda text: text.encode())


@settings(max_examples=300)
@given(pattern=_SHORT, target=_SHORT)
@example(pattern=b"/*a*ab$", target=b"/aab")
def test_matching_is_the_slow_matching(pattern: bytes, target: bytes) -> None:
    assert matches(pattern, b"/" + target) == _slowly(pattern, b"/" + target)


_PATH = st.text("ab/%64.?=*$:", max_size=8).map(lambda text: "/" + text)
_LINE = st.one_of(
    st.builds("User-agent: {}".format, st.sampled_from(("foo", "bar", "*", "Foo/1.0", "* x"))),
    st.builds("Allow: {}".format, _PATH),
    st.builds("Disallow: {}".format, _PATH),
    st.sampled_from(("", "Sitemap: /s", "# nothing", "Crawl-delay: 1", "disalow: /a", "allowed: /a", "useragent: foo")),
)


def _google(lines: list[str], agent: str, target: bytes) -> bool:
    """Google's published algorithm, written plainly for lines of the strategy above: the specific group, else ``*``."""
    best = {"specific": [0, 0], "global": [0, 0]}
    specific = everyone = separated = ever = False
    for line in lines:
        key, _, value = line.partition("#")[0].partition(":")
        key, value = key.strip().lower(), value.strip()
        if key.startswith(("user-agent", "useragent")):
            if separated:
                specific = everyone = separated = False
            if value == "*" or value.startswith("* "):
                everyone = True
            elif value.partition("/")[0].lower() == agent:
                specific = ever = True
        elif key.startswith(("allow", "disallow", "disalow")) and (specific or everyone):
            separated = True
            raw = value.encode()
            pattern = b"".join(
                raw[at : at + 3].upper()
                if raw[at : at + 1] == b"%" and _hex(raw[at + 1 : at + 3])
                else raw[at : at + 1]
                for at in range(len(raw))
                if not _inside(raw, at)
            )
            if _slowly(pattern, target):
                place = best["specific" if specific else "global"]
                place[key.startswith("dis")] = max(place[key.startswith("dis")], len(pattern))
    allow, disallow = best["specific"] if ever else best["global"]
    return disallow <= allow


def _hex(text: bytes) -> bool:
    return len(text) == 2 and all(octet in b"0123456789abcdefABCDEF" for octet in text)


def _inside(raw: bytes, at: int) -> bool:
    """Whether an escape began one or two octets before."""
    begins = 0
    while begins < at:
        begins += 3 if raw[begins : begins + 1] == b"%" and _hex(raw[begins + 1 : begins + 3]) else 1
    return begins > at


@settings(max_examples=400)
@given(lines=st.lists(_LINE, max_size=8), agent=st.sampled_from(("foo", "bar", "qux")), path=_PATH)
def test_never_more_permissive_than_google(lines: list[str], agent: str, path: str) -> None:
    if robots_allowed(_rules(*lines), agent, path):
        assert _google(lines, agent, path_of(path.encode()))


@settings(max_examples=200)
@given(
    lines=st.lists(_LINE, max_size=8),
    agent=st.sampled_from(("foo", "bar")),
    path=st.text("ab/", max_size=8).map(lambda text: "/" + text),
)
def test_without_escapes_and_misspellings_both_agree(lines: list[str], agent: str, path: str) -> None:
    plain = [
        line
        for line in lines
        if not set("%:=.*$?") & set(line.partition(":")[2]) and not line.startswith(("disalow", "allowed", "useragent"))
    ]
    assert robots_allowed(_rules(*plain), agent, SITE + path) == _google(plain, agent, path.encode())


@settings(max_examples=200)
@given(body=st.binary(max_size=300), agent=st.text(max_size=20), url=st.text(max_size=60))
def test_any_bytes_are_answered(body: bytes, agent: str, url: str) -> None:
    assert robots_allowed(body, agent, url) in {True, False}


@settings(max_examples=200)
@given(lines=st.lists(_LINE, max_size=8), path=_PATH, extra=_PATH)
def test_one_more_disallow_never_allows_more(lines: list[str], path: str, extra: str) -> None:
    before = robots_allowed(_rules("User-agent: foo", *lines), "foo", path)
    after = robots_allowed(_rules("User-agent: foo", *lines, "User-agent: foo", f"Disallow: {extra}"), "foo", path)
    assert before or not after
