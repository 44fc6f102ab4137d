"""Masking what comes in pieces: text, bytes. See ``stream_deltas`` for what models stream.

The law: the pieces that come out, joined, are ``Redactor.mask`` of the pieces that went in, joined; whatever they are.
What is held back meanwhile is the end of the text that may still become a secret: on prose the current word, within a
token the token, after the BEGIN line of a private key everything up to its END line.
"""

from __future__ import annotations

import codecs

from remit.redact import pem
from remit.redact.redactor import PASSES, Redactor
from remit.redact.stream_text import Look, Pass

_TAIL = 4096  # characters of what was sent that a further pass begins with


class StreamRedactor:
    """Masks one text that comes in pieces. One thread at a time.

    A value that is registered while the stream runs is masked from then on; if its beginning has been sent, the rest
    is. A secret's mask is sent when the secret is over. More than 64 KiB of one token are not held back: such a token
    is masked up to its end even where the whole text would have shown that it is none.

    Args:
        redactor: Finds and names what is masked.
        tier: As in ``Redactor.mask``; so are ``personal`` and ``despaced``.
        personal: Mask personal data too.
        cards: Mask payment cards too, of all personal data these alone.
        despaced: Mask registered values that are spelled out with white space.
    """

    def __init__(
        self,
        redactor: Redactor,
        *,
        tier: int = 1,
        personal: bool = False,
        cards: bool = False,
        despaced: bool = False,
    ) -> None:
        self._redactor = redactor
        self._look = Look(tier, personal, cards, despaced)
        self._passes = [Pass(redactor, self._look)]
        self._tails = [""]
        self._since = 0
        self._finished = False

    @property
    def held(self) -> int:
        """How many characters came in and neither went out nor stand under a mask that is still owed."""
        return sum(each.held for each in self._passes)

    @property
    def owes(self) -> bool:
        """Whether a mask is still owed for text that isn't held any more."""
        return any(each.owes for each in self._passes)

    @property
    def behind(self) -> str:
        """The end of what was sent: 4,096 characters at most."""
        return self._tails[-1]

    @property
    def plain(self) -> bool:
        """Whether ``flush`` would send all that is held, since it is plain words; no promise where it would not."""
        return len(self._passes) == 1 and self._passes[0].plain

    @property
    def opened(self) -> str:
        """What stands for the beginning of a private key whose end hasn't come; empty: there is none."""
        return pem.OPENED if self._passes[0].opened else ""

    def feed(self, text: str) -> str:
        """What can be sent now that ``text`` has come.

        Raises:
            RuntimeError: The stream is finished.
        """
        return self._run(text)

    def flush(self) -> str:
        """What can be sent although nothing came for a while: a word that may go on.

        What may be the beginning of a registered value stays, and so does whatever has digits or signs in it, as tokens
        do. Were the word the first letters of a token all the same, its rest is masked alone: the law holds for streams
        that are not flushed.
        """
        return self._run("", flush=True)

    def finish(self) -> str:
        """The rest: the text ends here."""
        sent = self._run("", final=True)
        self._finished = True
        return sent

    def _run(self, text: str, *, final: bool = False, flush: bool = False) -> str:
        if self._finished:
            message = "the stream is finished: a new one needs a new redactor of streams"
            raise RuntimeError(message)
        at = 0
        while at < len(self._passes):
            one = self._passes[at]
            before = one.masks
            text = one.feed(text, final=final, flush=flush)
            # A mask beside what was left may complete another value, so that whole texts are masked again until
            # nothing is found: a pass over what this one sends, begun with its first mask.
            if one.masks > before:
                self._since = 0 if at == 0 else self._since
                if at + 1 == len(self._passes) < PASSES:
                    self._passes.append(Pass(self._redactor, self._look, behind=self._tails[at]))
                    self._tails.append(self._tails[at])  # before it, both have sent the same
            self._tails[at] = (self._tails[at] + text)[-_TAIL:]
            at += 1
        self._since += len(text)
        if len(self._passes) > 1 and self._since > _TAIL and all(each.idle for each in self._passes[1:]):
            del self._passes[1:], self._tails[1:]  # no mask is near any more
        return text


class ByteStreamRedactor:
    """Masks bytes that come in pieces, read as UTF-8; what isn't UTF-8 goes through as it is.

    Arguments and guarantees are those of ``StreamRedactor``; characters cut in two are put together first.
    """

    def __init__(self, redactor: Redactor, *, tier: int = 1, personal: bool = False, despaced: bool = False) -> None:
        self._text = StreamRedactor(redactor, tier=tier, personal=personal, despaced=despaced)
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    @property
    def held(self) -> int:
        """As ``StreamRedactor.held``."""
        return self._text.held

    def feed(self, data: bytes) -> bytes:
        """As ``StreamRedactor.feed``."""
        return self._encoded(self._text.feed(self._decoder.decode(data)))

    def flush(self) -> bytes:
        """As ``StreamRedactor.flush``; half a character stays."""
        return self._encoded(self._text.flush())

    def finish(self) -> bytes:
        """As ``StreamRedactor.finish``."""
        return self._encoded(self._text.feed(self._decoder.decode(b"", final=True)) + self._text.finish())

    def _encoded(self, text: str) -> bytes:
        return text.encode("utf-8", "surrogateescape")
