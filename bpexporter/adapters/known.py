"""The adapters that there are, ours and those of other packages, by the modules of the libraries that they wait for.

An adapter is loaded when one of its modules is: until then nothing here loads what describes it.
"""

from __future__ import annotations

from functools import cache

from bpexporter.adapters.installed import entry_points

GROUP = "bpexporter.adapters"
# By module of a library: the module of ours that holds its adapter, as `ADAPTER`.
OURS = {
    "anyio.streams.memory": "anyio",
    "anyio._backends._asyncio": "anyio",
    "anyio._core._synchronization": "anyio",
    "aiohttp.connector": "aiohttp",
    "httpcore._async.connection_pool": "httpcore",
    "sqlalchemy.pool.impl": "sqlalchemy",
    "asyncpg.pool": "asyncpg",
    "psycopg_pool.pool_async": "psycopg_pool",
    "redis.asyncio.connection": "redis",
    "janus": "janus",
    "aiolimiter.leakybucket": "aiolimiter",
    "aiojobs._scheduler": "aiojobs",
}


@cache
def targets() -> dict[str, str]:
    """By module of a library: where its adapter is, as ``module:object``; another package's comes before ours."""
    return {module: f"{__package__}.{ours}:ADAPTER" for module, ours in OURS.items()} | entry_points(GROUP)


def modules() -> tuple[str, ...]:
    """The modules of libraries that adapters wait for."""
    return tuple(targets())


def modules_of(package: str) -> list[str]:
    """Those of `package`."""
    return [module for module in targets() if module.partition(".")[0] == package]
