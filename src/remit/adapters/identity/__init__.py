"""Signing in: what takes threads (hashing passwords) and what reaches outside (OpenID providers).

Promise: passwords are hashed off the event loop, a few at once; a provider is asked under its own name and no other.
"""
