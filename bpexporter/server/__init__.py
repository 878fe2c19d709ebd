"""The endpoint: its thread, its connections, its answers and its page.

May touch: export, `prometheus_client`, `aiohttp`.
"""
