"""Mail through a real SMTP server on loopback, in the clear and encrypted."""

from __future__ import annotations

import asyncio
import datetime as dt
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from remit.adapters.notify import NotifyAdapter
from remit.kernel.action import Action, ActorKind, Principal
from remit.kernel.channels import Channel, ChannelKind
from remit.kernel.clock import SystemClock
from remit.kernel.effects import Notify
from remit.kernel.errors import Failed, RemitError, Unavailable

CODER = Principal(ActorKind.AGENT, "coder")
PASSWORD = "p4ssword-of-the-mail-account"


class Box:
    """What arrived, and how the server answers."""

    def __init__(self, answer: str = "250 OK") -> None:
        self.answer = answer
        self.got: list[Any] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802 - aiosmtpd's name
        del server, session
        self.got.append(envelope)
        return self.answer


@asynccontextmanager
async def served(box: Box, **options: Any) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(box, loop=loop, **options), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await server.wait_closed()


def certificate(folder: Path, name: str) -> ssl.SSLContext:
    """A server's context with a certificate of its own for ``name``; ``folder/ca.pem`` trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(serialization.Encoding.PEM)
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (folder / "ca.pem").write_bytes(pem)
    (folder / "server.pem").write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    return context


def channel(port: int, **options: Any) -> Channel:
    given = {"to": "ines@example.org, tom@example.org", "sender": "remit@example.org", "starttls": False, **options}
    return Channel("mail", ChannelKind.EMAIL, host=given.pop("host", "127.0.0.1"), port=port, **given)


async def send(home: Path, to: Channel, subject: str = "Approval wanted", body: str = "look\nat it") -> Any:
    telling = NotifyAdapter((to,), home=home, clock=SystemClock(), register=lambda _: None)
    effect = Notify("mail", subject, body)
    return await telling.perform(Action("a", effect, CODER, CODER, "w", mission="m", step="s", effect_key="k"))


async def test_a_mail_arrives_once_for_everybody_with_an_id_that_a_retry_repeats(tmp_path: Path) -> None:
    box = Box()
    async with served(box) as port:
        done = await send(tmp_path, channel(port))
        await send(tmp_path, channel(port))
    assert done.value == {"sent": 2, "refused": 0}
    first, second = (envelope.content.decode() for envelope in box.got)
    assert box.got[0].rcpt_tos == ["ines@example.org", "tom@example.org"]
    assert "Subject: Approval wanted\r\n" in first
    assert first.rstrip().endswith("look\r\nat it")
    identity = next(line for line in first.splitlines() if line.startswith("Message-ID:"))
    assert identity in second
    assert "Auto-Submitted: auto-generated" in first


async def test_hostile_text_adds_no_header_and_hides_nothing(tmp_path: Path) -> None:
    box = Box()
    async with served(box) as port:
        await send(tmp_path, channel(port), "x\r\nBcc: all@example.org\x1b[2J", "a\u202eb\r\n.\r\nMAIL FROM:<x>\n")
    (envelope,) = box.got
    text = envelope.content.decode()
    assert envelope.rcpt_tos == ["ines@example.org", "tom@example.org"]
    assert not any(line.startswith("Bcc:") for line in text.splitlines())
    assert "\x1b" not in text
    assert "u{202e}" in text


async def test_starttls_is_demanded_and_the_name_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = Box()
    async with served(box) as port:
        with pytest.raises(Failed):
            await send(tmp_path, channel(port, starttls=True))  # the server offers none: nothing is said in the clear
    context = certificate(tmp_path, "localhost")
    async with served(box, tls_context=context, require_starttls=True) as port:
        with pytest.raises(Failed):
            await send(tmp_path, channel(port, starttls=True, host="localhost"))  # nobody vouches for it
        assert box.got == []
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
        with pytest.raises(Failed):
            await send(tmp_path, channel(port, starttls=True))  # it is not called 127.0.0.1
        assert (await send(tmp_path, channel(port, starttls=True, host="localhost"))).ok
    assert len(box.got) == 1


async def test_a_password_is_used_over_an_encrypted_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL_PASSWORD", PASSWORD)
    box, tried = Box(), list[str]()

    def check(server: object, session: object, envelope: object, mechanism: str, data: Any) -> AuthResult:
        del server, session, envelope, mechanism
        tried.append(data.password.decode())
        right = data.password.decode() == PASSWORD
        return AuthResult(success=right, handled=right)

    context = certificate(tmp_path, "localhost")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    async with served(box, tls_context=context, authenticator=check, auth_required=True, require_starttls=True) as port:
        to = channel(port, starttls=True, host="localhost", user="remit", password="env:MAIL_PASSWORD")
        assert (await send(tmp_path, to)).ok
        monkeypatch.setenv("MAIL_PASSWORD", "another-that-is-wrong")
        with pytest.raises(Failed) as caught:
            await send(tmp_path, to)
    assert tried[0] == PASSWORD
    assert "another-that-is-wrong" not in str(caught.value)


@pytest.mark.parametrize(("answer", "error"), [("451 later", Unavailable), ("550 never", Failed)])
async def test_what_a_servers_answer_means(tmp_path: Path, answer: str, error: type[RemitError]) -> None:
    async with served(Box(answer)) as port:
        with pytest.raises(error):
            await send(tmp_path, channel(port))


async def test_no_server_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await send(tmp_path, channel(1))
