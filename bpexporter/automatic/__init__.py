"""`install()`: whatever a program makes is watched; and the running of programs so.

May touch: watching, naming, adapters.
"""
