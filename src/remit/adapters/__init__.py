"""The outside world: every file written, process started and connection made by Remit happens in here.

Promise: no room imports an adapter; bootstrap hands each one in through a port of the kernel.
"""
