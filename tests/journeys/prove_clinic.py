"""The long proofs on the clinic; ``make prove`` runs them by name: twenty kills, and rollback of a feature."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest

from remit.testing.drill import Drill

from .clinics import CLINIC, broken_off
from .recorded import EMPTY_TREE

pytestmark = pytest.mark.timeout(7200)

MOMENTS = 20
LEAF = "reporting"


def test_twenty_evenly_spread_kills(tmp_path: Path) -> None:
    with Drill(tmp_path / "unbroken") as drill:
        began = time.monotonic()
        ran = drill.remit("run", "build", CLINIC)
        seconds = time.monotonic() - began
        assert ran.code == 0, ran.err
        tree = ran.json()["tree"]
    failures: dict[str, list[str]] = {}
    for number in range(1, MOMENTS + 1):
        with Drill(tmp_path / str(number)) as drill:
            after = seconds * number / (MOMENTS + 1)
            made, found = broken_off(drill, lambda after=after: time.sleep(after))
            # A run may be quicker than the first one; one that had ended has nothing to resume and still must be whole.
            found = [one for one in found if not one.startswith("it had ended before: 0")]
            found += [] if made == tree else [f"tree {made}, not {tree}"]
            if found:
                failures[f"{after:.1f} s"] = found
    if target := os.environ.get("DRILL_COUNTS"):
        with Path(target).open("a", encoding="utf-8") as file:
            row = {"journey": "clinic", "moments": list(range(MOMENTS)), "failures": failures, "seconds": seconds}
            file.write(json.dumps(row) + "\n")
    assert failures == {}


def test_a_clinic_without_one_feature_is_one_that_never_had_it(tmp_path: Path) -> None:
    from remit.packs.build.pack import PACK as BUILD

    rest, _ = BUILD.without(CLINIC.read_bytes(), LEAF)
    with Drill(tmp_path) as drill:
        without = drill.folder / "clinic.yaml"
        without.write_bytes(rest)
        never = drill.remit("run", "build", without).json()
        whole = drill.remit("run", "build", CLINIC).json()
        assert (never["status"], whole["status"]) == ("succeeded", "succeeded")
        assert whole["tree"] != never["tree"]
        back = drill.remit("rollback", whole["mission"], "--feature", LEAF).json()
        assert (back["status"], back["tree"]) == ("succeeded", never["tree"])
        assert drill.remit("rollback", whole["mission"]).json()["tree"] == EMPTY_TREE
