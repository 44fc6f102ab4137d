"""What a person imports to declare missions, steps and effects of their own.

Promise: a decorated function stays an ordinary function, typed as before and callable in a test without a server.
"""
