"""For every test: the net, skips that count as failures where everything must run, an order that can be shuffled."""

import os
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Generator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import HealthCheck
from hypothesis import settings as properties

HERE = Path(__file__).parent

#: Skips that stay skips under REMIT_REQUIRE_ALL=1: how their reason starts, and why that is fair.
EXCEPTED = {
    "peer not installed:": "a competitor's environment is made by `make bench-peers` and never by a test run",
    "model weights not present:": "a model too large to ship; the loading code is tested on small data",
    "another platform:": "the test is about an operating system that this is not",
}

#: Folders of tests that drive an adapter of the same name, standing where the guard stands.
ADAPTERS = {path.parent.name for path in HERE.parent.glob("src/remit/adapters/*/__init__.py")}


def _load_net() -> ModuleType:
    spec = spec_from_file_location("net_of_remit", HERE / "net.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["net_of_remit"] = module
    spec.loader.exec_module(module)
    return module


# A worker of a run that is shared out (xdist) is a child process as any other: it has the net already.
_net = sys.modules.get("net_of_remit") or _load_net()
NET = getattr(_net, "INSTALLED", None) or _net.install()


# A property is tried on the same examples in each run, on others with REMIT_PROVE=1; how long one takes is no fault.
properties.register_profile(
    "remit",
    deadline=None,
    derandomize=os.environ.get("REMIT_PROVE") != "1",
    suppress_health_check=[HealthCheck.too_slow],
)
properties.load_profile("remit")


# ---------------------------------------------------------------------------------------------------------- the net


@pytest.fixture
def net() -> object:
    """The net itself, for the tests that prove that it catches."""
    return NET


def _checked(phase: str) -> Generator[None, object, object]:
    """Run a phase of a test; fail it for whatever the net caught meanwhile, swallowed by the code under test or not."""
    try:
        result = yield
    except BaseException as error:
        if found := NET.drain():
            raise _net.OutsideTheGuard(_told(phase, found)) from error
        raise
    if found := NET.drain():
        raise _net.OutsideTheGuard(_told(phase, found))
    return result


def _told(phase: str, found: list[str]) -> str:
    return f"during {phase}, outside the guard:\n" + "\n".join(f"  {line}" for line in found)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    """Say whether this test drives adapters directly: its folder is named like one, or it is marked `adapter`."""
    folder = item.path.relative_to(HERE).parts[0] if item.path.is_relative_to(HERE) else ""
    NET.adapters_under_test = folder in ADAPTERS or item.get_closest_marker("adapter") is not None
    return (yield from _checked("setup"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Run the test under the net."""
    del item
    return (yield from _checked("the test"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    """Tear down under the net."""
    del item
    return (yield from _checked("teardown"))


# ------------------------------------------------------------------------------------------------- skips and order


def _excepted(reason: str) -> bool:
    return reason.removeprefix("Skipped: ").startswith(tuple(EXCEPTED))


def _reason(longrepr: object) -> str:
    return str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Where everything must run, a skip without a named exception is a failure."""
    if os.environ.get("REMIT_REQUIRE_ALL") != "1" or not report.skipped or hasattr(report, "wasxfail"):
        return
    reason = _reason(report.longrepr)
    if not _excepted(reason):
        report.outcome = "failed"
        report.longrepr = f"REMIT_REQUIRE_ALL=1, and this was not run: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that was skipped."""
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """A whole file that was skipped."""
    report = yield
    _refuse_skip(report)
    return report


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--shuffle SEED` runs the tests in another order, the same one for the same seed."""
    parser.addoption("--shuffle", metavar="SEED", default=None, help="run the tests in the order drawn from this seed")


#: Folders with files of half a minute, longest files first: begun first, so that no worker is left alone with one of
#: them at the end (`-n 2 --dist loadfile`).
LONG = (
    *("docs", "packs", "journeys", "house", "console", "agents", "mcp", "up", "backup", "deploy", "benchmarks"),
    *("engine", "api", "gateway", "redact", "store", "secrets"),
)


def _length(path: Path) -> int:
    folder = path.relative_to(HERE).parts[0] if path.is_relative_to(HERE) else ""
    return LONG.index(folder) if folder in LONG else len(LONG)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave long drills to `make prove`; shuffle whole files, and the tests inside each."""
    if os.environ.get("REMIT_PROVE") != "1":
        left = [item for item in items if item.get_closest_marker("prove")]
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in left]
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: _length(item.path))
    seed = config.getoption("--shuffle")
    if seed is None:
        return
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    source = random.Random(seed)
    order = list(files.values())
    source.shuffle(order)
    for file in order:
        source.shuffle(file)
    items[:] = [item for file in order for item in file]


def pytest_configure(config: pytest.Config) -> None:
    """Name our marker, and hand the net on to the processes that tests start."""
    config.addinivalue_line("markers", "prove: a drill of minutes, run with REMIT_PROVE=1 only")
    config.addinivalue_line("markers", "adapter: drives adapters directly, standing where the guard stands")
    descriptor, report = tempfile.mkstemp(prefix="net-")
    os.close(descriptor)
    os.environ[_net.REPORT] = report
    os.environ[_net.OWNER] = str(os.getpid())
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE / "child"), *([inherited] if inherited else [])])


def pytest_unconfigure() -> None:
    """Remove the report; nothing found may be left in it."""
    left = NET.drain()
    report = os.environ.pop(_net.REPORT, "")
    if report:
        Path(report).unlink(missing_ok=True)
    if left:
        raise _net.OutsideTheGuard(_told("the run, after its last test", left))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What this machine could not run, and why, in a few lines."""
    reasons = Counter(_reason(report.longrepr) for report in terminalreporter.getreports("skipped"))
    if reasons:
        terminalreporter.section("not run on this machine")
        for reason, count in reasons.most_common():
            terminalreporter.write_line(f"{count} x {reason.removeprefix('Skipped: ')}")
