"""The control API: everything the command line does, over HTTP under ``/api/v1``.

Promise: translation only. Each route reads a request, calls one use case of a room, and answers a documented model.
What may be done is decided in the use case's own transaction, and what goes wrong is one problem document (RFC 9457).
"""
