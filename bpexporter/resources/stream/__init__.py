"""Stream writers and transports.

May touch: what the kinds have in common.
"""
