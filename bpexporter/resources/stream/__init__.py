"""Streams: writers and transports, watched or found.

May touch: what the kinds have in common.
"""
