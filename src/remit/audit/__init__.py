"""The audit log: entries, the Merkle tree over them, signed checkpoints, proofs.

Promise: whatever is edited, deleted, swapped or cut off afterwards is found and located, by our code or anybody's.
"""

from remit.audit.entry import Entry, Result
from remit.audit.proof import EntryProof, parse_proof, verify_consistency, verify_inclusion

__all__ = ["Entry", "EntryProof", "Result", "parse_proof", "verify_consistency", "verify_inclusion"]
