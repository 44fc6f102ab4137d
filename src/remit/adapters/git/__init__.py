"""Checkpoints: one git repository a mission, kept where no step can write.

Promise: a tracked tree comes back byte for byte, and nothing a step left in a git folder or configuration is ever run.
"""
