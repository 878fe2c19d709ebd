"""The endpoint: its thread, its connections, its answers and its page.

May touch: export, publishing, automatic, `prometheus_client`, `aiohttp`.
"""
