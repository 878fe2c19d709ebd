"""What an object is called, and where in the code it was made.

May touch: watching.
"""
