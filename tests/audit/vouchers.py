"""A witness and a time stamp authority on a loopback socket: they check what they sign, as real ones do."""

from __future__ import annotations

import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from remit.audit.cosignature import Witness, cosign
from remit.audit.note import Verifier, open_note, parse_checkpoint
from remit.audit.proof import verify_consistency
from remit.kernel.errors import IntegrityError


class WitnessServer:
    """C2SP tlog-witness: remembers one head of one log; cosigns the next only with a consistency proof."""

    def __init__(self, verifiers: list[Verifier]) -> None:
        self.verifiers = verifiers
        self.key = Ed25519PrivateKey.generate()
        self.witness = Witness("witness.invalid", self.key.public_key())
        self.size, self.root, self.time_s = 0, b"", 1_700_000_000
        self.answer: tuple[int, bytes] | None = None  # in place of an honest one

    def respond(self, path: str, body: bytes) -> tuple[int, bytes]:
        if self.answer is not None:
            return self.answer
        if path != "/add-checkpoint":
            return 404, b""
        head, _, note = body.decode().partition("\n\n")
        first, *proof = head.split("\n")
        try:
            text = open_note(note, self.verifiers)
        except IntegrityError:
            return 403, b""
        checkpoint, old = parse_checkpoint(text), int(first.removeprefix("old "))
        if old != self.size:
            return 409, f"{self.size}\n".encode()
        try:
            if old:
                path_nodes = [b64decode(line) for line in proof]
                verify_consistency(old, checkpoint.size, path_nodes, self.root, checkpoint.root)
        except IntegrityError:
            return 422, b""
        self.size, self.root = checkpoint.size, checkpoint.root
        self.time_s += 1
        return 200, cosign(self.witness.name, self.key, text, time_s=self.time_s).encode()


class Authority:
    """A time stamp authority under a throw-away root; OpenSSL makes its tokens."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root.pem"
        self.asked = folder / "query.tsq"
        self.stale: bytes | None = None  # an earlier token in place of a fresh one
        self.last = b""
        root_key, key = (rsa.generate_private_key(65537, 2048) for _ in range(2))
        root = _certificate("test root", root_key, root_key, issuer="test root", stamps=False)
        own = _certificate("test authority", key, root_key, issuer="test root", stamps=True)
        self.root.write_bytes(root.public_bytes(serialization.Encoding.PEM))
        (folder / "tsa.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
        pem = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        (folder / "tsa.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, *pem))
        (folder / "serial").write_text("01\n")
        (folder / "tsa.cnf").write_text(
            f"[tsa]\ndefault_tsa = own\n[own]\nserial = {folder}/serial\nsigner_cert = {folder}/tsa.pem\n"
            f"signer_key = {folder}/tsa.key\nsigner_digest = sha256\n"
            "default_policy = 1.2.3.4\ndigests = sha256, sha384, sha512\naccuracy = secs:1\n"
        )

    def respond(self, _path: str, body: bytes) -> tuple[int, bytes]:
        if self.stale is not None:
            return 200, self.stale
        self.asked.write_bytes(body)
        argv = ["openssl", "ts", "-reply", "-config", str(self.folder / "tsa.cnf"), "-queryfile", str(self.asked)]
        done = subprocess.run(argv, capture_output=True, check=False)
        self.last = done.stdout
        return (200, done.stdout) if done.returncode == 0 else (500, done.stderr)


def _certificate(
    name: str, key: rsa.RSAPrivateKey, by: rsa.RSAPrivateKey, *, issuer: str, stamps: bool
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=not stamps, path_length=None), critical=True)
    )
    if stamps:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(by, hashes.SHA256())


@contextmanager
def serving(party: WitnessServer | Authority) -> Iterator[str]:
    """The address at which a party answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, answer = party.respond(self.path, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
