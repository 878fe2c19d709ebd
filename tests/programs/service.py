"""A service as many are: FastAPI with a route of each kind, a middleware, a queue, a client and a WebSocket."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from fastapi import BackgroundTasks, FastAPI, Request, WebSocket


class Mail:
    """What is to be sent, and who sends it."""

    def __init__(self) -> None:
        self.letters: asyncio.Queue[str] = asyncio.Queue(maxsize=100)

    async def send(self) -> None:
        """Send them, one after the other."""
        while True:
            await self.letters.get()
            self.letters.task_done()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Keeps the client, and sends."""
    app.state.mail = Mail()
    sending = asyncio.create_task(app.state.mail.send())
    async with httpx.AsyncClient() as app.state.client:
        yield
    sending.cancel()


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
    await app.state.mail.letters.put("answered")
    background.add_task(print, end="")
    return "async"


@app.websocket("/socket")
async def socket(websocket: WebSocket) -> None:
    """Says everything twice."""
    await websocket.accept()
    await websocket.send_text(2 * await websocket.receive_text())
    await websocket.close()
