"""Models: which there are, what they cost, which one is asked, what their interfaces look like, what was used.

Promise: it decides and computes; nothing here reaches the network (``adapters/providers`` does, under a permit).
"""
