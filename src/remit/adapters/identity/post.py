"""Mail for a forgotten password, over the SMTP server of an e-mail channel. Part of signing in: no guard is asked.

What it carries is a one-time token, which must stand in no log: a ``Notify`` effect's payload would. It goes to the one
mailbox that stands with the account, in the words of ``accounts.resets`` alone; nothing of an agent reaches it.
"""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable
from dataclasses import replace

from remit.adapters.notify import mail, references
from remit.adapters.notify.message import Message
from remit.kernel.channels import Channel
from remit.kernel.clock import Clock


class SmtpPost:
    """``accounts.resets.Post`` over one e-mail channel's server, as its sender.

    Args:
        channel: The channel; whom it writes to otherwise does not matter.
        clock: What the mail is dated by.
        register: Told the password that is read, so that it is masked from then on.
        resolve: Gives what ``secret://NAME`` refers to, masked; blocks.
    """

    def __init__(
        self,
        channel: Channel,
        *,
        clock: Clock,
        register: Callable[[str], object],
        resolve: Callable[[str], str] | None = None,
    ) -> None:
        self._channel = channel
        self._clock = clock
        self._register = register
        self._resolve = resolve

    async def send(self, to: str, subject: str, body: str, *, key: str) -> None:
        """Send it once.

        Raises:
            InvalidInput: ``to`` is no mailbox. Failed, Unavailable: As ``notify.mail.send``.
        """
        one = replace(self._channel, to=to)
        await asyncio.to_thread(self._send, one, Message(subject, body, "", "", key))

    def _send(self, channel: Channel, told: Message) -> None:
        password = ""
        if channel.password:
            password = references.read(channel.password, register=self._register, resolve=self._resolve)
        mail.send(channel, told, password=password, at=self._clock.now(), connect=_connect)


def _connect(host: str, port: int, timeout_s: float) -> smtplib.SMTP:
    return smtplib.SMTP(host, port, timeout=timeout_s)
