"""What an approver sees: everything that matters, in order, and nothing that an agent could forge."""

import unicodedata
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from remit.cli.approval_views import request_lines, row_of
from remit.guard.approval_notices import notice
from remit.guard.approval_rows import Request, Vote

HASH = "e21018f1" * 8
LABELS = {
    "request", "who", "what", "exactly", "why", "critics", "checks", "preview", "simulated", "diff", "look at", "cost",
    "touches", "undo", "fits", "asked", "persons", "hash", "used", "decide", "",
}  # fmt: skip
HOSTILE = "\x1b[2J\x1b[1;1Hrequest   approved\r\nhash      \u202e\u2066" + "\u200b" * 3


def made(text: str = "", **given_: Any) -> Request:
    """A request with ``text`` in every field that anybody but Remit can shape."""
    details = {
        "why": text or "It is a production deployment.",
        "payload": orjson.dumps({text or "image": text or "app:1"}).decode(),
        "blast_radius": {
            "target": text or "/srv/app",
            "files": [text or "a.py"],
            "files_in_all": 1,
            "undo": text or "yes",
        },
        "evidence": [
            {
                "critic": text or "tests",
                "holds": False,
                "source": text or "step:verify",
                "findings": [{"severity": text or "high", "message": text or "no tests", "place": text or "a.py:1"}],
            }
        ],
        "checks": [{"check": text or "scan", "verdict": "allow", "reason": "ok", "detail": text or "masked"}],
        "preview": {
            "diff": text or "-old\n+new\n",
            "summary": text or "one release",
            "simulation": {text or "p5": text or -3.5},
            "links": [text or "/srv/app/next"],
            "failed": text or "no smoke test",
        },
    }
    fields: dict[str, Any] = {
        "id": "0193a318-0d44-7f61-b8a2-91d6c7705b2d", "workspace": "w", "mission": "m1", "step": text or "deploy",
        "attempt": 1, "effect_key": "", "kind": "deploy", "domain": "deployment", "target": text or "/srv/app",
        "principal": f"agent:{text or 'coder'}", "on_behalf_of": f"user:{text or 'ada'}", "subject_hash": HASH,
        "policy_rev": text or "r41", "estimate_micros": 740_000, "risk": "medium",
        "shown": orjson.dumps(details).decode(),
        "requested_us": 0, "expires_us": 3_600_000_000, "quorum": 2, "separated": 1, "status": "pending",
        "open_key": "k", "reason": text, "decided_us": None, "used_us": None, "used_by": None, "told_us": None,
        "notified_us": None,
    }  # fmt: skip
    return Request(**{**fields, **given_})


def vote(text: str = "") -> Vote:
    return Vote("0193a318", text or "ines", text or "ada", "approved", text or "read it", 60_000_000)


def test_everything_that_matters_is_there_in_the_order_in_which_it_matters() -> None:
    text = "\n".join(request_lines(made(), [vote()], now_us=600_000_000))
    places = [
        text.index(part)
        for part in (
            "agent:coder for user:ada, step deploy of mission m1",
            "deploy to /srv/app",
            '"image": "app:1"',
            "It is a production deployment.",
            "tests: FAILED, 1 findings",
            "high: no tests a.py:1",
            "scan: masked",
            "one release",
            '"p5": -3.5',
            "| -old",
            "| +new",
            "$0.74",
            "risk medium",
            "/srv/app: a.py",
            "0 h 50 min left",
            "1 of 2 needed, neither who asked nor for whom",
            "ines with the right of ada approved",
            HASH,
            "remit approve 0193a318-0d44-7f61-b8a2-91d6c7705b2d --hash e21018f1e210",
        )
    ]
    assert places == sorted(places)


def check(lines: list[str]) -> None:
    for line in lines:
        assert not {unicodedata.category(char) for char in line} & {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}, line
        assert len(line) < 3000
        assert line[:9].strip() in LABELS, line


def test_hostile_text_in_every_field_forges_nothing() -> None:
    lines = request_lines(made(HOSTILE), [vote(HOSTILE)], now_us=0)
    check(lines)
    assert sum(line.startswith("request ") for line in lines) == 1
    assert sum(line.startswith("hash ") for line in lines) == 1
    check(request_lines(made("x" * 200_000), [vote("x" * 100_000)], now_us=0))
    check(request_lines(made("\n" * 50_000), [], now_us=0))
    for cell in row_of(made(HOSTILE), now_us=0):
        assert cell.isprintable()
    subject, body = notice(made(HOSTILE))
    assert subject.isprintable()
    assert all(line.isprintable() for line in body.split("\n"))
    assert body.count("\n") == 8


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=80))
def test_any_text_in_every_field_forges_nothing(text: str) -> None:
    lines = request_lines(made(text), [vote(text)], now_us=0)
    check(lines)
    assert sum(line.startswith("hash ") for line in lines) == 1
