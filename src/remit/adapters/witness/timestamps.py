"""RFC 3161 time stamps over the newest head: a third party's word that it existed by then."""

from __future__ import annotations

import importlib
import os
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from remit.adapters.store.journal import Store
from remit.adapters.witness.http import post
from remit.audit import query
from remit.audit.note import open_note, parse_checkpoint
from remit.kernel.errors import IntegrityError, NotFound, Unavailable

_OK = 200


@dataclass(frozen=True, slots=True)
class Stamped:
    """A head with its token: its size, when the authority says it was, and the token (DER)."""

    size: int
    at: datetime
    token: bytes


def stamp_head(store: Store, kept: Path, *, url: str, root_certificate: Path) -> Stamped:
    """Have the newest head stamped; the note and the token are appended to the file ``kept``, a JSON object a line.

    Raises:
        IntegrityError: The token is not over this head, or not under this certificate.
        NotFound: Nothing was signed yet, or there is no such certificate.
        Unavailable: The authority does not answer, or the library is missing.
    """
    rfc3161 = _library()
    note = store.view(query.latest_note)
    if note is None:
        message = "There is no signed checkpoint yet."
        raise NotFound(message, code="audit.unsigned", hint="remit audit verify")
    size = parse_checkpoint(open_note(note, store.verifiers)).size
    asked = rfc3161.TimestampRequestBuilder().data(note.encode()).nonce(nonce=True).cert_request(cert_request=True)
    query_der = asked.build()
    status, answer = post(url, query_der.as_bytes(), kind="application/timestamp-query")
    if status != _OK:
        message = f"The time stamp authority refused: status {status}."
        raise Unavailable(message, code="audit.outside")
    at = check_token(note, answer, root_certificate=root_certificate, nonce=query_der.nonce)
    line = orjson.dumps({"note": note, "token": b64encode(answer).decode()}) + b"\n"
    handle = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        os.write(handle, line)
        os.fsync(handle)
    finally:
        os.close(handle)
    return Stamped(size, at, answer)


def check_token(note: str, token: bytes, *, root_certificate: Path, nonce: int | None = None) -> datetime:
    """When the authority says that a note existed.

    Raises:
        IntegrityError: The token is not over this note, or not under this certificate.
        NotFound: There is no such certificate.
        Unavailable: The library is missing.
    """
    from cryptography import x509

    rfc3161 = _library()
    try:
        root = x509.load_pem_x509_certificate(root_certificate.read_bytes())
    except OSError as error:
        message = f"The authority's certificate can't be read: {root_certificate}."
        raise NotFound(message, code="audit.certificate", hint="remit audit timestamp --help") from error
    try:
        answer = rfc3161.decode_timestamp_response(token)
        builder = rfc3161.VerifierBuilder().add_root_certificate(root)
        builder = builder if nonce is None else builder.nonce(nonce)
        builder.build().verify_message(answer, note.encode())
    except (ValueError, rfc3161.VerificationError) as error:
        message = f"The time stamp does not hold: {error}."
        raise IntegrityError(message, code="audit.timestamp") from error
    return answer.tst_info.gen_time


def _library() -> Any:
    try:
        return importlib.import_module("rfc3161_client")
    except ImportError as error:
        message = "Time stamps need the library rfc3161-client, which is not installed."
        raise Unavailable(message, code="audit.rfc3161", hint="pip install rfc3161-client") from error
