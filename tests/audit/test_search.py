"""Searching the log: the same as looking at every entry, in pages of a bounded stretch."""

from collections.abc import Callable
from pathlib import Path

import pytest

from remit.audit import search as room
from remit.audit.entry import Entry, Result
from remit.audit.search import Found, Line, Wanted, search
from remit.bootstrap import open_store, prepare_home
from remit.kernel.action import ActorKind, Principal
from remit.kernel.errors import InvalidInput
from remit.settings import Settings


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Callable[..., list[Line]]":
    import asyncio

    monkeypatch.setattr(room, "STRETCH", 30)
    monkeypatch.setattr(room, "INDEXED_STRETCH", 20)
    settings = Settings(home=tmp_path / "home")
    asyncio.run(prepare_home(settings))

    def every(**filters: object) -> list[Line]:
        """All pages of a search, two entries each; none is larger than a stretch, none repeats."""
        lines: list[Line] = []
        before: int | None = None
        wanted = Wanted("default", **filters)  # pyright: ignore[reportArgumentType]
        with open_store(settings) as store:
            while True:
                page: Found = store.view(lambda tx, at=before: search(tx, wanted, before=at, limit=2))
                lines += page.lines
                assert len(page.lines) <= 2
                if page.next is None:
                    return lines
                assert before is None or page.next < before
                before = page.next

    with open_store(settings) as store:
        for number in range(150):
            result = Result.BLOCKED if number % 50 == 7 else Result.SUCCESS
            entry = Entry(
                actor=Principal(ActorKind.AGENT, f"a{number % 3}"),
                action="test.even" if number % 2 == 0 else "test.odd",
                domain="rare" if number == 3 else "common",
                result=result,
                workspace="default",
                mission=f"m{number % 5}",
                subject=f'thing "{number}"',
            )
            store.write("audit.hold", lambda tx, one=entry: tx.append(one, {}))
    return every


def test_every_filter_finds_what_looking_at_all_would(asked: "Callable[..., list[Line]]") -> None:
    whole = asked()
    seqs = [line.seq for line in whole]
    assert seqs == sorted(set(seqs), reverse=True)
    tests = [line for line in whole if line.action.startswith("test.")]
    assert len(tests) == 150
    cases: list[tuple[dict[str, str], Callable[[Line], bool]]] = [
        ({"action": "test.odd"}, lambda line: line.action == "test.odd"),
        ({"domain": "rare"}, lambda line: line.domain == "rare"),
        ({"result": "blocked"}, lambda line: line.result == "blocked"),
        ({"mission": "m2", "actor": "agent:a1"}, lambda line: (line.mission, line.actor) == ("m2", "agent:a1")),
        ({"action": "test.even", "domain": "rare"}, lambda _line: False),
        (
            {"actor": "agent:a0", "action": "test.odd"},
            lambda line: (line.actor, line.action) == ("agent:a0", "test.odd"),
        ),
        ({"text": 'thing "12'}, lambda line: 'thing "12' in line.subject),
        ({"text": "seq"}, lambda _line: False),
    ]
    for filters, fits in cases:
        assert [line.seq for line in asked(**filters)] == [line.seq for line in whole if fits(line)], filters
    middle = tests[75].ts_us
    since = asked(since_us=middle, action="test.odd")
    assert [line.seq for line in since] == [
        line.seq for line in whole if line.ts_us >= middle and line.action == "test.odd"
    ]
    until = asked(until_us=middle)
    assert [line.seq for line in until] == [line.seq for line in whole if line.ts_us <= middle]
    assert asked(since_us=1 << 52) == []
    with pytest.raises(InvalidInput):
        asked(text="x" * 201)
