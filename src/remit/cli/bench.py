"""``remit bench NAME``: runs a benchmark of the source tree and prints its figures beside its peer's or floor's."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import click

from remit.cli.output import common, emit, hint, say
from remit.kernel.errors import InvalidInput, NotFound


def folder() -> Path:
    """The ``benchmarks`` folder of the source tree that this package runs from, or of the current folder.

    Raises:
        NotFound: Remit runs from an installed package, without its benchmarks.
    """
    for place in (Path(__file__).resolve().parents[3], Path.cwd()):
        if (place / "benchmarks" / "harness.py").is_file():
            return place / "benchmarks"
    message = "Benchmarks are part of the source tree, and this Remit was installed without it."
    raise NotFound(message, hint="clone the repository and run 'make bench' there")


def names(place: Path) -> list[str]:
    """The benchmarks that exist: modules that define ``figures``."""
    return sorted(path.stem for path in place.glob("*.py") if "\ndef figures(" in path.read_text(encoding="utf-8"))


def load(place: Path, name: str) -> ModuleType:
    """Import one benchmark.

    Raises:
        InvalidInput: There is no benchmark of this name.
    """
    if name not in names(place):
        message = f"There is no benchmark {name!r}: there are {', '.join(names(place))}."
        raise InvalidInput(message, hint=f"remit bench {names(place)[0]}")
    if str(place.parent) not in sys.path:
        sys.path.insert(0, str(place.parent))
    return importlib.import_module(f"benchmarks.{name}")


def measure(place: Path, name: str, *, small: bool) -> Mapping[str, Mapping[str, object]]:
    """One benchmark's answer: ``name``, ``machine``, ``figures``, ``ratios``."""
    hint(f"measuring {name} ...")
    answer: Mapping[str, Mapping[str, object]] = load(place, name).figures(small=small)
    return answer


def show(answer: Mapping[str, Mapping[str, object]]) -> None:
    """For people."""
    for part in ("machine", "figures", "ratios"):
        say(part)
        for key, value in answer[part].items():
            say(f"  {key:44} {value}")


@click.command()
@click.argument("name", required=False)
@click.option("--all", "every", is_flag=True, help="Every benchmark, one after the other.")
@click.option("--small", is_flag=True, help="Small sizes, for a look; figures are not for quoting.")
@common
def bench(name: str | None, home: str | None, *, every: bool, small: bool, as_json: bool, debug: bool) -> None:
    """Measure a hot path against its peer or floor, in the same run."""
    del home, debug
    place = folder()
    if every:
        answers = [measure(place, each, small=small) for each in names(place)]
        if as_json:
            emit({"benchmarks": answers})
            return
        for answer in answers:
            say(f"== {answer['name']}")
            show(answer)
    elif name is None:
        emit({"benchmarks": names(place)}) if as_json else say("\n".join(names(place)))
    else:
        answer = measure(place, name, small=small)
        emit(answer) if as_json else show(answer)


COMMANDS = {"bench": bench}
