"""Serving the metrics of a program under `bpexporter run`: by a detached process, a sidecar, or in the program."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path

from bpexporter.automatic.children import reaches_children
from bpexporter.automatic.install import install
from bpexporter.automatic.resolving import Foreign
from bpexporter.commands.detached import NotDetached, detach, search_path
from bpexporter.commands.seeing import tell_at_the_end
from bpexporter.commands.wishes import Settings
from bpexporter.commands.words import say
from bpexporter.publishing.publisher import publish, published_by, stop_publishing
from bpexporter.publishing.run_folders import ask_to_leave, idle_server, new_folder, remove
from bpexporter.server.listening import AddressError, bind, url_of
from bpexporter.settings import VARIABLES, from_environment

WATCHED = "queues, streams, limiters and loops"


class CannotServe(Exception):
    """The metrics cannot be served where they should be; `wrong_words` where the call makes no sense."""

    def __init__(self, reason: str, *, wrong_words: bool = False) -> None:
        super().__init__(reason)
        self.wrong_words = wrong_words


def begin(settings: Settings) -> None:
    """Watch what the program is about to make, have it served, and say so in one line. Raises `CannotServe`."""
    told = from_environment("dir")
    if told:
        where = publish_there(told)
    else:
        sock, taken = listening(settings)
        where = taken + served(settings, sock)
    install(allow=settings.allow, deny=settings.deny)
    say(f"watching {WATCHED}{_of_children(settings, told)}; {where}")


def _of_children(settings: Settings, told: str) -> str:
    if settings.in_process or not settings.children:
        return ""
    return ", its child processes' too" if reaches_children() else " (not its child processes')"


def publish_there(folder: str) -> str:
    """Publish where a sidecar looks; what is to be said of it."""
    try:
        publisher = publish(folder)
    except (OSError, ValueError) as error:
        raise CannotServe(f"{VARIABLES['dir']}: {error}") from error
    publisher.publish()
    tell_at_the_end(publisher.folder)
    return f"the metrics of this program are published in {publisher.folder}"


# The address ----------------------------------------------------------------------------------------------


def listening(settings: Settings) -> tuple[socket.socket, str]:
    """A socket on the address that is asked for, or on another port, and what is to be said of that."""
    host, port = settings.host, settings.port
    try:
        return bound(host, port), ""
    except AddressError as error:
        raise CannotServe(str(error), wrong_words=True) from error
    except OSError as error:
        if error.errno != errno.EADDRINUSE or settings.strict_port:
            raise CannotServe(str(error)) from error
    try:
        return bind(host, 0), f"port {port} is taken, so "
    except OSError as error:
        raise CannotServe(str(error)) from error


def bound(host: str, port: int) -> socket.socket:
    """A socket on this address; a server of ours that has nobody left to serve gives it up."""
    try:
        return bind(host, port)
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        try:
            folder = idle_server(port)
        except OSError:
            folder = None
        if folder is None or not ask_to_leave(folder):
            raise
    return bind(host, port)


# The server -----------------------------------------------------------------------------------------------


def served(settings: Settings, sock: socket.socket) -> str:
    """Have the metrics served from `sock`; what is to be said of it."""
    url = url_of(settings.host, sock.getsockname()[1], secure=is_secure(settings))
    if settings.in_process or not detached(settings, sock):
        serve_here(settings, sock)
    return f"the metrics of this program are at {url}"


def is_secure(settings: Settings) -> bool:
    """Returns whether TLS is served; told by what the file says, which is checked in a process of its own."""
    if settings.web_config is None:
        return False
    code = "import sys; from bpexporter.server.door import read_web_config; print(read_web_config(sys.argv[1]).tls)"
    path = {"PYTHONPATH": os.pathsep.join(search_path())}
    command = [sys.executable, "-c", code, settings.web_config]
    done = subprocess.run(command, env={**os.environ, **path}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CannotServe(done.stderr.strip().rpartition("\n")[2], wrong_words=True)
    return done.stdout.strip() != "None"


def detached(settings: Settings, sock: socket.socket) -> bool:
    """Start the server and publish for it; whether that could be."""
    try:
        folder = new_folder()
    except OSError:
        return False
    try:
        publisher = publish(folder)
        publisher.publish()  # from now on the server knows of us, whether or not anything is ever watched
        detach(sock, folder, settings.host, web_config=settings.web_config)
    except (NotDetached, OSError):
        forget(folder)
        return False
    sock.close()
    tell_at_the_end(folder)
    if settings.children:
        os.environ[VARIABLES["dir"]] = str(folder)
        for name, given in (("allow", settings.allow), ("deny", settings.deny)):
            if given is not None:
                os.environ[VARIABLES[name]] = given
    return True


def forget(folder: Path) -> None:
    """Publish no more, and leave nothing behind."""
    stop_publishing()
    remove(folder)


def serve_here(settings: Settings, sock: socket.socket) -> None:
    """Serve on a thread of this process, which then loads aiohttp."""
    from bpexporter.server.endpoint import start

    port = sock.getsockname()[1]
    sock.close()
    try:
        start(settings.host, port, web_config=settings.web_config)
    except (OSError, ValueError) as error:
        raise CannotServe(str(error)) from error
    tell_at_the_end(None)


def execute(command: Foreign) -> None:
    """Put a program that is none of this Python's in the place of this process; the Pythons that it starts are seen."""
    publisher = published_by()
    if publisher is not None:
        publisher.hand_over()
    os.execv(command.path, command.words)
