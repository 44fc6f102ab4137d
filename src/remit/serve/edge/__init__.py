"""What stands before the API and the console: who asks, from where, how often, how long; and what every answer carries.

Promise: pure ASGI (nothing is buffered, and no context is lost), and no rule of its own: it only turns away.
"""
