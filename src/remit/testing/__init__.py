"""What tests of Remit, ours and yours, are made of: fakes, clocks, crash points, fault proxies.

Promise: everything in here is public and documented, and refuses to work in a production home.
"""
