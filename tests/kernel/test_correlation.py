"""Ids are set where work begins and are there wherever it goes."""

import asyncio
import threading

import pytest

from remit.kernel import correlation
from remit.kernel.correlation import FIELDS, Ids, begin, bound, current, request


@pytest.fixture(autouse=True)
def ended() -> object:
    yield
    correlation.end()


def test_nothing_is_known_before_anything_begins() -> None:
    assert current() == Ids()
    assert current().known() == {}


def test_ids_are_added_on_the_way_down_and_taken_back() -> None:
    asked = begin()
    with bound(workspace="w", mission="m"):
        with bound(step="s", mission=""):
            assert current() == Ids(asked, "w", "m", "s")
        assert current() == Ids(asked, "w", "m")
    assert current() == Ids(asked)


def test_the_trace_id_is_the_requests() -> None:
    asked = begin()
    assert current().trace_id == asked.replace("-", "")
    assert list(current().known()) == ["request_id", "trace_id"]
    assert set(FIELDS) >= set(current().known())


def test_a_thread_without_a_context_has_the_processs_request() -> None:
    asked = begin()
    seen: list[Ids] = []
    with bound(mission="m"):
        thread = threading.Thread(target=lambda: seen.append(current()))
        thread.start()
        thread.join()
    assert seen[0].request_id == asked


async def test_tasks_inherit_and_do_not_disturb_each_other() -> None:
    begin()

    async def work(step: str) -> tuple[str, str]:
        with bound(step=step):
            await asyncio.sleep(0)
            return step, current().step

    with bound(mission="m"):
        done = await asyncio.gather(*(work(f"s{number}") for number in range(20)))
    assert all(one == other for one, other in done)
    assert current().step == ""


async def test_each_run_of_a_worker_is_a_request_of_its_own() -> None:
    worker = begin()

    @request
    async def run(name: str) -> tuple[str, str]:
        await asyncio.sleep(0)
        return name, current().request_id

    one, two = await asyncio.gather(run("a"), run("b"))
    assert (one[0], two[0]) == ("a", "b")
    assert len({one[1], two[1], worker}) == 3
    assert current().request_id == worker
