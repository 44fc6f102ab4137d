"""Performs ``Notify`` effects: the target names a channel of the settings, or an address that they allow."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import assert_never

from remit.adapters.notify import console, mail, references, slack, webhook
from remit.adapters.notify.message import Message
from remit.kernel.action import Action
from remit.kernel.channels import Channel, ChannelKind
from remit.kernel.clock import Clock
from remit.kernel.effects import Notify
from remit.kernel.errors import Denied, Failed, InternalError, Timeout
from remit.kernel.mission import Outcome

WHOLE_S = 30.0  # a server that answers a byte at a time does not hold a worker


class NotifyAdapter:
    """One for each process.

    Args:
        channels: The channels of the settings.
        allow: Addresses that a target may also be: exact, or up to a ``*`` at the end.
        home: Where the console's file is.
        clock: What signatures are dated by.
        register: Told each secret that is read, so that it is masked from then on.
        resolve: Gives an action the value of a ``secret://NAME`` in a channel, and has it masked; blocks.
    """

    def __init__(
        self,
        channels: Iterable[Channel],
        *,
        allow: Iterable[str] = (),
        home: Path,
        clock: Clock,
        register: Callable[[str], object],
        resolve: Callable[[Action, str], str] | None = None,
    ) -> None:
        self._channels: Mapping[str, Channel] = {channel.name: channel for channel in channels}
        self._allow = tuple(allow)
        self._home = home
        self._clock = clock
        self._register = register
        self._resolve = resolve
        self._learn()

    def _learn(self) -> None:
        """Mask what channels refer to from the start, and not only once a message was sent through them."""
        for channel in self._channels.values():
            for reference in (channel.secret, channel.password, channel.url):
                if reference.startswith(("env:", "file:")):
                    with suppress(Failed):  # told to whoever sends through it
                        references.read(reference, register=self._register)

    async def perform(self, action: Action) -> Outcome:
        """Tell it once.

        Raises:
            Denied: The target is neither a channel nor allowed.
            Failed: The receiver refused, or a secret that the channel refers to is not there.
            Unavailable: No connection, or the receiver said to come back later (``Timeout``: no answer).
        """
        effect = action.effect
        if not isinstance(effect, Notify):
            message = f"the notify adapter was handed a {action.kind} effect"
            raise InternalError(message)
        told = Message(effect.subject, effect.body, action.mission, action.step, action.effect_key or action.id)
        channel = self._channels.get(effect.target)
        if channel is None and not self._allowed(effect.target):
            known = ", ".join(self._channels) or "none"
            text = f"{effect.target[:80]!r} is no channel of this install (there are: {known})."
            raise Denied(text, code="notify.unknown", hint="add a [[notify]] table to remit.toml: docs/notify.md")
        limit = asyncio.timeout(WHOLE_S)
        try:
            async with limit:
                # In a thread: the clients are blocking, with time-outs of their own.
                return await asyncio.to_thread(self._tell, action, channel, told)
        except TimeoutError as error:
            if not limit.expired():
                raise
            text = f"The channel {effect.target[:80]!r} did not finish within {WHOLE_S:.0f} s."
            raise Timeout(text) from error

    def _allowed(self, target: str) -> bool:
        return any(
            target.startswith(entry.removesuffix("*")) if entry.endswith("*") else target == entry
            for entry in self._allow
        )

    def _tell(self, action: Action, channel: Channel | None, told: Message) -> Outcome:
        if channel is None:
            return webhook.post(action.target, told, shown=action.target)
        match channel.kind:
            case ChannelKind.CONSOLE:
                return console.write(self._home, told, at=self._clock.now())
            case ChannelKind.WEBHOOK:
                key = self._read(action, channel.secret).encode()
                at_s = int(self._clock.now().timestamp())
                return webhook.post(self._address(action, channel), told, shown=channel.name, key=key, at_s=at_s)
            case ChannelKind.SLACK:
                return slack.post(self._address(action, channel), told, shown=channel.name)
            case ChannelKind.EMAIL:
                password = self._read(action, channel.password) if channel.password else ""
                return mail.send(channel, told, password=password, at=self._clock.now())
            case _:
                assert_never(channel.kind)

    def _address(self, action: Action, channel: Channel) -> str:
        """The channel's address; one that is a secret never stands in a message."""
        return self._read(action, channel.url) if references.is_reference(channel.url) else channel.url

    def _read(self, action: Action, reference: str) -> str:
        resolve = None if self._resolve is None else partial(self._resolve, action)
        return references.read(reference, register=self._register, resolve=resolve)
