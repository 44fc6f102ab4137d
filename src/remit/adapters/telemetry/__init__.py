"""Figures and spans for those who watch. Promise: names, codes and numbers leave, never content; nothing calls home."""
