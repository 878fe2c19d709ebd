"""A server of somebody else's library with a client that reads nothing, under `install()`: says which stream pauses.

``python -m programs.slow_client uvicorn``; without a line in the server's code that knows of bpexporter.
"""

import asyncio
import json
import os
import socket
import sys
import threading
import time

import bpexporter

CHUNK = b"." * 65_536
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def free_port() -> int:
    """A port on loopback that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return sock.getsockname()[1]


PORT = free_port()


async def flood(scope, receive, send) -> None:
    """An ASGI application that answers with more than anybody takes."""
    if scope["type"] == "lifespan":
        return
    await receive()
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
        while True:
            await send({"type": "websocket.send", "bytes": CHUNK})
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while True:
        await send({"type": "http.response.body", "body": CHUNK, "more_body": True})


# Servers: each serves on PORT for ever ---------------------------------------------------------------------------


def uvicorn(http="httptools", loop="asyncio") -> None:
    """Serves with uvicorn."""
    import uvicorn

    uvicorn.run(flood, port=PORT, http=http, loop=loop, lifespan="off", log_level="critical")


def hypercorn() -> None:
    """Serves with hypercorn, whose connections are streams."""
    from hypercorn.asyncio import serve
    from hypercorn.config import Config

    config = Config()
    config.bind = [f"127.0.0.1:{PORT}"]
    asyncio.run(serve(flood, config))


def aiohttp() -> None:
    """Serves with aiohttp."""
    from aiohttp import web

    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(CHUNK)

    app = web.Application()
    app.router.add_get("/", answer)
    web.run_app(app, host="127.0.0.1", port=PORT, print=None)


def websockets() -> None:
    """Serves with websockets."""
    from websockets.asyncio.server import serve

    async def handler(connection) -> None:
        while True:
            await connection.send(CHUNK)

    async def main() -> None:
        async with serve(handler, "127.0.0.1", PORT, compression=None):
            await asyncio.Future()

    asyncio.run(main())


def sanic() -> None:
    """Serves with sanic."""
    from sanic import Sanic

    app = Sanic("Slow")

    @app.get("/")
    async def answer(request):
        response = await request.respond()
        while True:
            await response.send(CHUNK)

    app.run("127.0.0.1", PORT, single_process=True, motd=False, access_log=False)


def asyncssh() -> None:
    """Serves a command over SSH, to a client of asyncssh's that stops reading."""
    import asyncssh

    async def talk(process) -> None:
        while True:
            process.stdout.write(CHUNK.decode())
            await process.stdout.drain()

    class Server(asyncssh.SSHServer):
        def begin_auth(self, username):
            return False

    async def main() -> None:
        key = asyncssh.generate_private_key("ssh-ed25519")
        await asyncssh.listen("127.0.0.1", PORT, server_host_keys=[key], process_factory=talk, server_factory=Server)
        there = await asyncssh.connect("127.0.0.1", PORT, known_hosts=None, config=None, client_keys=None)
        await there.create_process("talk", window=1 << 30)
        there._transport.pause_reading()
        await asyncio.Future()

    asyncio.run(main())


SERVERS = {
    "uvicorn": (uvicorn, GET),
    "uvicorn, h11": (lambda: uvicorn(http="h11"), GET),
    "uvicorn, uvloop": (lambda: uvicorn(loop="uvloop"), GET),
    "uvicorn, websocket": (uvicorn, UPGRADE),
    "hypercorn": (hypercorn, GET),
    "aiohttp": (aiohttp, GET),
    "websockets": (websockets, UPGRADE),
    "sanic": (sanic, GET),
    "asyncssh": (asyncssh, b""),
}


def paused_streams() -> dict[str, float]:
    """Utilisation of the streams that are paused, with a name that holds no port."""
    streams = bpexporter.snapshot().streams
    return {
        name.replace(str(PORT), "PORT"): stream.utilization_ratio
        for name, stream in streams.items()
        if stream.paused_writers
    }


def ask(request: bytes) -> socket.socket | None:
    """A client that asks, and reads nothing."""
    for _ in range(200):
        try:
            client = socket.create_connection(("127.0.0.1", PORT))
        except OSError:
            time.sleep(0.05)
        else:
            client.sendall(request)
            return client
    return None


def watch_the_page(request: bytes) -> None:
    """Ask, wait until something pauses, say what it is, and end the program."""
    client = ask(request) if request else None
    for _ in range(300):
        time.sleep(0.05)
        found = paused_streams()
        if found:
            break
    print(json.dumps(found), flush=True)
    if client is not None:
        client.close()
    os._exit(0)


if __name__ == "__main__":
    bpexporter.install()
    server, request = SERVERS[sys.argv[1]]
    threading.Thread(target=watch_the_page, args=(request,), daemon=True).start()
    server()
