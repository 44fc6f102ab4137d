"""Files: written for a step inside its own directory and nowhere else.

Promise: a path that leads outside, by dots, links or absolute names, is refused before anything is written.
"""
