"""Event loops: how late, how stuck and how busy they are.

May touch: what the kinds have in common.
"""
