"""Many calls in a row: memory stays flat, each is on record. In full: `make prove ONLY=gateway_soak`."""

from typing import Any

from benchmarks.gateway_soak import soak


def test_two_thousand_calls_lose_no_record_and_take_no_memory() -> None:
    told: Any = soak(2_000)["figures"]
    assert told["requests"] == 2_000
    lost = {name: count for name, count in told.items() if name.startswith("lost_")}
    assert lost == dict.fromkeys(lost, 0), "each call has its action, intent, outcome and usage"
    assert len(lost) == 5
    assert told["held_micros"] == 0
    assert told["log_verifies"] == 1
    assert told["rss_growth_mb"] <= 16, told
