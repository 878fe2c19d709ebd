"""Limiters: semaphores, locks, executors, and queues that hand out what is given back.

May touch: what the kinds have in common.
"""
