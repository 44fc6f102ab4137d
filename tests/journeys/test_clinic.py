"""kill -9 in the middle of the clinic's build, whatever it is doing at that moment; a resume brings the same tree."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from remit.testing.drill import Drill, Look, until

from .clinics import CLINIC, broken_off

pytestmark = pytest.mark.timeout(400)

#: How much of the mission is done when it is killed.
PARTS = (1 / 3, 3 / 4)


@pytest.mark.prove
def test_a_build_that_is_killed_in_the_middle_ends_with_the_same_tree(tmp_path: Path) -> None:
    total = 0
    with Drill(tmp_path / "unbroken") as drill:
        plan = drill.remit("run", "build", CLINIC, "--plan").json()
        total = len(plan["steps"])

    def unbroken() -> str:
        with Drill(tmp_path / "unbroken") as drill:
            ran = drill.remit("run", "build", CLINIC)
            assert ran.code == 0, ran.err
            assert ran.json()["status"] == "succeeded"
            return str(ran.json()["tree"])

    def killed(part: float) -> tuple[str, list[str]]:
        with Drill(tmp_path / f"killed-{part:.2f}") as drill:

            def reached(look: Look) -> bool:
                return len(look.done) >= total * part

            return broken_off(drill, lambda: until(lambda: reached(drill.look()), within_s=180, what="the moment"))

    with ThreadPoolExecutor(2) as pool:
        whole = pool.submit(unbroken)
        parts = [pool.submit(killed, part) for part in PARTS]
        for part in parts:
            tree, found = part.result()
            assert found == []
            assert tree == whole.result()
