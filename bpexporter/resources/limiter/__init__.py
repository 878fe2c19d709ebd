"""Semaphores.

May touch: what the kinds have in common.
"""
