"""The console: pages for people, made on the server, with JSON beside each.

It translates and decides nothing: what a page shows is read by a room's own functions, what a form orders goes through
the room's use case, as on the command line. ``docs/console.md`` tells how to add a page.
"""
