"""The model gateway: an existing program changes one base URL and is governed."""
