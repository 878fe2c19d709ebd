"""What measures: stall clock, bands, peaks, tracers, histograms; functions and threads.

Knows no names and no asyncio. May touch: the standard library.
"""
