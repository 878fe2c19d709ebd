"""All declarations together, and the merging of readings that follows from them.

May touch: resources.
"""
