"""The `remit` command.

Promise: it translates and draws, and holds no rule; starting it imports neither the engine nor any web framework.
"""
