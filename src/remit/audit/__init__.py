"""The audit log: entries, the Merkle tree over them, signed checkpoints, proofs.

Promise: whatever is edited, deleted, swapped or cut off afterwards is found and located, by our code or anybody's.
"""
