"""Commands: run without a shell, in a clean environment, inside the strongest tier this machine offers.

Promise: no child outlives its command or its parent, and the tier that was used stands in the record.
"""
