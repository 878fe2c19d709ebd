"""Event loops.

May touch: what the kinds have in common.
"""
