"""The one way to an effect: the ordered list of checks between asking and doing.

Promise: nothing outside this process is touched before its intent is committed; a check that cannot answer refuses.
"""
