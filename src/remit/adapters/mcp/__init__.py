"""Outside tool servers that speak the Model Context Protocol: started or reached, and asked, inside permits alone.

Promise: ``mcp`` is imported here and in ``serve/mcp``, and a server's process ends with the one that started it.
"""
