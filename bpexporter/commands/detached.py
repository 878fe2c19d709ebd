"""The server of a program under `bpexporter run`: a process of its own, detached before the program is loaded.

It gets the listening socket and nothing else of the program's: whoever reads the program's output, waits for its end,
or sends signals to its group meets nothing of ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from bpexporter.publishing.run_folders import LEAVE, record, remove

# The descriptors that the server has besides the standard ones.
SOCKET, RECORD = 3, 4
# Seconds that it goes on after the last process that it serves has gone.
ALONE = 5.0
BOOT = (
    "import json, sys; given = json.loads(sys.argv[1]); sys.path[:] = given['path']; "
    "from bpexporter.commands.detached import serve; serve(given)"
)


class NotDetached(Exception):
    """The server would be a child of this process, or no process can be started."""


def detach(sock: socket.socket, folder: Path, host: str, *, web_config: str | None = None) -> None:
    """Start the server of `folder` with the listening `sock`. Raises `NotDetached`, with nothing left behind."""
    if os.getpid() == 1 or not sys.executable or not hasattr(os, "fork"):
        raise NotDetached
    port = sock.getsockname()[1]
    held = record(folder, port)
    told, tell = os.pipe()
    try:
        given = {"dir": str(folder), "host": host, "port": port, "path": search_path(), "web": web_config}
        child = os.fork()
        if not child:
            _in_between(sock.fileno(), held, tell, given)
        os.close(tell)
        tell = -1
        os.waitpid(child, 0)
        if os.read(told, 1) != b"k":
            _reap()
            raise NotDetached
    except OSError as error:
        raise NotDetached from error
    finally:
        for fd in (held, told, tell):
            if fd >= 0:
                os.close(fd)


def search_path() -> list[str]:
    """Returns the folders in which modules are found, in the order in which ours were, without the program's own."""
    return [*sys.path, str(Path(__file__).parents[2])]


def _reap() -> None:
    """Meet the server that would have been a child of ours: it has ended."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(-1, 0)


def _in_between(sock: int, held: int, tell: int, given: dict[str, Any]) -> None:
    """In the first child: begin a session, and leave the server to whoever takes in orphans."""
    try:
        os.setsid()
        first, program = os.getpid(), os.getppid()
        if os.fork():
            os._exit(0)
        while os.getppid() == first:
            time.sleep(0.0002)
        if os.getppid() != program:
            _become_server(sock, held, tell, given)
    finally:
        os._exit(1)


def _become_server(sock: int, held: int, tell: int, given: dict[str, Any]) -> None:
    """In the second child: keep the socket and the record, forget all else of the program, and begin anew."""
    os.chdir("/")
    null = os.open(os.devnull, os.O_RDWR)
    kept = [fcntl.fcntl(fd, fcntl.F_DUPFD, 2 * RECORD) for fd in (sock, held)]
    with contextlib.suppress(BrokenPipeError):  # the program was killed meanwhile: we end soon, and tidy up
        os.write(tell, b"k")
    for number in signal.valid_signals():  # only now, for SIGPIPE is ignored until here
        with contextlib.suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    for fd, place in zip(kept, (SOCKET, RECORD), strict=True):
        os.dup2(fd, place)
    os.closerange(RECORD + 1, os.sysconf("SC_OPEN_MAX"))
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("BPEXPORTER_", "PYTHON"))}
    os.execve(sys.executable, [sys.executable, "-I", "-c", BOOT, json.dumps(given)], ours)


def serve(given: dict[str, Any]) -> None:
    """In the server: serve until nobody is left for a while, or somebody asks for the address; then tidy up."""
    from bpexporter.server.door import OPEN, read_web_config
    from bpexporter.server.sidecar import Sidecar

    folder = Path(given["dir"])
    sock = socket.socket(fileno=SOCKET)
    sock.setblocking(False)
    os.set_inheritable(RECORD, False)
    os.set_inheritable(SOCKET, False)
    door = read_web_config(given["web"]) if given["web"] else OPEN
    sidecar = Sidecar(folder, given["host"], given["port"], sock=sock, door=door)
    signal.signal(signal.SIGTERM, lambda *_: sidecar.stop())
    try:
        sidecar.serve(alone=ALONE, leave=folder / LEAVE)
    finally:
        remove(folder)
