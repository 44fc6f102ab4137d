"""The one place that wires everything: settings, store, engine, guard, adapters, packs.

Promise: whoever wants a running Remit asks here, and no other module knows both a port and the adapter behind it.
"""
