"""A web of one loopback server: names and public addresses of the tests' own, every connection counted."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from remit.kernel.errors import Failed

PUBLIC = "93.184.216.34"

type Reply = bytes | Callable[["Asked", asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """One request as the server got it."""

    method: str
    target: str
    headers: dict[str, str]

    @property
    def host(self) -> str:
        return self.headers.get("host", "")


def page(body: bytes | str = "hello", *, status: str = "200 OK", kind: str = "text/plain", **headers: str) -> bytes:
    """An answer; names of headers with _ for -."""
    data = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", *([f"Content-Type: {kind}"] if kind else [])]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + data


def moved(location: str, status: int = 302) -> bytes:
    return page("", status=f"{status} Found", Location=location)


NOT_FOUND = page("none", status="404 Not Found")


@dataclass
class Web:
    """What names lead to, what the server answers, and everything that was tried.

    ``answers`` maps ``host/path`` to an answer; ``names`` maps a host to the addresses of each lookup in turn, the last
    for ever. A name that is not in it leads to ``PUBLIC``, unless ``strict``.
    """

    port: int = 0
    answers: dict[str, Reply] = field(default_factory=dict)
    names: dict[str, list[Sequence[str]]] = field(default_factory=dict)
    strict: bool = False
    asked: list[Asked] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)
    lookups: Counter[str] = field(default_factory=Counter)
    refusing: set[str] = field(default_factory=set)

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        del port
        known = self.names.get(host)
        if known is None and self.strict:
            raise Failed(f"The name {host} leads nowhere.", code="fetch.unknown_host")
        answers = known or [[PUBLIC]]
        place = min(self.lookups[host], len(answers) - 1)
        self.lookups[host] += 1
        return answers[place]

    async def dial(self, address: str, port: int) -> socket.socket:
        """The map of the tests: whatever address was chosen, the loopback server is what is connected to."""
        self.dialled.append((address, port))
        if address in self.refusing:
            raise ConnectionRefusedError(111, "Connection refused")
        made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        made.setblocking(False)  # noqa: FBT003
        await asyncio.get_running_loop().sock_connect(made, ("127.0.0.1", self.port))
        return made

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            first, *lines = head.split("\r\n")
            method, target, _ = first.split(" ")
            named = (line.partition(":") for line in lines if line)
            asked = Asked(method, target, {name.lower(): value.strip() for name, _, value in named})
            self.asked.append(asked)
            reply = self.answers.get(asked.host + target, NOT_FOUND if target == "/robots.txt" else page())
            if isinstance(reply, bytes):
                writer.write(reply)
                await writer.drain()
            else:
                await reply(asked, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):  # the test is over
            pass
        finally:
            writer.transport.abort()

    def pages(self) -> list[str]:
        """What was asked for, robots.txt left out."""
        return [asked.host + asked.target for asked in self.asked if asked.target != "/robots.txt"]


@asynccontextmanager
async def web_of(tls: ssl.SSLContext | None = None) -> AsyncIterator[Web]:
    web = Web()
    server = await asyncio.start_server(web.serve, "127.0.0.1", 0, ssl=tls)
    web.port = server.sockets[0].getsockname()[1]
    try:
        yield web
    finally:
        server.close()
        await asyncio.sleep(0)


def certificates(folder: Path, *names: str) -> tuple[ssl.SSLContext, Path]:
    """TLS of a server for ``names``, and the file of the authority that vouches for it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    issuer, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def begun(subject: str, public: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("tests' own"))
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    identity = x509.SubjectKeyIdentifier.from_public_key(issuer.public_key())
    authority = (
        begun("tests' own", issuer.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(identity, critical=False)
        .add_extension(
            x509.KeyUsage(
                digital_signature=True,
                content_commitment=False,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=True,
                crl_sign=True,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(issuer, hashes.SHA256())
    )
    leaf = (
        begun(names[0], key.public_key())
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(each) for each in names]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identity), critical=False)
        .sign(issuer, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    ca, chain, secret = folder / "ca.pem", folder / "leaf.pem", folder / "key.pem"
    ca.write_bytes(authority.public_bytes(pem))
    chain.write_bytes(leaf.public_bytes(pem))
    plain = serialization.NoEncryption()
    secret.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, secret)
    return context, ca
