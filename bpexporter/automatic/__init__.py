"""`install()`: whatever a program makes is watched; and the running of programs so.

May touch: naming, adapters.
"""
