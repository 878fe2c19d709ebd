"""Adapters: what makes a library's own class a resource. One small module for each library.

May touch: naming, resources.
"""
