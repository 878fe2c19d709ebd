"""A slow client of each server that people use shows under `install()`, without a line of code."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from needs import missing

TESTS = Path(__file__).parents[1]

SHOWN = {
    "uvicorn": "uvicorn.HttpToolsProtocol:PORT",
    "uvicorn, h11": "uvicorn.H11Protocol:PORT",
    "uvicorn, uvloop": "uvicorn.HttpToolsProtocol:PORT",
    "uvicorn, websocket": "uvicorn.HttpToolsProtocol:PORT",
    "hypercorn": "hypercorn.asyncio.run.worker_serve._server_callback:writer",
    "aiohttp": "aiohttp.RequestHandler:PORT",
    "websockets": "websockets.ServerConnection:PORT",
    "sanic": "sanic.HttpProtocol:PORT",
    "asyncssh": "asyncssh.SSHServerConnection:PORT",
}

NEEDED = {
    "uvicorn": ("uvicorn", "httptools"),
    "uvicorn, h11": ("uvicorn", "h11"),
    "uvicorn, uvloop": ("uvicorn", "httptools", "uvloop"),
    "uvicorn, websocket": ("uvicorn", "httptools", "websockets"),
    "hypercorn": ("hypercorn",),
    "aiohttp": ("aiohttp",),
    "websockets": ("websockets",),
    "sanic": ("sanic",),
    "asyncssh": ("asyncssh",),
}


@pytest.mark.parametrize("server", SHOWN)
def test_a_slow_client(server):
    """The stream that pauses is the server's, by its name, and over its mark."""
    for library in NEEDED[server]:
        if importlib.util.find_spec(library) is None:
            missing(f"{library} is not installed: pip install {library}")
    command = [sys.executable, "-m", "programs.slow_client", server]
    env = {**os.environ, "BPEXPORTER_RAISE": "1"}
    done = subprocess.run(command, cwd=TESTS, env=env, capture_output=True, text=True, timeout=60, check=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert list(found) == [SHOWN[server]]
    assert found[SHOWN[server]] >= 1
