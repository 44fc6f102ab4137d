"""Packs: each turns one domain's request into a plan of steps, and knows no other pack."""
