"""Agents in Remit's own process: Pydantic AI agents whose every model attempt and tool call passes the guard.

Promise: ``pydantic_ai`` is imported in ``library`` alone, and nothing here touches a model or a tool outside a permit.
"""
