"""Programs that hold back their callers, each with somebody else's library: ``python -m libraries.apps NAME PORT``.

Not a line here knows of bpexporter. A program says "ready" once it backs up, and goes on until it is told to end.
"""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

CHUNK = b"." * 65_536
Acquiring = Callable[[], Any]

# Applications for servers that have commands of their own --------------------------------------------------


async def flood(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application that answers with more than anybody takes."""
    if scope["type"] == "lifespan":
        for part in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{part}.complete"})
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})


async def make_aiohttp(argv: Any = None) -> Any:
    """The same with aiohttp."""
    from aiohttp import web

    async def answer(request: Any) -> Any:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(CHUNK)

    app = web.Application()
    app.router.add_get("/", answer)
    return app


def make_web(argv: Any = None) -> Any:
    """The same for ``python -m aiohttp.web``."""
    return asyncio.run(make_aiohttp())


def make_sanic() -> Any:
    """The same with sanic."""
    from sanic import Sanic

    app = Sanic("Slow")

    @app.get("/")
    async def answer(request: Any) -> None:
        response = await request.respond()
        while True:
            await response.send(CHUNK)

    return app


def make_quart() -> Any:
    """The same with quart."""
    from quart import Quart

    app = Quart(__name__)

    @app.get("/")
    async def answer() -> Any:
        async def body() -> AsyncIterator[bytes]:
            while True:
                yield CHUNK

        return body()

    return app


def make_threads() -> Any:
    """FastAPI, whose synchronous routes take the threads of anyio."""
    from fastapi import FastAPI

    app = FastAPI()

    @app.get("/")
    def answer() -> str:
        time.sleep(60)
        return "at last"

    return app


async def lie(context: Any) -> None:
    """Do nothing for long."""
    await asyncio.sleep(60)


async def enqueue(context: Any) -> None:
    """Enqueue more than is done."""
    for _ in range(5):
        await context["redis"].enqueue_job("lie")
    print("ready", flush=True)


class Settings:
    """Of arq's worker: one job at a time."""

    max_jobs = 1
    job_completion_wait = 0

    functions = (lie,)
    on_startup = enqueue


if url := os.environ.get("REDIS_URL"):
    try:
        from arq.connections import RedisSettings

        Settings.redis_settings = RedisSettings.from_dsn(url)  # type: ignore[attr-defined]
    except ImportError:
        pass

# Programs ----------------------------------------------------------------------------------------------------


async def fill(acquiring: Acquiring) -> None:
    """Let callers hold what there is, and others wait for it, for ever."""

    async def hold() -> None:
        async with acquiring():
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(hold()) for _ in range(6)]
    await asyncio.sleep(0.3)
    print("ready", flush=True)
    await asyncio.gather(*tasks)


@asynccontextmanager
async def silent() -> AsyncIterator[str]:
    """A server that never answers to the end."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        await writer.drain()
        await asyncio.Event().wait()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


async def aiohttp_client(port: int) -> None:
    """Six requests, two connections."""
    import aiohttp

    async with silent() as url, aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=2)) as session:
        await fill(lambda: session.get(url))


async def httpx_client(port: int) -> None:
    """The same with httpx."""
    import httpx

    limits = httpx.Limits(max_connections=2)
    async with silent() as url, httpx.AsyncClient(limits=limits, timeout=None) as client:
        await fill(lambda: client.stream("GET", url))


async def sqlalchemy_engine(port: int) -> None:
    """Six callers, two connections of SQLAlchemy's."""
    from sqlalchemy.ext.asyncio import create_async_engine

    url = os.environ["POSTGRES_URL"].replace("postgresql:", "postgresql+asyncpg:")
    engine = create_async_engine(url, pool_size=2, max_overflow=0)
    await fill(engine.connect)


async def asyncpg_pool(port: int) -> None:
    """The same with asyncpg alone."""
    import asyncpg

    async with asyncpg.create_pool(os.environ["POSTGRES_URL"], min_size=1, max_size=2) as pool:
        await fill(pool.acquire)


async def psycopg_pool(port: int) -> None:
    """The same with psycopg."""
    from psycopg_pool import AsyncConnectionPool

    async with AsyncConnectionPool(os.environ["POSTGRES_URL"], min_size=2, max_size=2, open=False) as pool:
        await fill(pool.connection)


async def redis_pool(port: int) -> None:
    """Six commands that block, two connections of Redis."""
    from redis.asyncio import BlockingConnectionPool, Redis

    client = Redis(connection_pool=BlockingConnectionPool.from_url(os.environ["REDIS_URL"], max_connections=2))
    commands = [asyncio.create_task(client.blpop(["nothing"], 0)) for _ in range(6)]
    await asyncio.sleep(0.3)
    print("ready", flush=True)
    await asyncio.gather(*commands)


async def websockets_server(port: int) -> None:
    """A broadcast to a client that reads nothing."""
    from websockets.asyncio.server import serve

    async def handler(connection: Any) -> None:
        while True:
            await connection.send(CHUNK)

    async with serve(handler, "127.0.0.1", port, compression=None):
        print("ready", flush=True)
        await asyncio.Event().wait()


async def asyncssh_server(port: int) -> None:
    """A shell that writes to somebody who reads nothing."""
    import asyncssh

    async def talk(process: Any) -> None:
        while True:
            process.stdout.write(CHUNK.decode())
            await process.stdout.drain()

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username: str) -> bool:
            return False

    key = asyncssh.generate_private_key("ssh-ed25519")
    await asyncssh.listen("127.0.0.1", port, server_host_keys=[key], process_factory=talk, server_factory=Server)
    there = await asyncssh.connect("127.0.0.1", port, known_hosts=None, config=None, client_keys=None)
    await there.create_process("talk", window=1 << 30)
    there._transport.pause_reading()
    print("ready", flush=True)
    await asyncio.Event().wait()


async def mcp_streams(port: int) -> None:
    """The streams of an MCP session whose other end reads nothing."""
    from mcp.shared._context_streams import create_context_streams

    send, receive = create_context_streams(0)
    sending = [asyncio.create_task(send.send("message")) for _ in range(3)]
    await asyncio.sleep(0.1)
    print("ready", flush=True)
    await asyncio.gather(*sending)
    receive.close()


async def anyio_pipeline(port: int) -> None:
    """A pipeline of anyio's, with a worker that is slow."""
    import anyio

    send, receive = anyio.create_memory_object_stream[int](3)

    async def make() -> None:
        number = 0
        while True:
            await send.send(number := number + 1)

    async with anyio.create_task_group() as group:
        group.start_soon(make)
        await receive.receive()
        print("ready", flush=True)
        await anyio.sleep_forever()


async def janus_queue(port: int) -> None:
    """A thread that makes more than a task takes."""
    import threading

    import janus

    queue = janus.Queue[int](2)
    make: Callable[[], Any] = lambda: [queue.sync_q.put(number) for number in range(9)]  # noqa: E731
    threading.Thread(target=make, daemon=True).start()
    await asyncio.sleep(0.1)
    print(await queue.async_q.get(), "ready", sep="\n", flush=True)
    await asyncio.Event().wait()


async def aiolimiter_rate(port: int) -> None:
    """Six callers of a rate of one a minute."""
    from aiolimiter import AsyncLimiter

    limiter = AsyncLimiter(1, 60)
    await fill(lambda: limiter)


async def aiojobs_scheduler(port: int) -> None:
    """More jobs than may run, or wait."""
    from aiojobs import Scheduler

    scheduler = Scheduler(limit=1, pending_limit=1)
    spawning = [asyncio.create_task(scheduler.spawn(asyncio.sleep(60))) for _ in range(5)]
    await asyncio.sleep(0.1)
    print("ready", flush=True)
    await asyncio.gather(*spawning)


async def tornado_server(port: int) -> None:
    """A server of tornado's."""
    from tornado.web import Application, RequestHandler

    class Main(RequestHandler):
        def get(self) -> None:
            self.write("here")

    Application([("/", Main)]).listen(port, "127.0.0.1")
    print("ready", flush=True)
    await asyncio.Event().wait()


async def zmq_push(port: int) -> None:
    """Messages for nobody, up to the mark."""
    import zmq.asyncio

    socket = zmq.asyncio.Context.instance().socket(zmq.PUSH)
    socket.bind(f"tcp://127.0.0.1:{port}")
    sending = asyncio.ensure_future(socket.send(b"message"))
    await asyncio.sleep(0.1)
    print("ready", flush=True)
    await sending


async def grpc_server(port: int) -> None:
    """A server of gRPC's."""
    import grpc.aio

    server = grpc.aio.server(maximum_concurrent_rpcs=1)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    print("ready", flush=True)
    await server.wait_for_termination()


async def aiosqlite_database(port: int) -> None:
    """A database in a thread."""
    import aiosqlite

    async with aiosqlite.connect(":memory:") as database:
        await database.execute("create table t (x)")
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(globals()[sys.argv[1]](int(sys.argv[2])))
