"""The folders of programs under `bpexporter run`: where they are, and who serves them.

Each has a file with the address that is served, locked by the server for life. Whoever wants that address asks the
server to leave, by a file, since a pid may be another's in another container.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import time
from collections.abc import Iterator
from pathlib import Path

from bpexporter.publishing.format import Unreadable
from bpexporter.publishing.own_file import PROCESSES
from bpexporter.publishing.reading import is_locked, opened

SERVER, LEAVE = "server", "leave"
NAME = "bpexporter"
# Seconds: how long a server may take to leave, and until a folder that nobody serves is taken away.
PATIENCE, FORGOTTEN = 3.0, 60.0


def home() -> Path:
    """The folder of this user's programs, made where it is missing. Raises ``OSError`` where there is no place."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    wanted = [Path(runtime, NAME)] if runtime else []
    wanted += [Path(place, f"{NAME}-{os.geteuid()}") for place in ("/dev/shm", os.environ.get("TMPDIR") or "/tmp")]
    for path in wanted:
        with contextlib.suppress(OSError):
            path.mkdir(mode=0o700, exist_ok=True)
            if _is_ours(path):
                return path
    raise PermissionError(f"none of {', '.join(map(str, wanted))} can be a folder of this user alone")


def _is_ours(path: Path) -> bool:
    found = path.lstat()
    alone = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
    return alone and found.st_uid == os.geteuid() and os.access(path, os.W_OK | os.X_OK)


def new_folder() -> Path:
    """A folder for one program and its children."""
    place = home()
    tidy(place)
    folder = place / f"run-{os.urandom(6).hex()}"
    folder.mkdir(mode=0o700)
    return folder


def record(folder: Path, port: int) -> int:
    """Note in `folder` which port is served there; a locked descriptor, for the server to hold."""
    fd = os.open(folder / SERVER, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    is_locked(fd)
    os.write(fd, json.dumps({"port": port}).encode())
    return fd


def idle_server(port: int) -> Path | None:
    """The folder whose server holds this port, where none of its processes lives any more."""
    for folder in _folders(home()):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            said = json.loads((folder / SERVER).read_text())
            if said.get("port") == port and _is_held(folder / SERVER) and not is_alive(folder):
                return folder
    return None


def ask_to_leave(folder: Path) -> bool:
    """Ask the server of `folder` to end; whether it has."""
    (folder / LEAVE).touch(mode=0o600)
    until = time.monotonic() + PATIENCE
    while _is_held(folder / SERVER) and time.monotonic() < until:
        time.sleep(0.02)
    return not _is_held(folder / SERVER)


def is_alive(folder: Path) -> bool:
    """Returns whether a process that publishes in `folder` lives."""
    with contextlib.suppress(OSError):
        return any(_is_held(path) for path in (folder / PROCESSES).iterdir())
    return False


def _is_held(path: Path) -> bool:
    try:
        fd = opened(path)
    except (OSError, Unreadable):
        return False
    try:
        return is_locked(fd)
    finally:
        os.close(fd)


def _folders(place: Path) -> Iterator[Path]:
    with contextlib.suppress(OSError):
        yield from (path for path in place.iterdir() if path.name.startswith("run-"))


def tidy(place: Path) -> None:
    """Take away the folders of servers that were killed."""
    for folder in _folders(place):
        with contextlib.suppress(OSError):
            old = time.time() - folder.stat().st_mtime > FORGOTTEN
            if old and not _is_held(folder / SERVER) and not is_alive(folder):
                remove(folder)


def remove(folder: Path) -> None:
    """Take away the folder of a program."""
    import shutil  # loads much that the program may not want

    shutil.rmtree(folder, ignore_errors=True)
