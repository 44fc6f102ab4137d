"""A workspace's figures as Prometheus text, read from the store's rows: the same whoever asks, and after a restart.

Labels are closed enums and the workspace, never an id or a name that somebody chose.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.metrics_core import SummaryMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from remit.adapters.store.journal import Store
from remit.guard import measures as guard_measures
from remit.guard.measures import QUANTILES, SECONDS, Durations, GuardMeasures
from remit.kernel.ports import ReadTx
from remit.missions import measures as mission_measures
from remit.missions.measures import MissionMeasures
from remit.redact import sinks

MICROS = 1_000_000


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that is told, read in one transaction."""

    guard: GuardMeasures
    missions: MissionMeasures


def read(tx: ReadTx, workspace: str) -> Snapshot:
    """Read it."""
    return Snapshot(guard_measures.measure(tx, workspace), mission_measures.measure(tx, workspace))


class StoreCollector(Collector):
    """Answers each scrape with a fresh snapshot."""

    def __init__(self, store: Store, workspace: str) -> None:
        self._store = store
        self._workspace = workspace

    def collect(self) -> Iterable[Metric]:
        """Every family of ``FAMILIES``, in their order, labels masked: a workspace's name is somebody's choice."""
        for family in self._families():
            family.samples = [_shown(sample) for sample in family.samples]
            yield family

    def _families(self) -> Iterable[Metric]:
        snapshot = self._store.view(lambda tx: read(tx, self._workspace))
        statistics = self._store.statistics()
        yield from _guard(snapshot.guard, self._workspace)
        yield from _missions(snapshot.missions, self._workspace)
        yield GaugeMetricFamily("remit_audit_entries", "Entries of the audit log.", statistics.rows["audit_entry"])
        yield GaugeMetricFamily("remit_audit_signed", "Entries under the last signed checkpoint.", statistics.signed)
        yield GaugeMetricFamily("remit_store_bytes", "Size of the store.", statistics.bytes)
        yield GaugeMetricFamily("remit_store_queued", "Writes that wait in this process.", statistics.queued)


def _shown(sample: Sample) -> Sample:
    labels = {name: sinks.mask(value) for name, value in sample.labels.items()}
    return sample if labels == sample.labels else sample._replace(labels=labels)


def text(store: Store, workspace: str) -> str:
    """The exposition format (text, version 0.0.4)."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(StoreCollector(store, workspace))
    return generate_latest(registry).decode()


def samples(store: Store, workspace: str) -> list[dict[str, object]]:
    """The same as data: name, labels and value of each sample."""
    found = StoreCollector(store, workspace).collect()
    return [
        {"name": sample.name, "labels": dict(sample.labels), "value": sample.value}
        for family in found
        for sample in family.samples
    ]


def _guard(found: GuardMeasures, workspace: str) -> Iterable[Metric]:
    yield _counter("remit_actions", "Actions by how they stand.", ("kind", "state"), found.actions, workspace)
    yield _counter("remit_refusals", "Refusals of the guard.", ("check", "reason"), found.refusals, workspace)
    yield _counter(
        *("remit_observed_refusals", "Would-be refusals of what is only observed."),
        *(("check", "reason"), found.observed, workspace),
    )
    yield _counter("remit_action_tries", "Attempts inside permits.", ("kind",), _single(found.tries), workspace)
    cost = {(kind,): micros / MICROS for kind, micros in found.cost_micros.items()}
    yield _counter("remit_cost_usd", "What actions cost, in dollars.", ("kind",), cost, workspace)
    yield _histogram("remit_action_seconds", "From asking to the outcome.", "kind", found.durations, workspace)
    times = SummaryMetricFamily(
        "remit_guard_check_seconds", "Each check's time over the newest actions.", labels=("workspace", "check")
    )
    for name, took in found.checks.items():
        times.add_metric((workspace, name), took.count, took.sum_s)
        for share, seconds in zip(QUANTILES, took.quantiles, strict=True):
            labels = {"workspace": workspace, "check": name, "quantile": str(share)}
            times.add_sample("remit_guard_check_seconds", labels, seconds)
    yield times
    yield _gauge("remit_breakers", "Circuits that opened at least once.", ("kind", "phase"), found.breakers, workspace)


def _missions(found: MissionMeasures, workspace: str) -> Iterable[Metric]:
    yield _gauge("remit_missions", "Missions by status.", ("status",), _single(found.missions), workspace)
    yield _gauge("remit_steps", "Steps by status.", ("status",), _single(found.steps), workspace)
    yield _counter(
        "remit_step_attempts", "Attempts of steps by outcome.", ("outcome",), _single(found.attempts), workspace
    )
    yield _gauge("remit_steps_retried", "Steps that needed more than one attempt.", (), {(): found.retried}, workspace)
    yield _histogram("remit_step_seconds", "How long attempts of steps took.", "outcome", found.durations, workspace)


def _single(counts: Mapping[str, float]) -> dict[tuple[str, ...], float]:
    return {(name,): count for name, count in counts.items()}


def _counter(
    name: str, told: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float], workspace: str
) -> Metric:
    family = CounterMetricFamily(name, told, labels=("workspace", *labels))
    for at, value in sorted(values.items()):
        family.add_metric((workspace, *at), value)
    return family


def _gauge(
    name: str, told: str, labels: tuple[str, ...], values: Mapping[tuple[str, ...], float], workspace: str
) -> Metric:
    family = GaugeMetricFamily(name, told, labels=("workspace", *labels))
    for at, value in sorted(values.items()):
        family.add_metric((workspace, *at), value)
    return family


def _histogram(name: str, told: str, label: str, values: Mapping[str, Durations], workspace: str) -> Metric:
    family = HistogramMetricFamily(name, told, labels=("workspace", label))
    for at, took in sorted(values.items()):
        buckets = [*((str(bound), float(count)) for bound, count in zip(SECONDS, took.counts, strict=True))]
        family.add_metric((workspace, at), [*buckets, ("+Inf", float(took.count))], took.sum_s)
    return family
