"""The one table: every error class has a row, and its row is what the outside sees."""

import pickle
from pathlib import Path

import pytest

from remit.kernel import errors
from remit.kernel.errors import TABLE, Denied, ErrorRow, InvalidInput, RemitError, Unavailable, row_of

EXITS = {"ok": 0, "failed": 1, "usage": 2, "denied": 3, "waiting": 4, "unavailable": 5}


def _subclasses(cls: type[RemitError]) -> list[type[RemitError]]:
    return [found for child in cls.__subclasses__() for found in (child, *_subclasses(child))]


def test_every_class_of_the_tree_has_its_own_row() -> None:
    tree = {cls for cls in _subclasses(RemitError) if cls.__module__ == errors.__name__}
    assert tree == set(TABLE)


def test_codes_are_unique_and_rows_are_complete() -> None:
    assert len({row.code for row in TABLE.values()}) == len(TABLE)
    for row in TABLE.values():
        assert row.exit in EXITS.values()
        assert 400 <= row.http < 600
        assert row.hint


@pytest.mark.parametrize(
    ("error", "code", "exit_code", "retryable"),
    [
        (InvalidInput("no"), "invalid_input", 2, False),
        (Denied("no"), "denied", 3, False),
        (errors.ApprovalPending("wait"), "approval_pending", 4, False),
        (Unavailable("gone"), "unavailable", 5, True),
        (errors.IntegrityError("bad"), "integrity", 1, False),
    ],
)
def test_what_the_outside_sees(error: RemitError, code: str, exit_code: int, *, retryable: bool) -> None:
    assert (error.code, error.row.exit, error.row.retryable) == (code, exit_code, retryable)


def test_a_foreign_exception_is_an_internal_error() -> None:
    row = row_of(ValueError)
    assert isinstance(row, ErrorRow)
    assert row.code == "internal"


def test_a_refusal_tells_how_to_ask_why() -> None:
    assert Denied("no", decision_id="abc").hint == "remit why abc"


def test_errors_survive_a_process_boundary() -> None:
    error = InvalidInput("bad", place="x.yaml:1:2", code="intake.bad", hint="fix it")
    again = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert (again.message, again.place, again.code, again.hint) == ("bad", "x.yaml:1:2", "intake.bad", "fix it")


def test_the_page_about_errors_says_what_the_table_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    for cls, row in TABLE.items():
        retry = "yes" if row.retryable else "no"
        anchor = f'<a id="{row.code}"></a>'
        assert f"| {anchor}{cls.__name__} | `{row.code}` | {row.http} | {row.exit} | {retry} | {row.hint} |" in page
