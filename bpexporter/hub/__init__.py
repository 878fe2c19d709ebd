"""Names, the members of each, the totals of those that are gone, and the reading of all.

May touch: catalogue.
"""
