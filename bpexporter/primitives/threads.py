"""Threads of our own: what runs there is not the application's."""

from __future__ import annotations

# Threads of our own, by their ident: what runs there is not the application's.
OWN_THREADS: set[int] = set()
