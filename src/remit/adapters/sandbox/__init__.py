"""Commands of missions, run where they can do little harm.

Promise: a command starts without a shell, with a clean environment and bounded resources, in the strongest tier of this
machine; the tier is in its result, a demanded minimum is never quietly missed, and nothing it started outlives it.
The package imports nothing here: the launcher, which starts once for each command, must stay cheap.
"""
