"""Pickle, refused: whoever can write the engine's database must not thereby run code in this process."""

from __future__ import annotations

from typing import Any, NoReturn

from remit.kernel.errors import IntegrityError


def _refuse(*_: Any, **__: Any) -> NoReturn:
    message = "A row of the engine's database asks to be read or written as pickle, which could run any code."
    raise IntegrityError(message, code="integrity.pickle", hint="remit doctor")


def refuse_pickle() -> None:
    """Replace both halves of DBOS's pickle serialiser, for the whole process and for good.

    A custom serialiser alone does not do it: each row names its own format, and DBOS obeys ``py_pickle`` whatever the
    configuration says. Idempotent.
    """
    from dbos._serialization import DefaultSerializer

    DefaultSerializer.serialize = _refuse
    DefaultSerializer.deserialize = _refuse
