"""One module for each noun; each offers ``ROUTES``. ``app.NOUNS`` lists them.

Promise: no rule stands here. A route that could be wrong about who may do what would be so in one place only, and that
place is ``accounts.access``.
"""
