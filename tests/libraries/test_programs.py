"""Programs by others do under `bpexporter run` what they do alone, and the page names where each backs up.

Each is started twice, with the client that makes it back up, and ended by a signal: what it writes, its exit code or
signal are the same, and what it shows is what a stranger should find. Run by ``pytest -m libraries``; what is not
installed is skipped, and said.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import databases
import pytest
from needs import missing

pytestmark = [pytest.mark.libraries, pytest.mark.timeout(240)]

TESTS = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
GET = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
PAUSED, WAITING, IN_USE, BLOCKED, LOOP = (
    "backpressure_stream_paused_writers",
    "backpressure_limiter_waiting_tasks",
    "backpressure_limiter_in_use_permits",
    "backpressure_queue_blocked_producers",
    "backpressure_loop_members",
)


@dataclass(frozen=True, kw_only=True)
class Program:
    """What is run, who asks it, how it is ended, and what is to be found."""

    command: tuple[str, ...] = ()
    """Words; ``PORT`` is replaced. By default a program of `apps`, by its name."""
    metric: str = LOOP
    name: str = "main"
    """Of the resource, as a pattern; ``PORT`` is replaced."""
    request: bytes = b""
    clients: int = 1
    """So many clients that ask, and read nothing."""
    needs: tuple[str, ...] = ()
    ends_by: signal.Signals = signal.SIGTERM
    is_chatty: bool = False
    """Whether what it logs depends on how long it ran."""
    silent: bool = False
    """Whether it does not say that it is ready: then its port does."""


PROGRAMS = {
    "uvicorn": Program(
        command=("uvicorn", "libraries.apps:flood", "--port", "PORT", "--log-level", "critical"),
        metric=PAUSED, name="uvicorn.*:PORT", request=GET, needs=("uvicorn",), silent=True, ends_by=signal.SIGKILL,
    ),
    "uvicorn_with_workers": Program(
        command=("uvicorn", "libraries.apps:flood", "--port", "PORT", "--log-level", "critical", "--workers", "2"),
        metric=PAUSED, name="uvicorn.*:PORT", request=GET, needs=("uvicorn",), silent=True, ends_by=signal.SIGKILL,
    ),
    "uvicorn_with_threads": Program(
        command=("uvicorn", "libraries.apps:make_threads", "--factory", "--port", "PORT", "--log-level", "critical"),
        metric=WAITING, name="anyio:default thread limiter", request=GET, clients=45, needs=("uvicorn", "fastapi"),
        silent=True, ends_by=signal.SIGKILL,
    ),
    "hypercorn": Program(
        command=("hypercorn", "libraries.apps:flood", "-b", "127.0.0.1:PORT", "--graceful-timeout", "0"),
        metric=PAUSED, name="hypercorn.asyncio.*:writer", request=GET, needs=("hypercorn",), silent=True,
        ends_by=signal.SIGKILL,
    ),
    "quart": Program(
        command=("hypercorn", "libraries.apps:make_quart()", "-b", "127.0.0.1:PORT", "--graceful-timeout", "0"),
        metric=PAUSED, name="hypercorn.asyncio.*:writer", request=GET, needs=("hypercorn", "quart"), silent=True,
        ends_by=signal.SIGKILL,
    ),
    "gunicorn_with_aiohttp": Program(
        command=("gunicorn", "libraries.apps:make_aiohttp", "-k", "aiohttp.GunicornWebWorker", "-b", "127.0.0.1:PORT",
                 "--log-level", "critical", "--graceful-timeout", "1"),
        metric=PAUSED, name="aiohttp.RequestHandler*", request=GET, needs=("gunicorn", "aiohttp"), silent=True,
    ),
    "aiohttp_web": Program(
        command=("-m", "aiohttp.web", "-H", "127.0.0.1", "-P", "PORT", "libraries.apps:make_web"),
        metric=PAUSED, name="aiohttp.RequestHandler:PORT", request=GET, needs=("aiohttp",), silent=True,
        ends_by=signal.SIGINT,
    ),
    "sanic": Program(
        command=("sanic", "libraries.apps:make_sanic", "--factory", "--single-process", "-H", "127.0.0.1", "-p", "PORT",
                 "--no-motd", "--no-access-logs"),
        metric=PAUSED, name="sanic.HttpProtocol:PORT", request=GET, needs=("sanic",), silent=True,
        ends_by=signal.SIGKILL,
    ),
    "arq": Program(
        command=("arq", "libraries.apps.Settings"), metric=IN_USE, name="arq.worker:Worker.sem", needs=("arq",),
        is_chatty=True, ends_by=signal.SIGKILL,
    ),
    "websockets_server": Program(
        metric=PAUSED, name="websockets.ServerConnection:PORT", request=UPGRADE, needs=("websockets",)
    ),
    "asyncssh_server": Program(metric=PAUSED, name="asyncssh.SSHServerConnection:PORT", needs=("asyncssh",)),
    "aiohttp_client": Program(metric=WAITING, name="aiohttp.TCPConnector:libraries.apps.aiohttp_client:*"),
    "httpx_client": Program(
        metric=WAITING, name="httpcore.AsyncConnectionPool:libraries.apps.httpx_client:client", needs=("httpx",)
    ),
    "sqlalchemy_engine": Program(
        metric=WAITING, name="sqlalchemy.AsyncAdaptedQueuePool:libraries.apps.sqlalchemy_engine:engine",
        needs=("sqlalchemy", "asyncpg"),
    ),
    "asyncpg_pool": Program(metric=WAITING, name="asyncpg.Pool:libraries.apps.asyncpg_pool:pool", needs=("asyncpg",)),
    "psycopg_pool": Program(
        metric=WAITING, name="psycopg_pool.AsyncConnectionPool:libraries.apps.psycopg_pool:pool",
        needs=("psycopg_pool",),
    ),
    "redis_pool": Program(
        metric=WAITING, name="redis.BlockingConnectionPool:libraries.apps.redis_pool:*", needs=("redis",)
    ),
    "mcp_streams": Program(metric=BLOCKED, name="mcp.shared.*:raw_send", needs=("mcp",)),
    "anyio_pipeline": Program(metric=BLOCKED, name="libraries.apps.anyio_pipeline:send", needs=("anyio",)),
    "janus_queue": Program(metric=BLOCKED, name="libraries.apps.janus_queue:queue", needs=("janus",)),
    "aiolimiter_rate": Program(metric=WAITING, name="libraries.apps.aiolimiter_rate:limiter", needs=("aiolimiter",)),
    "aiojobs_scheduler": Program(
        metric=WAITING, name="libraries.apps.aiojobs_scheduler:scheduler", needs=("aiojobs",)
    ),
    "tornado_server": Program(needs=("tornado",)),
    "zmq_push": Program(needs=("zmq",)),
    "grpc_server": Program(needs=("grpc",)),
    "aiosqlite_database": Program(needs=("aiosqlite",)),
}  # fmt: skip


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Of all programs: where Redis and PostgreSQL are."""
    with databases.redis() as redis, databases.postgres() as postgres:
        found = {name: value for name, value in os.environ.items() if not name.startswith(("BPEXPORTER_", "PYTEST_"))}
        yield {**found, "REDIS_URL": redis, "POSTGRES_URL": postgres, "PYTHONPATH": str(TESTS)}


class Leg:
    """A program that runs."""

    def __init__(self, name: str, environment: dict[str, str], *, port: int, page: int) -> None:
        self.program, self.port, self.page = PROGRAMS[name], port, page
        words = self.program.command or ("-m", "libraries.apps", name, "PORT")
        words = tuple(word.replace("PORT", str(port)) for word in words)
        is_command = words[0] != "-m"
        own = (str(BIN / words[0]), *words[1:]) if is_command else words
        command = [sys.executable, *own]
        if page:
            command = [sys.executable, "-m", "bpexporter", "run", "--port", str(page), "--strict-port", *own]
        self.lines: list[str] = []
        self.errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  it goes with the leg
        self.process = subprocess.Popen(
            command, cwd=TESTS, env=environment, stdout=subprocess.PIPE, stderr=self.errors, text=True,
            start_new_session=True,
        )  # fmt: skip
        self.reader = threading.Thread(target=lambda: self.lines.extend(self.process.stdout or ()), daemon=True)
        self.reader.start()

    def wait_until_ready(self) -> None:
        """Until it says so, or listens."""
        until = time.monotonic() + 40
        while time.monotonic() < until:
            assert self.process.poll() is None, self.told()
            if (self.program.silent and _listens(self.port)) or "ready\n" in self.lines:
                return
            time.sleep(0.05)
        raise AssertionError(f"never ready: {self.told()}")

    def told(self) -> tuple[list[str], list[str]]:
        """What it wrote, without what bpexporter said."""
        self.errors.seek(0)
        errors = [line for line in self.errors.read().splitlines() if not line.startswith("bpexporter: ")]
        return [plain(line, self.port) for line in self.lines], [plain(line, self.port) for line in errors]

    def end(self) -> int:
        """End it as its users do; its exit code."""
        self.process.send_signal(self.program.ends_by)
        try:
            return self.process.wait(30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)  # its workers, where it was killed itself
            self.process.wait(10)
            self.reader.join(10)


def plain(line: str, port: int) -> str:
    """A line without what differs between any two runs: times, process ids, ports, addresses."""
    line = line.replace(str(port), "PORT")
    return re.sub(r"0x[0-9a-f]+|\d{2,}[\d:.,+-]*|\[\d+\]", "N", line)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def asking(program: Program, port: int) -> Iterator[None]:
    """Clients that ask, and read nothing."""
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(program.clients if program.request else 0)]
    for client in clients:
        client.sendall(program.request)
    try:
        yield
    finally:
        for client in clients:
            client.close()


def shown(page: int, metric: str) -> dict[str, float]:
    """The samples of a metric that are over 0, by the name of the resource."""
    try:
        text = urllib.request.urlopen(f"http://127.0.0.1:{page}/metrics", timeout=5).read().decode()
    except OSError:
        return {}
    found = re.findall(rf'^{metric}\{{\w+="([^"]*)"\}} (\S+)$', text, re.MULTILINE)
    return {name: float(value) for name, value in found if float(value) > 0}


def find(program: Program, port: int, page: int) -> list[str]:
    """The names that back up, once the one that is looked for is among them."""
    wanted, found = program.name.replace("PORT", str(port)), {}
    until = time.monotonic() + 30
    while time.monotonic() < until:
        found = shown(page, program.metric)
        if any(fnmatchcase(name, wanted) for name in found):
            break
        time.sleep(0.2)
    return [name for name in found if fnmatchcase(name, wanted)] or sorted(found)


def run(name: str, environment: dict[str, str], *, page: int = 0) -> dict[str, Any]:
    """Run a program, alone or under `run` with its page at a port; what came of it."""
    port = databases.free_port()
    leg = Leg(name, environment, port=port, page=page)
    found: list[str] = []
    try:
        leg.wait_until_ready()
        with asking(leg.program, port):
            if page:
                found = find(leg.program, port, page)
            else:
                time.sleep(1)  # what it writes at its beginning is written
            if leg.program.ends_by is signal.SIGKILL:
                leg.end()
        code = leg.end()
    except BaseException:
        leg.end()
        raise
    lines, errors = leg.told()
    return {"code": code, "lines": lines, "errors": errors, "found": found, "port": port}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_by_others(name, environment):
    """It writes the same, ends the same, and the page names the place that backs up."""
    program = PROGRAMS[name]
    for module in program.needs:
        if subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False).returncode:
            missing(f"{module} is not installed: pip install {module}")
    alone = run(name, environment)
    watched = run(name, environment, page=databases.free_port())
    wanted = program.name.replace("PORT", str(watched["port"]))
    assert [one for one in watched["found"] if fnmatchcase(one, wanted)], watched["found"]
    assert (watched["code"], watched["lines"]) == (alone["code"], alone["lines"])
    assert program.is_chatty or watched["errors"] == alone["errors"]
