"""The interfaces of providers of models as bytes and documents: requests, answers, streams, errors.

Promise: pure functions and readers; nothing here sends, waits or keeps anything beyond one answer.
"""
