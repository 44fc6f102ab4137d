"""``remit bench NAME``: runs a benchmark of the source tree and prints its figures beside its peer's or floor's."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import click

from remit.cli.output import common, emit, hint, say
from remit.kernel.errors import NotFound


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
    return sorted(path.stem for path in place.glob("*.py") if "def figures(" in path.read_text(encoding="utf-8"))


def load(place: Path, name: str) -> ModuleType:
    """Import one benchmark module by its file.

    Raises:
        NotFound: There is no benchmark of this name.
    """
    if name not in names(place):
        message = f"There is no benchmark {name!r}: there are {', '.join(names(place))}."
        raise NotFound(message, hint=f"remit bench {names(place)[0]}")
    sys.path.insert(0, str(place.parent))
    spec = importlib.util.spec_from_file_location(f"benchmarks.{name}", place / f"{name}.py")
    if spec is None or spec.loader is None:
        message = f"The benchmark {name!r} can't be loaded."
        raise NotFound(message)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@click.command()
@click.argument("name", required=False)
@common
def bench(name: str | None, home: str | None, *, as_json: bool, debug: bool) -> None:
    """Measure a hot path against its peer or floor, in the same run."""
    del home, debug
    place = folder()
    if name is None:
        emit({"benchmarks": names(place)}) if as_json else say("\n".join(names(place)))
        return
    hint(f"measuring {name} ...")
    answer: dict[str, dict[str, object]] = load(place, name).figures()
    if as_json:
        emit(answer)
        return
    for part in ("machine", "figures", "ratios"):
        say(part)
        for key, value in answer[part].items():
            say(f"  {key:44} {value}")


COMMANDS = {"bench": bench}
