"""A service as many are: FastAPI with a route of each kind, a middleware, a client and a WebSocket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keeps the client."""
    async with httpx.AsyncClient() as app.state.client:
        yield


app = FastAPI(lifespan=lifespan)


@app.middleware("http")
async def named(request: Request, call_next):
    """Adds a header."""
    response = await call_next(request)
    response.headers["x-service"] = "typical"
    return response


@app.get("/sync")
def sync_route() -> str:
    """Runs in a thread."""
    return "sync"


@app.get("/async")
async def async_route(background: BackgroundTasks) -> str:
    """Has something done once it has answered."""
    background.add_task(print, end="")
    return "async"


@app.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    """Says everything twice."""
    await websocket.accept()
    await websocket.send_text(2 * await websocket.receive_text())
    await websocket.close()
