"""Readings as text and as families of `prometheus_client`.

May touch: hub, `prometheus_client`.
"""
