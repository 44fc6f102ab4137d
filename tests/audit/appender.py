"""A process that appends to a log until it is told how often, or killed: ``appender.py HOME URL NAME COUNT SEAL``.

After each entry that it was told is committed, it prints the entry's step on a line of its own.
"""

import os
import sys
from pathlib import Path

from remit.adapters.store import open_store
from remit.audit import Entry, Result
from remit.kernel.action import ActorKind, Principal
from remit.kernel.effects import Durability
from remit.testing import crashpoints


def main(home: str, url: str, name: str, count: str, seal: str) -> None:
    actor = Principal(ActorKind.AGENT, name)
    crashpoints.install(os.environ, production=False)
    store = open_store(Path(home), url="" if url == "-" else url)
    for n in range(int(count)):
        entry = Entry(
            actor=actor, action="a.b", domain="test", result=Result.SUCCESS, workspace="acme", step=f"{name}-{n}"
        )
        durable = Durability.SEALED if n % int(seal) == 0 else Durability.COMMIT
        store.write("guard.intent", lambda tx, entry=entry: tx.append(entry, {"n": 1}), durable=durable)
        sys.stdout.write(entry.step + "\n")
        sys.stdout.flush()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
