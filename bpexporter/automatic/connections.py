"""Each connection that is opened or accepted: what it is called, and whether it is wanted."""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import ModuleType

from bpexporter.hub.hub import Hub, registry_of
from bpexporter.naming.places import Place
from bpexporter.primitives.imports import forget, when_imported
from bpexporter.resources.kinds import STREAM, instrument_of
from bpexporter.resources.origins import join, module_name, plain, written
from bpexporter.resources.stream import opening
from bpexporter.resources.stream.connections import Group
from bpexporter.watching.watch import watch_automatically

# The name under which connections at a place are wanted, and the hub; ``None`` where they are not.
Choosing = Callable[[type, Place], tuple[str, Hub] | None]


def place_of_connections(kind: type, where: str) -> Place:
    """The class of their protocol with its package, and of servers the port: ``uvicorn.HttpToolsProtocol:8000``."""
    module = module_of(kind)
    name = join(module.partition(".")[0], plain(kind.__qualname__))
    return Place(written(f"{name}:{where}" if where else name), (module,))


def module_of(kind: type) -> str:
    """The module of a class, as it is known elsewhere."""
    module = sys.modules.get(kind.__module__)
    return kind.__module__ if module is None else module_name(vars(module))


def know_connections(choosing: Choosing) -> None:
    """Know of each connection from now on, asyncio's and uvloop's, where `choosing` wants it."""

    def grouping(kind: type, where: str) -> Group | None:
        chosen = choosing(kind, place_of_connections(kind, where))
        return None if chosen is None else _group(*chosen)

    opening.install(grouping)
    when_imported("uvloop", _hook_uvloop)


def forget_connections() -> None:
    """Know of no further connection."""
    forget("uvloop", _hook_uvloop)
    opening.uninstall()


def _hook_uvloop(uvloop: ModuleType) -> None:
    opening.hook_loop(uvloop.Loop)


def _group(name: str, hub: Hub) -> Group:
    registry = registry_of(hub)
    group = Group(lambda transport: watch_automatically(transport, name, hub), clock=registry.clock)
    registry.add(group, name, group, instrument_of(STREAM), automatic=True)
    return group
