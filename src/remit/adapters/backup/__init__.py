"""Whole copies of a home: taken while it lives, put back somewhere else, and taken before its schema changes.

Promise: what stands under its final name was on disk whole first, and what was put in place was verified first.
"""
