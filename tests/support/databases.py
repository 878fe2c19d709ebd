"""A Redis and a PostgreSQL of the test's own, on loopback, with a folder that goes with them."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from needs import missing, needs

POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def free_port() -> int:
    """A port of loopback that nobody holds."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_for(port: int, process: subprocess.Popen[Any]) -> None:
    """Wait until somebody listens at `port`; it is an error where `process` ends before."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert process.poll() is None, f"{process.args} ended with {process.returncode}"
        with socket.socket() as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError(f"nobody listens at {port}")


@contextmanager
def ended(process: subprocess.Popen[Any]) -> Iterator[None]:
    """Ends the process, by its id, whatever comes."""
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def redis() -> Iterator[str]:
    """The address of a Redis."""
    program, port = needs("redis-server"), free_port()
    with tempfile.TemporaryDirectory() as folder:
        settings = ("--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder)
        process = subprocess.Popen([program, *settings], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with ended(process):
            wait_for(port, process)
            yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL; as root it runs under the account of its package, for it refuses to be root's."""
    if not POSTGRES:
        missing("postgres is not installed: apt-get install postgresql")
    account: dict[str, Any] = {"user": "postgres", "group": "postgres"} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp())
    try:
        if account:
            known = pwd.getpwnam("postgres")
            os.chown(folder, known.pw_uid, known.pw_gid)
        data, port = folder / "data", free_port()
        common: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **account}
        made = [POSTGRES[-1] / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-N", "-E", "UTF8"]
        subprocess.run(made, check=True, timeout=60, env={**os.environ, "LC_ALL": "C"}, **common)
        command = [POSTGRES[-1] / "postgres", "-D", data, "-h", "127.0.0.1", "-p", str(port), "-k", folder, "-F"]
        process = subprocess.Popen(command, **common)
        with ended(process):
            wait_for(port, process)
            yield f"postgresql://postgres@127.0.0.1:{port}/postgres"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
