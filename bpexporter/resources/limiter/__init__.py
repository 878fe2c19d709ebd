"""Limiters, which hand out a number of permits: semaphores and their kin.

May touch: what the kinds have in common.
"""
