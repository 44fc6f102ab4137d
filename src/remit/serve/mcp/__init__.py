"""The Model Context Protocol, both ways: Remit as a server of its own orders, and as a guard before other servers.

Promise: translation only. What may be done is decided by the guard and by the use cases behind the command line.
"""
