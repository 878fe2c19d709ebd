"""Ledgers: the small mutable records that the hot path updates, and their frozen readings.

A ledger belongs to one object and is fed by the thread of that object's loop; `read()` may be called from any
thread and runs none of the host's code.
"""
