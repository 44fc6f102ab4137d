"""Who may ask: the local owner, agents, their roles and rights.

Promise: every action has exactly one principal, and an agent never holds more rights than the person it acts for.
"""
