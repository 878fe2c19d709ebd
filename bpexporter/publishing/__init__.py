"""The publisher, its files, and the reading and merging of what many processes have published.

May touch: hub; the standard library alone.
"""
