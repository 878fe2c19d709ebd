"""What bpexporter says of itself.

May touch: what the kinds have in common.
"""
