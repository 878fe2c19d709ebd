"""Tools that measure: stall clock, bands, peaks, tracers, histograms; helpers for functions and threads.

Knows no names and no asyncio. May touch: the standard library.
"""
