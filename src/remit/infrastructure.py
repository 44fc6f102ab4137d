"""What may touch the outside world without passing the guard: Remit's own means, listed here and nowhere else.

The audit hook of the test suite reads this list: a file opened for writing, a process started or a connection made by
any other part of Remit, outside an open permit, fails the test. Add a line only for what Remit needs in order to have a
guard and a record at all, never for what an agent or a mission asked for.
"""

from collections.abc import Mapping
from types import MappingProxyType

INFRASTRUCTURE: Mapping[str, str] = MappingProxyType(
    {
        "remit.adapters.backup": "Copies of Remit's own state, where a person said, and back into an empty home.",
        "remit.adapters.checkup": "Looks at the machine and at Remit's own home: a file that goes at once, a clock.",
        "remit.adapters.store": "Remit's own database and the signed heads beside it: the record must come first.",
        "remit.adapters.classifier": "Asks a classifier that the owner named about what came in; secrets are masked.",
        "remit.adapters.engine": "The scheduler's tables and its workers' liveness hold ids and hashes, no content.",
        "remit.adapters.export": "Signed exports of the audit log, into a folder that a person named.",
        "remit.adapters.git": "Checkpoints are Remit's memory of a mission; steps never reach the repository itself.",
        "remit.adapters.fetch.output": "What a person fetched, into the file that they named.",
        "remit.adapters.files.removal": "Empties a step's disposable folder; nothing of a person's is there.",
        "remit.adapters.identity.oidc": "Asks the OpenID provider that the owner named who somebody is; no content.",
        "remit.adapters.identity.post": "Mails a one-time link to the address of the account that it is for.",
        "remit.adapters.personal": "An analyzer that the owner named reads prompts without secrets before they leave.",
        "remit.adapters.sandbox.leftover": "Ends what a dead run left, by what it wrote down; starts nothing.",
        "remit.adapters.sandbox.parent": "Tells this process to stop when the one that started it is gone.",
        "remit.adapters.sandbox.tiers": "Learns by trying which tiers this machine has, before any command.",
        "remit.adapters.secrets": "Where the owner keeps secrets: asked before an action starts, as they set it up.",
        "remit.adapters.scan": "Reads what a person wants scanned, through git; writes a baseline or hook when asked.",
        "remit.adapters.telemetry": "Spans to the file or collector that the owner named: ids, codes and numbers.",
        "remit.adapters.witness": "Vouchers for the log's heads, at addresses a person configured; ids and hashes.",
        "remit.bootstrap": "Makes the home directory, its key and its locks before there is a guard to ask.",
        "remit.client": "Asks a Remit server that its program named; what it remembers of it lies in the state folder.",
        "remit.serve.gateway.serving": "Listens where a person said; what clients ask for passes the guard.",
        "remit.serve.listening": "Listens where a person said; what is asked for there passes the guard.",
        "remit.serve.up": "Starts Remit's own processes and tells them to stop; holds the home's lock while it runs.",
        "remit.testing": "Fakes, crash points and fault proxies; they refuse to work in a production home.",
    }
)


def reason(module: str) -> str | None:
    """Say why `module` may do what it does without a permit, or None when it may not."""
    while module:
        if module in INFRASTRUCTURE:
            return INFRASTRUCTURE[module]
        module = module.rpartition(".")[0]
    return None
