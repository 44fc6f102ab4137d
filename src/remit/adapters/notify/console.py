"""The quietest channel: a line of JSON in the home's file ``notices.log``, mode 0600."""

from __future__ import annotations

import json
import os
from datetime import datetime
from pathlib import Path

from remit.adapters.notify.message import Message
from remit.kernel.errors import Unavailable
from remit.kernel.mission import Outcome

FILE = "notices.log"


def write(home: Path, told: Message, *, at: datetime) -> Outcome:
    """Append the message as JSON in ASCII: whatever it holds stays one line that no terminal obeys.

    Raises:
        Unavailable: The file can't be written.
    """
    line = json.dumps(
        {
            "at": at.isoformat(),
            "id": told.key,
            "subject": told.subject,
            "body": told.body,
            "mission": told.mission,
            "step": told.step,
        }
    )
    try:
        handle = os.open(home / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, line.encode("ascii") + b"\n")
        finally:
            os.close(handle)
    except OSError as error:
        message = f"The file {FILE} of the home can't be written: {error.strerror}."
        raise Unavailable(message) from error
    return Outcome(ok=True, value={"file": FILE})
