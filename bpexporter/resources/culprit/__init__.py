"""Culprits: the verdict as metrics.

May touch: what the kinds have in common.
"""
