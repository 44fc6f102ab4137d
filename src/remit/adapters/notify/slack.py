"""An incoming webhook as Slack has it (and Mattermost, Rocket.Chat and others understand): ``{"text": …}``."""

from __future__ import annotations

from remit.adapters.notify import webhook
from remit.adapters.notify.message import Message
from remit.kernel.canonical import canonical
from remit.kernel.mission import Outcome
from remit.kernel.plain import plain, plain_lines

LONGEST = 3500  # characters; a message may have 40,000, and shows 4,000


def post(url: str, told: Message, *, shown: str) -> Outcome:
    """POST the message as text in which nothing is a link, a mention or markup.

    Raises:
        Failed, Unavailable: As ``webhook.post``.
    """
    head = _escaped(plain(told.subject, limit=200))
    lines = "\n".join(_escaped(line) for line in plain_lines(told.body))
    text = f"*{head}*\n```{lines[:LONGEST]}```"
    body = canonical({"text": text, "mrkdwn": True, "unfurl_links": False, "unfurl_media": False})
    return webhook.send(url, body, headers={"Idempotency-Key": told.key}, shown=shown)


def _escaped(text: str) -> str:
    """Slack's own three escapes (https://docs.slack.dev/messaging/formatting-message-text), and no end of a block."""
    for char, instead in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("`", "'"), ("*", "\u2217")):
        text = text.replace(char, instead)
    return text
