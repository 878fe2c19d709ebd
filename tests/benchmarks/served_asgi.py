"""The service of served.py once more, for an ASGI server. Knows nothing of bpexporter."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tests.benchmarks.served import Service

service = Service()


async def handle(request: Request) -> JSONResponse:
    """One request."""
    await service.job()
    return JSONResponse({"path": request.url.path})


@asynccontextmanager
async def workers(_app: Starlette) -> AsyncIterator[None]:
    """As long as the application runs."""
    async for _ in service.workers():
        yield


app = Starlette(routes=[Route("/", handle)], lifespan=workers)
