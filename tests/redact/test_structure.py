"""Whatever a caller hands to a log line, the redactor sees all of it as plain data."""

import os
from collections import deque, namedtuple
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from remit.redact.redactor import Redactor
from remit.redact.structure import CYCLE, HIDDEN, structured

SECRET = "hunter2_" + "f00dfeed"


class Shade(Enum):
    DARK = SECRET


class Word(StrEnum):
    ONE = SECRET


@dataclass(frozen=True, slots=True)
class Card:
    name: str
    inner: object = field(default=None, repr=False)


class Model(BaseModel):
    value: str
    inner: dict[str, Any] = {}


Point = namedtuple("Point", "x y")  # noqa: PYI024 - the old kind is what is tested

VALUES: dict[str, object] = {
    "text": SECRET,
    "key": {SECRET: 1},
    "key of bytes": {SECRET.encode(): 1},
    "key that is a tuple": {("a", SECRET): 1},
    "tuple": (1, (SECRET,)),
    "named tuple": Point(1, SECRET),
    "set": {SECRET},
    "frozen set": frozenset({SECRET}),
    "deque": deque([SECRET]),
    "bytes": SECRET.encode(),
    "bytearray": bytearray(SECRET, "ascii"),
    "memoryview": memoryview(SECRET.encode()),
    "UTF-16": SECRET.encode("utf-16-le"),
    "bytes among others": b"\xff\xfe\x00" + SECRET.encode() + b"\x80",
    "dataclass": Card(SECRET),
    "what its repr leaves out": Card("x", inner=[SECRET]),
    "model": Model(value=SECRET),
    "model in a model": {"a": Model(value="x", inner={"b": [SECRET]})},
    "path": Path("folder") / SECRET,
    "enum": Shade.DARK,
    "text enum": Word.ONE,
    "exception": ValueError(SECRET),
    "deep": {"a": [{"b": ({"c": [SECRET]},)}]},
}


@pytest.fixture
def redactor() -> Redactor:
    found = Redactor(os.urandom(16))
    found.register(SECRET)
    return found


@pytest.mark.parametrize("kind", VALUES)
def test_no_kind_of_value_hides_a_secret(redactor: Redactor, kind: str) -> None:
    told = repr(redactor.mask_tree(structured(VALUES[kind])))
    assert "hunter2" not in told
    assert "[REDACTED:registered:" in told


def test_a_number_can_be_a_secret(redactor: Redactor) -> None:
    redactor.register("4711081500")
    assert "4711081500" not in repr(redactor.mask_tree(structured({"pin": 4711081500, "n": 7})))


def test_a_value_that_knows_it_is_secret_is_never_asked_for_it() -> None:
    assert structured({"a": SecretStr(SECRET)}) == {"a": HIDDEN}


def test_what_contains_itself_ends() -> None:
    loop: list[object] = [1]
    loop.append({"again": loop})
    assert structured(loop) == [1, {"again": CYCLE}]
    twice: object = []
    for _ in range(40):
        twice = [twice, twice]
    assert len(repr(structured(twice))) < 1_000_000  # 2^40 if every path were walked


def test_depth_ends() -> None:
    deep: object = SECRET
    for _ in range(5000):
        deep = [deep]
    assert "[too deep]" in repr(structured(deep))


def test_plain_data_stays_what_it_is() -> None:
    value = {"a": [1, 2.5, True, None, "x"], "b": {"c": -7}}
    assert structured(value) == value
    assert structured([float("nan"), float("inf")]) == ["nan", "inf"]
