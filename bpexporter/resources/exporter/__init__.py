"""The exporter itself, as metrics.

May touch: what the kinds have in common.
"""
