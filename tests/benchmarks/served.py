"""An aiohttp service as people write them: each request passes a limiter and a queue. Knows nothing of bpexporter."""

import asyncio
import sys
from collections.abc import AsyncIterator

from aiohttp import web


class Service:
    """Requests go to workers through a queue, and are answered when their job is done."""

    def __init__(self) -> None:
        self.jobs: asyncio.Queue[asyncio.Future[None]] = asyncio.Queue(maxsize=20)
        self.limit = asyncio.Semaphore(50)

    async def job(self) -> None:
        """One job, done by a worker."""
        async with self.limit:
            done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            await self.jobs.put(done)
            await done

    async def handle(self, request: web.Request) -> web.Response:
        """One request."""
        await self.job()
        return web.json_response({"path": request.path})

    async def work(self) -> None:
        """One worker."""
        while True:
            (await self.jobs.get()).set_result(None)
            self.jobs.task_done()

    async def workers(self, _app: object = None) -> AsyncIterator[None]:
        """Two of them, as long as the application runs."""
        tasks = [asyncio.create_task(self.work()) for _ in range(2)]
        yield
        for task in tasks:
            task.cancel()


def application() -> web.Application:
    """The application."""
    service, app = Service(), web.Application()
    app.router.add_get("/", service.handle)
    app.cleanup_ctx.append(service.workers)
    return app


if __name__ == "__main__":
    web.run_app(application(), host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
