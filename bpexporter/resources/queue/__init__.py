"""Queues: `asyncio.Queue` and its subclasses.

May touch: what the kinds have in common.
"""
