"""The words every room speaks: ids, money, time, effects, actions, decisions, missions, errors.

Promise: importing this room does no input or output, and nothing in it depends on another room.
"""
