"""Mail over SMTP, encrypted by STARTTLS unless the channel says otherwise."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime

from remit.adapters.notify.message import Message
from remit.kernel.canonical import sha256_hex
from remit.kernel.channels import Channel
from remit.kernel.errors import Failed, RemitError, Timeout, Unavailable
from remit.kernel.mission import Outcome
from remit.kernel.plain import plain, plain_lines

TIMEOUT_S = 15.0
_FOR_GOOD = 500


def connected(host: str, port: int, timeout_s: float) -> smtplib.SMTP:
    """A connection to the server, of which nothing but the greeting was read."""
    return smtplib.SMTP(host, port, timeout=timeout_s)


def send(
    channel: Channel,
    told: Message,
    *,
    password: str,
    at: datetime,
    connect: Callable[[str, int, float], smtplib.SMTP] = connected,
) -> Outcome:
    """Send one plain-text mail to everybody in ``channel.to``. Its Message-ID is the same on every attempt.

    Raises:
        Failed: The server refuses (or does not encrypt). Unavailable: It is not there or busy (``Timeout``: too slow).
    """
    mail = compose(channel, told, at=at)
    try:
        with connect(channel.host, channel.port, TIMEOUT_S) as server:
            if channel.starttls:
                server.starttls(context=ssl.create_default_context())
            if channel.user:
                server.login(channel.user, password)
            refused = server.send_message(mail)
    except TimeoutError as error:
        message = f"The mail server of {channel.name} did not answer within {TIMEOUT_S:.0f} s."
        raise Timeout(message) from error
    except (smtplib.SMTPException, ssl.SSLError, OSError) as error:
        raise _told(channel, error) from error
    return Outcome(ok=True, value={"sent": len(channel.mailboxes) - len(refused), "refused": len(refused)})


def compose(channel: Channel, told: Message, *, at: datetime) -> EmailMessage:
    """The mail. What an agent wrote can't add a header nor hide a line."""
    mail = EmailMessage()
    mail["From"] = channel.sender
    mail["To"] = ", ".join(channel.mailboxes)
    mail["Subject"] = plain(told.subject, limit=200)
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{sha256_hex(told.key.encode())[:32]}@remit.invalid>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation notice answers
    mail["Remit-Delivery"] = plain(told.key, limit=400)
    mail.set_content("\n".join(plain_lines(told.body)) + "\n")
    return mail


def _told(channel: Channel, error: Exception) -> RemitError:
    """What an SMTP failure means: an answer 5xx, a lack of encryption and a wrong certificate are for good."""
    code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else 0
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code = max((status for status, _ in error.recipients.values()), default=0)
    lasting = isinstance(error, smtplib.SMTPNotSupportedError | ssl.SSLCertVerificationError)
    what = f"{code}" if code else type(error).__name__
    if code >= _FOR_GOOD or lasting:
        message = f"The mail server of {channel.name} refused the message ({what})."
        return Failed(message, code="notify.refused", hint="correct the [[notify]] table")
    return Unavailable(f"The mail server of {channel.name} can't be reached or is busy ({what}).")
