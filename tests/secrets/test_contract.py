"""What every backend promises, asked of each."""

from __future__ import annotations

import pytest

from remit.kernel.errors import Conflict, NotFound

from .conftest import Made, some_value


def test_what_was_set_is_what_is_got(made: Made) -> None:
    for text in (some_value(), "grüße, 世界 🔑", "-----BEGIN X-----\nline\n-----END X-----\n", "x" * 60_000):
        made.put("db", text)
        found = made.backend.get("db")
        assert (found.text, found.name) == (text, "db")
        assert found.version
        assert text not in repr(found)
        assert text not in repr(made.backend)


def test_what_is_not_there_is_said_to_be_unknown(made: Made) -> None:
    with pytest.raises(NotFound) as caught:
        made.backend.get("nothing")
    assert caught.value.code == "secrets.unknown"
    made.put("db", some_value())
    with pytest.raises(NotFound):
        made.backend.get("db", version="99")
    with pytest.raises(NotFound):
        made.backend.versions("nothing")


def test_names_are_listed_in_order(made: Made) -> None:
    assert made.backend.names() == []
    for name in ("zeta", "alpha", "beta_2"):
        made.put(name, some_value())
    assert made.backend.names() == ["alpha", "beta_2", "zeta"]


def test_versions_are_kept_and_the_newest_is_given(made: Made) -> None:
    first, second = some_value(), some_value()
    made.put("db", first)
    before = made.backend.get("db").version
    made.put("db", second)
    assert made.backend.get("db").text == second
    if not made.backend.writable:
        return  # a variable has the one value that it has
    after = made.backend.get("db").version
    assert made.backend.versions("db") == [after, before]
    assert made.backend.get("db", version=before).text == first
    assert made.backend.get("db", version=after).text == second


def test_a_deleted_secret_is_gone_with_its_versions(made: Made) -> None:
    made.put("db", some_value())
    if not made.backend.writable:
        for change in (lambda: made.backend.set("db", "x"), lambda: made.backend.delete("db")):
            with pytest.raises(Conflict) as caught:
                change()
            assert caught.value.code == "secrets.read_only"
        return
    version = made.backend.get("db").version
    made.backend.delete("db")
    assert made.backend.names() == []
    for ask in (
        lambda: made.backend.get("db"),
        lambda: made.backend.get("db", version=version),
        lambda: made.backend.versions("db"),
        lambda: made.backend.delete("db"),
    ):
        with pytest.raises(NotFound):
            ask()


def test_names_with_folders_stay_apart(made: Made) -> None:
    if not made.backend.writable:
        with pytest.raises(NotFound):
            made.backend.get("prod/db")
        return
    for name in ("prod/db", "prod/db-ro", "prod.db"):
        made.put(name, name + some_value())
    for name in ("prod/db", "prod/db-ro", "prod.db"):
        assert made.backend.get(name).text.startswith(name)
    assert made.backend.names() == ["prod.db", "prod/db", "prod/db-ro"]
