"""Stages: what one kind of task does, and which resources it puts to and gets from.

May touch: what the kinds have in common.
"""
