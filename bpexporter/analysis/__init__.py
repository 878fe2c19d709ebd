"""Conclusions from readings: pressure, triggers that call, flow between stages, the verdict and sizing.

May touch: watching.
"""
