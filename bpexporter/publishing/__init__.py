"""The publisher, its files, and the reading and merging of what many processes have published.

May touch: hub, automatic; the standard library alone.
"""
