"""What libraries make for their own start-up, or one for each connection, and what therefore is left out.

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
    "hypercorn.asyncio.worker_context": "ends the server",
    "starlette.middleware.base": "one a request, without a buffer: who is slow shows in its stream",
    "starlette.testclient": "two ends of one test",
    "ipykernel": "what a notebook's kernel says to itself",
    "jupyter_client": "what a notebook's kernel says to itself",
}


def reason_to_be_quiet(place: Place) -> str | None:
    """Why what is made at `place` is left out; ``None`` where it is not."""
    module = place.modules[0]
    package = module.partition(".")[0]
    reasons = {**QUIET, **_inner_workings(package)} if modules_of(package) else QUIET
    return next(
        (reason for inner, reason in reasons.items() if module == inner or module.startswith(f"{inner}.")), None
    )


def _inner_workings(package: str) -> dict[str, str]:
    from bpexporter.adapters.choosing import inner_workings

    return inner_workings(package)
