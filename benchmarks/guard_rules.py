"""The rules: what one CEL rule takes, and all rules of a kind; the floor is the same condition as plain Python."""

from __future__ import annotations

import time
from collections.abc import Callable

from remit.guard.cel import Value
from remit.guard.rules.cases import Case, cases_of
from remit.guard.rules.resolving import shipped, shipped_set
from remit.guard.rules.variables import read, read_evidence

RULE = "trade.position"


def per_call_us(work: Callable[[], object], *, count: int, runs: int = 5) -> float:
    """Microseconds of this thread's processor for one call, the least of several runs."""
    least = float("inf")
    for _ in range(runs):
        began = time.thread_time_ns()
        for _ in range(count):
            work()
        least = min(least, (time.thread_time_ns() - began) / count / 1000)
    return least


def rule_figures(*, count: int = 20_000) -> dict[str, float]:
    """Microseconds: one rule (its values bound already, and bound for it alone), and every rule of an order."""
    book = shipped().book
    case = next(case for case in cases_of(shipped_set("trading")) if case.expect == "allow")
    facts = facts_of(case)
    rules = book.kinds["order"]
    rule = next(each for each in rules.rules if each.rule.id == RULE).asserts
    values = book.values("order", facts)
    alone = {name: values[name] for name in rule.names}
    binding = rules.language.bind(values)
    assert rule.ask(binding).holds
    assert book.judge("order", facts, mask=str) == ()
    size, limit = float(facts["order.position_size"]), float(values["limit.position"])
    return {
        "cel_rule_bound_us": round(per_call_us(lambda: rule.ask(binding), count=count), 2),
        "cel_rule_us": round(per_call_us(lambda: rule.ask(rules.language.bind(alone)), count=count), 2),
        "python_floor_us": round(per_call_us(lambda: 0.0 <= size <= limit, count=count), 3),
        "order_rules": len(rules.rules),
        "order_rules_us": round(per_call_us(lambda: book.judge("order", facts, mask=str), count=count // 10), 2),
    }


def facts_of(case: Case) -> dict[str, Value]:
    """What the rules read of a test's action."""
    book = shipped().book
    facts = read(case.action, case.setting)
    return facts | read_evidence(case.setting.evidence or {}, book.critics, book.findings)
