"""Calls that must type-check, and calls that must not: these say the error that mypy gives. Never run."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import Callable, Coroutine
from typing import Any, assert_type

import bpexporter
from bpexporter import Hub, QueueReading


class Mine(asyncio.Queue[bytes]):
    def mine(self) -> None: ...


async def echo(reader: StreamReader, writer: StreamWriter) -> None: ...


def greet(reader: StreamReader, writer: StreamWriter) -> None: ...


class Server:
    async def handle(self, reader: StreamReader, writer: StreamWriter) -> None: ...

    async def __call__(self, reader: StreamReader, writer: StreamWriter) -> None: ...


async def streams(hub: Hub, server: Server) -> None:
    handler = bpexporter.watched_handler(echo, "echo", hub=hub)
    assert_type(handler, Callable[[StreamReader, StreamWriter], Coroutine[Any, Any, None]])
    assert_type(bpexporter.watched_handler(greet, "echo"), Callable[[StreamReader, StreamWriter], None])
    for one in (bpexporter.watched_handler(server, "echo"), bpexporter.watched_handler(server.handle, "echo"), handler):
        await asyncio.start_server(one, "127.0.0.1", 0)
        await asyncio.start_unix_server(one, "path")
    await asyncio.start_server(bpexporter.watched_handler(greet, "echo"), "127.0.0.1", 0)
    reader, writer = await bpexporter.watched_connection(asyncio.open_connection("host", 1), "up", hub=hub)
    assert_type(reader, StreamReader)
    assert_type(writer, StreamWriter)
    await asyncio.wait_for(bpexporter.watched_connection(asyncio.open_unix_connection("path"), "up"), 1)
    assert_type(bpexporter.watch(writer, "up"), StreamWriter)
    assert_type(bpexporter.watch(writer.transport, "up"), asyncio.WriteTransport)
    assert_type(bpexporter.snapshot().streams["up"].kernel_unsent_bytes, int | None)


def right(hub: Hub) -> None:
    assert_type(bpexporter.watch(asyncio.Queue[int](), "q"), asyncio.Queue[int])
    assert_type(bpexporter.watch(asyncio.PriorityQueue[str](3), "q", hub=hub), asyncio.PriorityQueue[str])
    bpexporter.watch(Mine(), "q").mine()
    assert_type(bpexporter.unwatch(Mine()), Mine)
    assert_type(bpexporter.snapshot().queues["q"], QueueReading)
    assert_type(bpexporter.snapshot(hub=hub).queues["q"].puts, int)
    assert_type(bpexporter.snapshot().queues["q"].utilization_ratio, float | None)
    with bpexporter.start(port=0, hub=hub) as exporter:
        assert_type(exporter.url, str)
        assert_type(exporter.port, int)
        exporter.stop()
    bpexporter.install(hub=hub, allow="app", deny=["lib", "*:writer"], naming=lambda obj, name: name)
    bpexporter.uninstall()
    with bpexporter.on_stall("q", stalled=0.1, within=1, call=lambda: None) as trigger:
        assert_type(trigger, bpexporter.Trigger)
        trigger.cancel()
    assert_type(bpexporter.snapshot().loops["main"].tasks, int)
    Hub(buckets=[0.1, 1], max_names=10)
    bpexporter.Collector(hub)


def wrong(hub: Hub) -> None:
    bpexporter.watch(asyncio.Queue[int]())  # error: call-arg
    bpexporter.watch(asyncio.Queue[int](), 3)  # error: arg-type
    bpexporter.watch(asyncio.Queue[int](), "q", hub)  # error: call-arg
    bpexporter.watch(asyncio.Queue[int](), "q", hub="mine")  # error: arg-type
    bpexporter.watch(asyncio.Queue[int](), "q").put_nowait("text")  # error: arg-type
    bpexporter.snapshot().queues["q"].putts  # error: attr-defined
    bpexporter.snapshot().queues["q"].puts = 3  # error: misc
    bpexporter.snapshot().queues["q"].utilization_ratio > 0.8  # error: operator
    bpexporter.start(port="9877")  # error: arg-type
    bpexporter.install(hub="app")  # error: arg-type
    bpexporter.on_stall("q")  # error: call-arg
    bpexporter.on_stall("q", call="f")  # error: arg-type
    bpexporter.watched_handler(len, "echo")  # error: arg-type
    bpexporter.watched_handler(echo)  # error: call-arg
    bpexporter.watched_handler(echo, 3)  # error: arg-type
    Hub((0.1, 1.0))  # error: call-arg
    bpexporter.wach  # error: attr-defined


async def wrong_streams(hub: Hub) -> None:
    await bpexporter.watched_connection(asyncio.open_connection, "up")  # error: arg-type
    await bpexporter.watched_connection(asyncio.sleep(1), "up")  # error: type-var
    await bpexporter.watched_connection(asyncio.open_connection("host", 1), "up", hub)  # error: call-arg
