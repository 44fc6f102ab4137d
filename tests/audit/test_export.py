"""Exports: what they hold, that anybody with the public key can check them, and that any change is named."""

import asyncio
import csv
import json
import random
import shutil
import sys
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from remit.adapters.export.folder import check_folder, export
from remit.adapters.export.formats import Format, read
from remit.adapters.store import open_store
from remit.adapters.store.journal import Store
from remit.adapters.store.keyfile import load_key
from remit.audit import Entry, Result
from remit.audit.bundle import COLUMNS, Checked
from remit.audit.export import Selection
from remit.audit.note import Verifier, new_signer
from remit.audit.retention import retain
from remit.kernel.action import ActorKind, Principal
from remit.kernel.clock import micros_of
from remit.kernel.errors import Conflict, NotFound, Unavailable
from remit.testing.clock import ManualClock

ADA = Principal(ActorKind.USER, "ada")
START = datetime(2026, 1, 1, tzinfo=UTC)
LATER = micros_of(START) + 1
FORMULA = '=HYPERLINK("http://127.0.0.1","x")'


def entry(n: int) -> Entry:
    return Entry(
        actor=ADA if n % 3 == 0 else Principal(ActorKind.AGENT, "coder"),
        on_behalf_of=ADA if n % 3 == 1 else None,
        action="guard.intent" if n % 2 else "guard.outcome",
        domain="deploy" if n % 4 == 0 else "command",
        result=Result.SUCCESS,
        workspace="acme" if n % 5 else "globex",
        mission=f"m{n % 2}",
        step=FORMULA if n == 3 else f"s{n}",
        reason=("+1", "-1", "@x", "'x", "")[n % 5],
    )


def fill(store: Store, first: int, stop: int) -> None:
    store.write(
        "guard.intent",
        lambda tx: [
            tx.append(entry(n), {"n": n, "text": f'"quoted", text\n{n}'}, subject="bob" if n == 7 else "")
            for n in range(first, stop)
        ],
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log with pruned, erased and present payloads of two workspaces."""
    home = tmp_path_factory.mktemp("home")
    clock = ManualClock(START)
    with open_store(home, clock=clock) as store:
        fill(store, 1, 6)
        clock.advance(40 * 86_400)
        fill(store, 6, 40)
        now = micros_of(clock.now())
        asyncio.run(retain(store, workspace="acme", days=30, now_us=now, by=ADA, allow=lambda _: None))
        store.erase("bob", workspace="acme", by=ADA, reason="", allow=lambda _: None)
        store.seal()
        assert store.verify().ok
    return home


def make(home: Path, folder: Path, form: Format, **wanted: object) -> Verifier:
    signer = load_key(home / "audit.key")
    with open_store(home) as store:
        selection = Selection(**{"workspace": "acme", **wanted})  # type: ignore[arg-type]
        store.view(
            lambda tx: export(
                tx, folder, wanted=selection, form=form, signers=[signer], verifiers=[signer.verifier], made_at="now"
            )
        )
    return signer.verifier


def entries(folder: Path, form: Format) -> list[dict]:
    found = list(read(folder / form.file, form=form))
    assert all(isinstance(row, dict) for row in found), found
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("form", Format)
def test_an_export_is_checked_offline_with_the_public_key_alone(home: Path, tmp_path: Path, form: Format) -> None:
    key = make(home, tmp_path / "out", form)
    checked = check_folder(tmp_path / "out", [key])
    assert checked.ok, checked.discrepancies
    rows = entries(tmp_path / "out", form)
    assert (checked.rows, checked.manifest["rows"]) == (len(rows), len(rows))
    states = {row["seq"]: row["state"] for row in rows}
    assert [seq for seq, state in states.items() if state == "pruned"] == [1, 2, 3, 4]
    assert [seq for seq, state in states.items() if state == "erased"] == [7]
    assert not {5, 10, 15} & set(states)
    assert json.loads(next(row["payload"] for row in rows if row["seq"] == 6)) == {"n": 6, "text": '"quoted", text\n6'}
    assert not any("bob" in str(row) for row in rows)


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        ({"action": "guard.intent"}, lambda n: n % 2 == 1),
        ({"domain": "deploy"}, lambda n: n % 4 == 0),
        ({"mission": "m1"}, lambda n: n % 2 == 1),
        ({"user": "ada"}, lambda n: n % 3 in (0, 1)),
        ({"user": "agent:coder"}, lambda n: n % 3 != 0),
        ({"until_us": micros_of(START)}, lambda n: n < 6),
        ({"since_us": LATER, "user": "user:ada", "domain": "deploy"}, lambda n: n > 5 and n % 12 in {0, 4}),
    ],
)  # fmt: skip
def test_a_filter_takes_what_fits_and_every_row_is_proved(
    home: Path, tmp_path: Path, wanted: dict, fits: Callable[[int], bool]
) -> None:
    key = make(home, tmp_path / "out", Format.JSONL, **wanted)
    assert check_folder(tmp_path / "out", [key]).ok
    found = [row["seq"] for row in entries(tmp_path / "out", Format.JSONL) if row["action"].startswith("guard.")]
    assert found == [n for n in range(1, 40) if n % 5 and fits(n)]
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    assert all(manifest["filter"][name] == value for name, value in wanted.items())


def test_an_empty_export_is_an_export(home: Path, tmp_path: Path) -> None:
    for form in Format:
        key = make(home, tmp_path / form, form, mission="nothing")
        checked = check_folder(tmp_path / form, [key])
        assert (checked.ok, checked.rows) == (True, 0)


def test_a_spreadsheet_sees_no_formula(home: Path, tmp_path: Path) -> None:
    make(home, tmp_path / "out", Format.CSV)
    with (tmp_path / "out" / "entries.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert f"'{FORMULA}" in cells
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_the_parquet_has_the_hashed_bytes(home: Path, tmp_path: Path) -> None:
    make(home, tmp_path / "out", Format.PARQUET)
    table = pq.read_table(tmp_path / "out" / "entries.parquet")
    assert table.schema.field("header").type == pa.binary()
    assert all(json.loads(header)["workspace"] == "acme" for header in table.column("header").to_pylist())


def test_another_key_proves_nothing(home: Path, tmp_path: Path) -> None:
    make(home, tmp_path / "out", Format.JSONL)
    stranger = new_signer("x", random.Random(1).randbytes).verifier
    checked = check_folder(tmp_path / "out", [stranger])
    assert {found.place for found in checked.discrepancies} == {"manifest.json", "manifest.note"}


def test_a_folder_with_something_in_it_is_left_alone(home: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(Conflict):
        make(home, tmp_path, Format.JSONL)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    with pytest.raises(NotFound):
        check_folder(tmp_path, [])


def test_without_pyarrow_the_error_says_what_to_do(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(Unavailable) as told:
        make(home, tmp_path / "out", Format.PARQUET)
    assert "pyarrow" in told.value.message
    assert "jsonl" in told.value.hint
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------------------------------------- what was changed

type Change = Callable[[list[dict]], list[dict]]


def _set(at: int, column: str, value: object) -> Change:
    def change(rows: list[dict]) -> list[dict]:
        rows[at][column] = value(rows[at][column]) if callable(value) else value
        return rows

    return change


def _forge(rows: list[dict]) -> list[dict]:
    """A header that says something else, and every column to go with it."""
    import base64

    header = json.loads(base64.b64decode(rows[9]["header"]))
    header["actor"] = rows[9]["actor"] = "agent:innocent"
    rows[9]["header"] = b64encode(json.dumps(header, sort_keys=True, separators=(",", ":")).encode()).decode()
    return rows


OTHER = "x" * 8
PRUNED = {"payload": "", "salt": "", "state": "pruned"}
CHANGES: dict[str, tuple[Change, int]] = {
    **{
        f"column {name}": (_set(9, name, lambda old: old + OTHER if old != OTHER else ""), 9)
        for name in COLUMNS
        if name not in ("seq", "header", "proof")
    },
    "a header forged": (_forge, 9),
    "the header of another": (lambda rows: [*rows[:9], {**rows[9], "header": rows[8]["header"]}, *rows[10:]], 9),
    "the proof of another": (lambda rows: [*rows[:9], {**rows[9], "proof": rows[8]["proof"]}, *rows[10:]], 9),
    "no proof": (_set(9, "proof", ""), 9),
    "payload taken away": (lambda rows: [*rows[:9], {**rows[9], **PRUNED}, *rows[10:]], 9),
    "renumbered": (_set(9, "seq", 5), 9),
    "removed": (lambda rows: rows[:9] + rows[10:], 9),
    "the last removed": (lambda rows: rows[:-1], -1),
    "all removed": (lambda _rows: [], 0),
    "added": (lambda rows: [*rows[:9], {**rows[9], "seq": 1000}, *rows[9:]], -2),
    "there twice": (lambda rows: [*rows[:9], rows[9], *rows[9:]], 9),
    "two swapped": (lambda rows: [*rows[:9], rows[10], rows[9], *rows[11:]], 9),
    "reversed": (lambda rows: rows[::-1], 0),
}  # fmt: skip


def rewrite(path: Path, rows: list[dict], form: Format) -> None:
    """Write rows as an insider would: in the very same format."""
    from remit.adapters.export.formats import write

    path.unlink()
    write(path, rows, form=form)


def places(checked: Checked) -> str:
    return "\n".join(str(found) for found in checked.discrepancies)


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("kind", CHANGES)
def test_a_changed_row_is_named(home: Path, tmp_path: Path, form: Format, kind: str) -> None:
    folder = tmp_path / "out"
    key = make(home, folder, form)
    rows = entries(folder, form)
    change, at = CHANGES[kind]
    seq = 1000 if at == -2 else rows[at]["seq"]
    changed = change([dict(row) for row in rows])
    assert changed != rows
    rewrite(folder / form.file, changed, form)
    told = places(check_folder(folder, [key]))
    assert f"(entry {seq})" in told, told
    assert f"{form.file}: it is not the file that was exported" in told
    # An insider who rewrites the list of rows and the manifest too cannot sign: each changed row still stands out.
    for name in ("rows.sha256", "manifest.json"):
        shutil.copy(folder / name, tmp_path / name)
    (folder / "rows.sha256").write_text("")
    again = places(check_folder(folder, [key]))
    assert "rows.sha256: it is not the file that was exported" in again


@pytest.mark.parametrize("form", Format)
@pytest.mark.parametrize("name", ["manifest.json", "manifest.note", "rows.sha256", "data"])
def test_a_changed_missing_or_added_file_is_named(home: Path, tmp_path: Path, form: Format, name: str) -> None:
    folder = tmp_path / "out"
    key = make(home, folder, form)
    name = form.file if name == "data" else name
    path = folder / name
    original = path.read_bytes()
    rand = random.Random(f"{form} {name}")
    for _ in range(12):
        raw = bytearray(original)
        raw[rand.randrange(len(raw))] ^= 1 << rand.randrange(8)
        path.write_bytes(raw)
        assert name in places(check_folder(folder, [key])), raw
    path.write_bytes(original + b"\n")
    assert name in places(check_folder(folder, [key]))
    path.write_bytes(original[: len(original) // 2])
    assert name in places(check_folder(folder, [key]))
    path.write_bytes(b"")
    assert name in places(check_folder(folder, [key]))
    if name != form.file:
        path.unlink()
        assert f"{name}: the file is missing" in places(check_folder(folder, [key]))
    path.write_bytes(original)
    (folder / "more.txt").write_text("x")
    assert "more.txt: a file that was not exported" in places(check_folder(folder, [key]))
    (folder / "more.txt").unlink()
    assert check_folder(folder, [key]).ok
