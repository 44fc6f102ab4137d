"""The three formats: writing rows, and reading them back so that any change shows."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import orjson

from remit.audit.bundle import COLUMNS, ExportRow
from remit.kernel.canonical import canonical
from remit.kernel.errors import Unavailable

GROUP = 10_000  # rows of a Parquet row group

#: A spreadsheet takes a cell that begins with one of these for a formula; a quote before it makes it text.
FORMULA = ("=", "+", "-", "@", "\t", "\r")
_BINARY = "header"


class Format(StrEnum):
    """The formats, by the ending of the file with the rows."""

    JSONL = "jsonl"
    CSV = "csv"
    PARQUET = "parquet"

    @property
    def file(self) -> str:
        """The name of the file with the rows."""
        return f"entries.{self.value}"


def write(path: Path, rows: Iterable[ExportRow], *, form: Format) -> None:
    """Write a new file.

    Raises:
        Unavailable: Parquet is asked for and pyarrow is not installed.
    """
    {Format.JSONL: _write_jsonl, Format.CSV: _write_csv, Format.PARQUET: _write_parquet}[form](path, rows)


def read(path: Path, *, form: Format) -> Iterator[ExportRow | str]:
    """Every row, or in its place what is wrong with it.

    Raises:
        Unavailable: It is Parquet and pyarrow is not installed.
    """
    return {Format.JSONL: _read_jsonl, Format.CSV: _read_csv, Format.PARQUET: _read_parquet}[form](path)


def _write_jsonl(path: Path, rows: Iterable[ExportRow]) -> None:
    with path.open("xb") as file:
        for row in rows:
            file.write(canonical(row) + b"\n")


def _read_jsonl(path: Path) -> Iterator[ExportRow | str]:
    with path.open("rb") as file:
        for line in file:
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                yield "the line is no JSON"
                continue
            yield _checked(row, same=canonical(row) + b"\n" == line)


def _write_csv(path: Path, rows: Iterable[ExportRow]) -> None:
    with path.open("x", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([_escaped(row[name]) for name in COLUMNS] for row in rows)


def _escaped(value: int | str) -> str:
    text = str(value)
    return f"'{text}" if text.startswith((*FORMULA, "'")) else text


def _read_csv(path: Path) -> Iterator[ExportRow | str]:
    csv.field_size_limit(1 << 30)
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        lines = _Remembered(file)
        reader = csv.reader(lines, strict=True)
        try:
            if next(reader, None) != list(COLUMNS) or lines.taken() != ",".join(COLUMNS) + "\n":
                yield "the heading was changed"
            for cells in reader:
                row: dict[str, Any] = dict(zip(COLUMNS, map(_unescaped, cells), strict=False))
                if row.get("seq", "").isascii() and row.get("seq", "").isdecimal():
                    row["seq"] = int(row["seq"])
                written = _line(row) if len(cells) == len(COLUMNS) else ""
                yield _checked(row, same=written == lines.taken())
        except csv.Error as error:
            yield f"the line is no CSV: {error}"


class _Remembered:
    """Lines of a file; ``taken`` is what was read since it was last asked."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._taken.append(line)
        return line

    def taken(self) -> str:
        """The text of the record that was just read."""
        text = "".join(self._taken)
        self._taken.clear()
        return text


def _unescaped(text: str) -> str:
    return text.removeprefix("'")


def _line(row: ExportRow) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow([_escaped(row[name]) for name in COLUMNS])
    return out.getvalue()


def _pyarrow() -> tuple[Any, Any]:
    try:
        pa, pq = importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        message = "Parquet needs the library pyarrow, which is not installed."
        raise Unavailable(
            message, code="export.pyarrow", hint="pip install 'remit[parquet]', or use --format jsonl"
        ) from error
    return pa, pq


def _write_parquet(path: Path, rows: Iterable[ExportRow]) -> None:
    from base64 import b64decode

    pa, pq = _pyarrow()
    kinds: dict[str, Any] = {"seq": pa.int64(), _BINARY: pa.binary()}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    group: list[dict[str, Any]] = []
    with (
        path.open("xb") as file,
        pq.ParquetWriter(file, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        for row in rows:
            group.append({**row, _BINARY: b64decode(str(row[_BINARY]))})
            if len(group) == GROUP:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                group.clear()
        writer.write_table(pa.Table.from_pylist(group, schema=schema))


def _read_parquet(path: Path) -> Iterator[ExportRow | str]:
    from base64 import b64encode

    pa, pq = _pyarrow()
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for batch in file.iter_batches(batch_size=GROUP):
                for row in batch.to_pylist():
                    header = row.get(_BINARY)
                    if isinstance(header, bytes):
                        row[_BINARY] = b64encode(header).decode()
                    yield _checked(row, same=True)
    except (pa.ArrowException, OSError) as error:
        yield f"the file can't be read as Parquet: {str(error).partition(chr(10))[0]}"


def _checked(row: Any, *, same: bool) -> ExportRow | str:
    """The row, if it has the columns that an export has, and nothing else."""
    if not isinstance(row, dict) or tuple(sorted(row)) != tuple(sorted(COLUMNS)):  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - from a file
        return "it does not have the columns of an export"
    for name in COLUMNS:
        if not isinstance(row[name], int if name == "seq" else str) or isinstance(row[name], bool):
            return f"column {name} has the wrong form"
    if not same:
        return f"entry {row['seq']}: the row is not written as an export writes it: it was changed"
    return row  # pyright: ignore[reportUnknownVariableType] - checked above
