"""Names that are found: what an object is called, and where in the code it was made.

May touch: resources.
"""
