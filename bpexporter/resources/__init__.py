"""Resources, which can push back: a folder for each kind, and what the kinds have in common.

A kind knows no other kind. May touch: primitives.
"""
