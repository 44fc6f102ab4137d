"""The intake that ships with Remit: a clinic, small enough to read and whole enough to build."""

from __future__ import annotations

from pathlib import Path

from remit.kernel.errors import NotFound

NAME = "clinic.yaml"
_HERE = Path(__file__).resolve()
#: In the source tree, or as the package carries it.
_PLACES = (_HERE.parents[4] / "examples" / "intakes" / NAME, _HERE.parents[2] / "examples" / "intakes" / NAME)


def example() -> Path:
    """Where it is.

    Raises:
        NotFound: It is not part of this installation.
    """
    for place in _PLACES:
        if place.is_file():
            return place
    message = "The demo's intake is not part of this installation."
    raise NotFound(message, hint="remit run build YOUR-INTAKE.yaml")
