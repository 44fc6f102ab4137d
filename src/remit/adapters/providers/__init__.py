"""Providers of models: the HTTP client to them, and the adapter that performs a model call within its permit."""
