"""Objects that are left out: made by libraries for their own start-up, or one for each connection.

Whoever wants to see one of them allows it: ``--allow``, ``BPEXPORTER_ALLOW`` or ``install(allow=...)``.
"""

from __future__ import annotations

from bpexporter.adapters.known import modules_of
from bpexporter.naming.places import Place

# By module that makes the object, with all below it: why it is left out.
QUIET = {
    "uvicorn.lifespan": "two messages at the start and two at the end",
    "uvicorn.protocols.websockets": "unbounded, one a connection: who does not read shows in its stream",
    "hypercorn.asyncio.lifespan": "two messages at the start and two at the end",
    "quart.asgi": "unbounded, one a WebSocket: who does not read shows in its stream",
    "quart.testing": "the two ends of a test",
    "sanic.server.websockets": "one a connection: who does not read shows in its stream",
    "starlette.middleware.base": "one a request, without a buffer: who is slow shows in its stream",
    "starlette.testclient": "the two ends of a test",
}


def reason_to_be_quiet(place: Place) -> str | None:
    """Returns why what is made at `place` is left out; ``None`` where it is not."""
    module = place.modules[0]
    package = module.partition(".")[0]
    reasons = QUIET if place.adapted or not modules_of(package) else {**QUIET, **_inner_workings(package)}
    return next(
        (reason for inner, reason in reasons.items() if module == inner or module.startswith(f"{inner}.")), None
    )


def _inner_workings(package: str) -> dict[str, str]:
    from bpexporter.adapters.choosing import inner_workings

    return inner_workings(package)
