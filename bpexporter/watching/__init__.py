"""`watch()`, `unwatch()` and the helpers for connections.

May touch: hub.
"""
