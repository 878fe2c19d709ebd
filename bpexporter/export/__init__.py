"""Readings as text and as families of `prometheus_client`.

May touch: analysis, `prometheus_client`.
"""
