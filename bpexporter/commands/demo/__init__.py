"""The demo: a pipeline that backs up and recovers.

May touch: everything below.
"""
