"""An export of the log: rows that each carry their own proof, and a manifest that the log's key signed.

Whoever has the public key checks it offline: that each header is under the signed checkpoint, that each payload is the
one its header hashed, that every other column says what the header says, and (by the signed list of row digests) that
no row was added, left out, moved or changed. That the rows are *all* that fit the filter is the exporter's word.
"""

from __future__ import annotations

import binascii
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, cast

import orjson

from remit.audit.entry import SALT_SIZE, read_header
from remit.audit.keychain import follow
from remit.audit.merkle import leaf_hash
from remit.audit.note import Checkpoint, Signer, Verifier, open_note, parse_checkpoint, sign_note
from remit.audit.proof import verify_inclusion
from remit.audit.report import Discrepancy, Findings
from remit.kernel.canonical import canonical, sha256_hex
from remit.kernel.clock import iso
from remit.kernel.errors import IntegrityError

MANIFEST = "manifest.json"
SIGNATURE = "manifest.note"
DIGESTS = "rows.sha256"
MANIFEST_VERSION = 1

_TITLE = "remit audit export"
_TEXTS = (
    "workspace",
    "actor",
    "on_behalf_of",
    "action",
    "domain",
    "result",
    "reason",
    "subject",
    "mission",
    "step",
    "approval_id",
    "policy_rev",
)

#: The columns of every format, in this order. All but ``seq`` are text; ``header`` is base64 of the exact bytes that
#: were hashed, ``proof`` the RFC 6962 inclusion proof (base64 hashes, leaf upwards, by spaces), ``salt`` hexadecimal.
COLUMNS = ("seq", "time", *_TEXTS, "state", "payload", "salt", "header", "proof")

type ExportRow = dict[str, int | str]


def make_row(header: bytes, path: Sequence[bytes], plain: bytes | None, *, state: str) -> ExportRow:
    """A row. ``plain`` is salt and payload as they were hashed; ``state``: ``present``, ``pruned`` or ``erased``."""
    return {
        **derived(header),
        "state": state,
        "payload": "" if plain is None else plain[SALT_SIZE:].decode(),
        "salt": "" if plain is None else plain[:SALT_SIZE].hex(),
        "header": b64encode(header).decode(),
        "proof": " ".join(b64encode(node).decode() for node in path),
    }


def derived(header: bytes) -> ExportRow:
    """The columns that repeat the header for readers.

    Raises:
        KeyError, ValueError: It is no header.
    """
    fields = read_header(header)
    return {
        "seq": int(fields["seq"]),
        "time": iso(int(fields["ts_us"])),
        **{name: str(fields[name]) for name in _TEXTS},
    }


def digest_of(row: Mapping[str, Any]) -> str:
    """SHA-256, hexadecimal, of a row's canonical JSON: what ``rows.sha256`` lists."""
    return sha256_hex(canonical(row))


def sign_manifest(manifest: bytes, signers: Sequence[Signer]) -> str:
    """The signed note over a manifest's bytes; its text can't be taken for a checkpoint's."""
    return sign_note(f"{_TITLE}\nsha256 {sha256_hex(manifest)}\n", signers)


@dataclass(frozen=True, slots=True)
class Checked:
    """What the check of an export found. ``rows`` counts the rows in the file, ``payloads`` those that have theirs."""

    rows: int
    payloads: int
    size: int
    manifest: Mapping[str, Any]
    discrepancies: tuple[Discrepancy, ...]

    @property
    def ok(self) -> bool:
        """Whether everything held."""
        return not self.discrepancies

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "ok": self.ok,
            "rows": self.rows,
            "payloads": self.payloads,
            "size": self.size,
            "filter": self.manifest.get("filter", {}),
            "discrepancies": [{"place": d.place, "problem": d.problem, "kind": d.kind} for d in self.discrepancies],
        }


@dataclass(slots=True)
class Bundle:
    """An export's files as they were found, by name; ``rows`` reads the one with the entries."""

    files: Mapping[str, bytes]
    data_name: str
    rows: Iterable[ExportRow | str]  # a text in place of a row says what is wrong with it
    data_sha256: str
    findings: Findings = field(default_factory=Findings)


def check(bundle: Bundle, verifiers: Sequence[Verifier]) -> Checked:
    """Check an export with nothing but public keys.

    Returns:
        Every place that is not as it was exported, at most 100.
    """
    findings = bundle.findings
    manifest, keys = _manifest(bundle, verifiers, findings)
    head = _head(manifest, keys, findings)
    listed = _listed(bundle, manifest, findings)
    rows = payloads = 0
    seen: list[tuple[int, str]] = []
    for number, row in enumerate(bundle.rows, start=1):
        rows += 1
        place = f"{bundle.data_name} row {number}"
        if isinstance(row, str):
            findings.report(place, row)
            continue
        place = f"{place} (entry {row['seq']})"
        payloads += row["state"] == "present"
        seen.append((int(row["seq"]), digest_of(row)))
        for problem in _problems(row, head):
            findings.report(place, problem)
    if listed is not None:
        _compare(bundle.data_name, seen, listed, findings)
    if manifest.get("rows") not in (None, rows):
        findings.report(bundle.data_name, f"it holds {rows} rows, the manifest says {manifest['rows']}")
    return Checked(rows, payloads, head.size if head else 0, manifest, tuple(findings.found))


def _manifest(
    bundle: Bundle, verifiers: Sequence[Verifier], findings: Findings
) -> tuple[dict[str, Any], Sequence[Verifier]]:
    """The manifest, and the keys that are trusted with it. A damaged one is told and used all the same.

    What can be shown without it (each row's own proof) still is.
    """
    raw = bundle.files.get(MANIFEST)
    if raw is None:
        findings.report(MANIFEST, "the file is missing", "missing")
        return {}, verifiers
    try:
        loaded = orjson.loads(raw)
    except orjson.JSONDecodeError:
        loaded = None
    if not isinstance(loaded, dict):
        findings.report(MANIFEST, "it is no JSON object")
        return {}, verifiers
    manifest = cast("dict[str, Any]", loaded)
    keys = _keys(manifest, verifiers, findings)
    note = bundle.files.get(SIGNATURE)
    if note is None:
        findings.report(SIGNATURE, "the file is missing", "missing")
        return manifest, keys
    try:
        text = open_note(note.decode("utf-8", "replace"), keys, exact=True)
    except IntegrityError as error:
        findings.report(SIGNATURE, error.message.replace("signed checkpoint", "signature"))
        return manifest, keys
    if text != f"{_TITLE}\nsha256 {sha256_hex(raw)}\n":
        findings.report(MANIFEST, "it is not the manifest that was signed")
        return manifest, keys
    _check_files(bundle, manifest, findings)
    return manifest, keys


def _keys(manifest: Mapping[str, Any], verifiers: Sequence[Verifier], findings: Findings) -> list[Verifier]:
    """The trusted keys, and those that the log handed over to, by proofs that a trusted one signed."""
    proofs = manifest.get("chain", [])
    try:
        return follow(verifiers, [str(proof) for proof in proofs] if isinstance(proofs, list) else [])  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType] - JSON
    except IntegrityError as error:
        findings.report(MANIFEST, error.message)
        return list(verifiers)


def _check_files(bundle: Bundle, manifest: Mapping[str, Any], findings: Findings) -> None:
    hashes = {name: sha256_hex(content) for name, content in bundle.files.items()} | {
        bundle.data_name: bundle.data_sha256
    }
    expected = cast("dict[str, str]", manifest["files"])  # the log's key signed it
    for name, digest in expected.items():
        if name not in hashes:
            findings.report(name, "the file is missing", "missing")
        elif hashes[name] != digest:
            findings.report(name, "it is not the file that was exported")
    for name in hashes:
        if name not in expected and name not in (MANIFEST, SIGNATURE):
            findings.report(name, "a file that was not exported", "surplus")


def _head(manifest: Mapping[str, Any], keys: Sequence[Verifier], findings: Findings) -> Checkpoint | None:
    try:
        return parse_checkpoint(open_note(str(manifest.get("checkpoint")), keys))
    except IntegrityError as error:
        findings.report(MANIFEST, f"its checkpoint does not hold: {error.message}")
        return None


def _listed(bundle: Bundle, manifest: Mapping[str, Any], findings: Findings) -> list[tuple[int, str]] | None:
    """The signed list of rows; ``None`` when it can't be relied on."""
    raw = bundle.files.get(DIGESTS)
    if raw is None:
        findings.report(DIGESTS, "the file is missing", "missing")
        return None
    files = manifest.get("files")
    if not isinstance(files, dict) or cast("dict[str, Any]", files).get(DIGESTS) != sha256_hex(raw):
        return None  # told already; the rows are still checked one by one, by their proofs
    return [(int(seq), digest) for seq, _, digest in (line.partition(" ") for line in raw.decode().splitlines())]


def _problems(row: ExportRow, head: Checkpoint | None) -> Iterator[str]:
    """What is wrong with a row in itself."""
    try:
        header = b64decode(str(row["header"]), validate=True)
        path = [b64decode(node, validate=True) for node in str(row["proof"]).split()]
        said = derived(header)
        pd = str(read_header(header)["pd"])
    except (binascii.Error, ValueError, KeyError, TypeError):
        yield "its header or proof is damaged"
        return
    if head is not None:
        try:
            verify_inclusion(leaf_hash(header), int(row["seq"]), head.size, path, head.root)
        except IntegrityError as error:
            yield error.message
    for name, value in said.items():
        if row[name] != value:
            yield f"column {name} is not what the hashed header says"
    if row["state"] == "present":
        try:
            hashed = sha256(bytes.fromhex(str(row["salt"])) + str(row["payload"]).encode()).hexdigest()
        except ValueError:
            hashed = ""
        if hashed != pd:
            yield "columns salt and payload do not hash to what the entry recorded"
    elif row["payload"] or row["salt"] or row["state"] not in ("pruned", "erased"):
        yield "columns state, payload and salt do not fit each other"


def _compare(name: str, seen: list[tuple[int, str]], listed: list[tuple[int, str]], findings: Findings) -> None:
    """Name rows that were added, left out, changed or moved."""
    wanted = dict(listed)
    present: dict[int, str] = {}
    for seq, digest in seen:
        if seq not in wanted:
            findings.report(f"{name} (entry {seq})", "the row was added: it was not exported", "surplus")
        elif seq in present:
            findings.report(f"{name} (entry {seq})", "the row is there twice", "surplus")
        elif digest != wanted[seq]:
            findings.report(f"{name} (entry {seq})", "the row was changed")
        present.setdefault(seq, digest)
    for seq, _ in listed:
        if seq not in present:
            findings.report(f"{name} (entry {seq})", "the row is missing", "missing")
    order = [seq for seq in present if seq in wanted]
    highest = -1
    for seq in order:
        if seq < highest:
            findings.report(f"{name} (entry {seq})", "the row was moved: rows are in the order of the log", "order")
        highest = max(highest, seq)
