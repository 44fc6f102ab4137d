"""Domains: each pack brings its schemas, planner, steps, critics, rules and metrics.

Promise: packs do not know each other, and reach the outside world only through effects that the guard judges.
"""
