"""The durable scheduler: starts mission runs, finds the runs of dead workers, fences the late ones.

Promise: it holds ids and hashes only, and never decides whether a step has been done.
"""
