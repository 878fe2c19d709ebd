"""The endpoint: its thread, its connections, its answers and its page.

May touch: export, publishing, `prometheus_client`, `aiohttp`.
"""
