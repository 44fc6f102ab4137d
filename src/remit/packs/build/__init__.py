"""From an intake to a verified application, without a model.

Promise: the same intake always gives the same bytes, and "done" means formatted, typed, migrated, tested and answering.
"""
