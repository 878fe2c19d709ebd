"""What follows from readings: pressure, and triggers that tell of it.

May touch: automatic, hub.
"""
