"""Writers of every kind on real descriptors, with a peer that reads when it is told to, and a clock that tests set."""

import asyncio
import contextlib
import functools
import os
import socket
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from needs import missing

import bpexporter

MB = 1 << 20


def loop_factory(name: str) -> Callable[[], asyncio.AbstractEventLoop]:
    """Makes loops of asyncio's or of uvloop's."""
    if name == "asyncio":
        return asyncio.new_event_loop
    try:
        import uvloop
    except ImportError:
        missing("uvloop is not installed: pip install uvloop")
    return uvloop.new_event_loop


def run(name: str, main: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """What `main` gives, on a loop of this name."""
    with asyncio.Runner(loop_factory=loop_factory(name)) as runner:
        return runner.run(main(*arguments))


@functools.cache
def certificates() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server with a certificate made for this test, and of a client that trusts it."""
    try:
        import trustme
    except ImportError:
        missing("trustme is not installed: pip install trustme")
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


# Peers --------------------------------------------------------------------------------------------------


class Peer:
    """Who is to read; reads nothing of itself but what StreamReader takes beforehand."""

    def __init__(self, read: Callable[[int], Awaitable[bytes]], reset: Callable[[], None]) -> None:
        self.read = read
        self.reset = reset

    async def take(self, size: int) -> None:
        """Read exactly so many bytes."""
        while size > 0:
            data = await self.read(min(size, MB))
            assert data, "ended before its time"
            size -= len(data)


async def turns(count: int = 5) -> None:
    """Let the loop run what is due."""
    for _ in range(count):
        await asyncio.sleep(0)


async def until(true: Callable[[], bool], why: str) -> None:
    """Wait for what real sockets do when they please; at most 20 s."""
    for _ in range(4_000):
        if true():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"not within 20 s: {why}")


async def ended(*transports: Any) -> None:
    """Close them at once, those that are lost already too, of which asyncio's raise."""
    for transport in transports:
        with contextlib.suppress(AttributeError):
            transport.abort()
    await turns()


def _abort(writer: asyncio.StreamWriter) -> None:
    sock = writer.get_extra_info("socket")
    with contextlib.suppress(AttributeError, OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    writer.transport.abort()


@contextlib.asynccontextmanager
async def _served(start: Callable[..., Any], connect: Callable[..., Any]) -> AsyncIterator[tuple[Any, Peer]]:
    accepted: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    accepted = asyncio.get_running_loop().create_future()
    server = await start(lambda *streams: accepted.set_result(streams))
    _, writer = await connect(server)
    reader, back = await accepted
    try:
        yield writer, Peer(reader.read, lambda: _abort(back))
    finally:
        server.close()
        await ended(writer.transport, back.transport)


def listening() -> socket.socket:
    """A socket on loopback whose connections take one megabyte and no more.

    The kernel would let what a peer leaves unread grow while it reads: by ten megabytes in one run, by none in another.
    """
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, MB)
    sock.bind(("127.0.0.1", 0))
    return sock


def tcp() -> Any:
    """Plain TCP over loopback."""
    return _served(
        lambda accept: asyncio.start_server(accept, sock=listening()),
        lambda server: asyncio.open_connection(*server.sockets[0].getsockname()),
    )


def tls() -> Any:
    """TLS over loopback."""
    ours, theirs = certificates()
    return _served(
        lambda accept: asyncio.start_server(accept, sock=listening(), ssl=ours),
        lambda server: asyncio.open_connection(
            *server.sockets[0].getsockname(), ssl=theirs, server_hostname="localhost"
        ),
    )


@contextlib.asynccontextmanager
async def starttls() -> AsyncIterator[tuple[Any, Peer]]:
    """TCP that is upgraded to TLS once it is open; what the caller watches is watched before that."""
    ours, theirs = certificates()
    upgraded: asyncio.Future[tuple[asyncio.StreamReader, asyncio.StreamWriter]]
    upgraded = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await writer.start_tls(ours)
        upgraded.set_result((reader, writer))

    server = await asyncio.start_server(accept, sock=listening())
    _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    early.watch(writer)
    await writer.start_tls(theirs, server_hostname="localhost")
    reader, back = await upgraded
    try:
        yield writer, Peer(reader.read, lambda: _abort(back))
    finally:
        server.close()
        await ended(writer.transport, back.transport)


class Early:
    """What to do with a writer before it is upgraded."""

    def __init__(self) -> None:
        self.watch: Callable[[Any], Any] = lambda writer: writer


early = Early()


@contextlib.asynccontextmanager
async def unix() -> AsyncIterator[tuple[Any, Peer]]:
    """A pair of Unix sockets."""
    mine, other = socket.socketpair()
    _, writer = await asyncio.open_unix_connection(sock=mine)
    reader, back = await asyncio.open_unix_connection(sock=other)
    try:
        yield writer, Peer(reader.read, lambda: _abort(back))
    finally:
        await ended(writer.transport, back.transport)


@contextlib.asynccontextmanager
async def pipe() -> AsyncIterator[tuple[Any, Peer]]:
    """A pipe."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.connect_write_pipe(
        lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), os.fdopen(writing, "wb")
    )
    writer = asyncio.StreamWriter(transport, protocol, None, loop)

    async def read(size: int) -> bytes:
        while True:
            with contextlib.suppress(BlockingIOError):
                return os.read(reading, size)
            await asyncio.sleep(0)

    with os.fdopen(reading, "rb") as end:
        try:
            yield writer, Peer(read, end.close)
        finally:
            await ended(transport)


@contextlib.asynccontextmanager
async def stdin() -> AsyncIterator[tuple[Any, Peer]]:
    """The standard input of a child, which answers what it has read."""
    program = (
        "import os, sys\n"
        "asked = os.fdopen(int(sys.argv[1]), 'rb', buffering=0)\n"
        "while size := asked.readline():\n"
        "    os.write(1, b'%d\\n' % len(os.read(0, int(size))))\n"
    )
    theirs, ours = os.pipe()
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(theirs)),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, pass_fds=[theirs],
    )  # fmt: skip
    os.close(theirs)

    async def read(size: int) -> bytes:
        os.write(ours, b"%d\n" % size)
        return bytes(int(await child.stdout.readline()))

    try:
        yield child.stdin, Peer(read, child.kill)
    finally:
        os.close(ours)
        with contextlib.suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        child._transport.close()
        await turns()


KINDS = {"tcp": tcp, "tls": tls, "starttls": starttls, "unix": unix, "pipe": pipe, "stdin": stdin}
OF_TCP = ("tcp", "tls", "starttls")


@contextlib.asynccontextmanager
async def opened(kind: str, name: str, hub: bpexporter.Hub) -> AsyncIterator[tuple[Any, Peer]]:
    """A writer of this kind, watched under `name`, and its peer."""
    early.watch = lambda writer: bpexporter.watch(writer, name, hub=hub)
    async with KINDS[kind]() as (writer, peer):
        yield bpexporter.watch(writer, name, hub=hub), peer


def stream_of(hub: bpexporter.Hub, name: str = "s") -> bpexporter.StreamReading:
    """The reading of this stream."""
    return hub.snapshot().streams[name]
