"""Durable work: a plan of steps, run in order, checkpointed, resumed, rolled back, branched.

Promise: a finished step never runs again, and a killed mission ends with the tree an unbroken run would have made.
"""
