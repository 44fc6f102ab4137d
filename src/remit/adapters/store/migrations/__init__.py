"""The schema's revisions, run by ``store.migrate()`` inside the process.

A new revision is written from the difference between the rooms' tables and the last revision:

    python -m remit.adapters.store.migrations "add the budget's ledger"

and the first one anew, as long as no release has it, with ``--initial``.
"""
