"""`publish()`: what this process has read of itself, put where a sidecar finds it, once a second and at the end."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bpexporter.automatic.unseen import unseen
from bpexporter.faults import faults
from bpexporter.hub import beginnings
from bpexporter.hub.hub import Hub, checked_hub
from bpexporter.primitives.public import public
from bpexporter.primitives.threads import own_thread
from bpexporter.publishing.format import doubles_of, names_of
from bpexporter.publishing.own_file import Lost, OwnFile, made_folder
from bpexporter.publishing.rows import Rows, rows_of, since

# Seconds: until the first publication, between two, and at most. The share of a core that they may take.
FIRST, USUAL, LONGEST = 0.1, 1.0, 5.0
SHARE = 0.005
# A file that is lost is begun anew, so often in a row.
ATTEMPTS = 3
# A thread that stands still must hold up neither the end of a process nor a fork.
PATIENCE = 1.0


def paced(cost: float) -> float:
    """Seconds until the next publication, where the last one took `cost` seconds of the processor."""
    return min(LONGEST, max(USUAL, cost / SHARE))


@public
class Publisher:
    """The publisher of this process's readings, from the first object that is watched on."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self.folder = folder
        self._hub = hub
        self._began = time.monotonic()
        self._file = OwnFile(folder)
        self._base: Rows = {}  # counts that were published under another ID, and are counted there
        self._published: Rows = {}  # the last that was, from the beginning on
        self._named: tuple[Any, bytes] = None, b""
        self._start()

    def _start(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<bpexporter.Publisher {self.folder}>"

    # Publishing ---------------------------------------------------------------------------------------

    def publish(self, *, ended: bool = False) -> None:
        """Publish what is read now. Errors are counted, and logged once."""
        if self._pid != os.getpid():  # forked by what tells Python nothing: the file is the parent's
            return
        try:
            rows = rows_of(self._hub.snapshot(), lambda error: faults.swallow(error, "publishing a reading"))
            if self._lock.acquire(timeout=PATIENCE):
                try:
                    self._write(rows, ended=ended)
                finally:
                    self._lock.release()
        except OSError as error:
            faults.tell(f"publishing: {error.errno}", "bpexporter cannot publish in %s: %r", self.folder, error)
        except Exception as error:
            faults.swallow(error, "publishing")

    def _write(self, rows: Rows, *, ended: bool) -> None:
        for _ in range(ATTEMPTS):
            own = {key: since(row, self._base[key]) if key in self._base else row for key, row in rows.items()}
            try:
                self._file.write(self._names(own), doubles_of(own), at=time.monotonic(), ended=ended)
            except Lost:  # what stood there is counted, or will be, without us
                self._file.close()
                self._file, self._base = OwnFile(self.folder), self._published
            else:
                self._published = rows
                return

    def _names(self, rows: Rows) -> bytes:
        about = about_process(self._began)
        named = about, [(key, layout) for key, (layout, _numbers) in rows.items()]
        if named != self._named[0]:
            self._named = named, names_of(rows, about)
        return self._named[1]

    # Life ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Publish from now on, on a daemon thread, and at the end of the process."""
        if self._thread is None and not self._over.is_set():
            self._thread = threading.Thread(target=self._run, name="bpexporter-publish", daemon=True)
            self._thread.start()
            self._end_with_multiprocessing()

    def _run(self) -> None:
        over, wait = self._over, FIRST
        with own_thread():
            while not over.wait(wait):
                begun = time.thread_time()
                self.publish()
                wait = paced(time.thread_time() - begun)

    def end(self) -> None:
        """Publish for the last time. The file stays locked until the process is gone."""
        begun = self._thread is not None or self._file.sequence > 0
        if begun and self._pid == os.getpid():
            self._over.set()
            self.publish(ended=True)

    def hand_over(self) -> None:
        """Publish for the last time, and hold the file for the program that is to be executed in this process."""
        self.end()
        self._file.keep_through_exec()

    def stop(self) -> None:
        """Publish for the last time, and let go of the file."""
        self.end()
        self._over.set()
        with contextlib.suppress(ValueError):
            beginnings.waiting.remove(self.begin)
        if self._pid == os.getpid():
            self._file.close()

    def _end_with_multiprocessing(self) -> None:
        """Processes of multiprocessing end without `atexit`, but through finalizers of their own."""
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None:
            util.Finalize(None, self.end, exitpriority=-100)

    # Forks --------------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Let no fork come between a file that is made and the note of its descriptor."""
        self._held = self._lock.acquire(timeout=PATIENCE)

    def in_parent(self) -> None:
        """Go on as before."""
        if self._held:
            self._lock.release()

    def in_child(self) -> None:
        """Begin anew, with a file of its own: the child counts from zero."""
        began = self._thread is not None
        self._file.close()
        self._file, self._base, self._published = OwnFile(self.folder), {}, {}
        self._began = time.monotonic()
        self._named = None, b""
        self._start()
        util: Any = sys.modules.get("multiprocessing.util")
        if util is not None:  # it is about to forget the finalizers, and to call these
            util.register_after_fork(self, Publisher._end_with_multiprocessing)
        if began:
            self.begin()


def about_process(began: float) -> dict[str, Any]:
    """Returns the process's account of itself, as it is now: its program without arguments, which may hold secrets."""
    words = getattr(sys, "orig_argv", None) or sys.argv
    program = Path(next((word for word in sys.argv[:1] if word), words[0] if words else ""))
    if program.name == "__main__.py":  # a package that is run by its name
        program = program.parent
    return {"pid": os.getpid(), "program": program.name[:100], "began": began, "unseen": unseen()}


# The publisher of the process -----------------------------------------------------------------------------------

_current: Publisher | None = None
_hooked = False


def publish(dir: str | os.PathLike[str], *, hub: Hub | None = None) -> Publisher:
    """Publish the readings of this process in the folder `dir`, for ``bpexporter sidecar --dir DIR`` to serve.

    Once a second from the first watched object on, less often where that takes over 0.5 % of a core, and at the end of
    the process; on a daemon thread, without a socket. Forked children do the same. `dir` is made where it is missing;
    it must be on a local file system and belong to one user. Called again with the same folder it changes nothing, with
    another one it goes on there. ``BPEXPORTER_DIR`` in the environment does the same for each process that imports
    bpexporter.

    Raises ``TypeError`` for what is no path, ``ValueError`` for an empty one, and ``OSError`` where the folder cannot
    be made or belongs to another user.
    """
    global _current
    folder = checked_folder(dir)
    chosen = checked_hub(hub)
    made_folder(folder)
    if _current is not None and _current._pid == os.getpid():
        if (_current.folder, _current._hub) == (folder, chosen) and not _current._over.is_set():
            return _current
        _current.stop()
    _current = Publisher(folder, chosen)
    _hook()
    chosen.snapshot()  # loads what a reading needs: at the end of a process that would change its exit code (3.13)
    beginnings.on_first_watched(_current.begin)
    return _current


def checked_folder(dir: object) -> Path:
    """`dir` as an absolute path. Raises ``TypeError`` for what is no path, ``ValueError`` for an empty one."""
    if not isinstance(dir, (str, os.PathLike)):
        raise TypeError(f"dir must be a path, not {type(dir).__name__}")
    text = os.fspath(dir)
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ValueError(f"dir must be a path that is not empty, not {text!r}")
    return Path(text).absolute()


def publish_as_told(folder: str) -> None:
    """Publish in the folder that the environment names; where that cannot be, it is told and nothing else."""
    try:
        publish(folder)
    except (OSError, ValueError) as error:
        faults.tell("BPEXPORTER_DIR", "bpexporter cannot publish in BPEXPORTER_DIR: %r", error)


def stop_publishing() -> None:
    """Publish no more: what serves the readings of others has none of its own."""
    global _current
    if _current is not None:
        _current.stop()
        _current = None


def published_by() -> Publisher | None:
    """The publisher of this process, where there is one."""
    return _current


def _hook() -> None:
    global _hooked
    if not _hooked:
        _hooked = True
        atexit.register(_told("end"))
        if hasattr(os, "register_at_fork"):
            before, parent, child = map(_told, ("before_fork", "in_parent", "in_child"))
            os.register_at_fork(before=before, after_in_parent=parent, after_in_child=child)


def _told(name: str) -> Callable[[], None]:
    """Returns a function that tells the publisher of the process, whichever it is by then."""

    def tell() -> None:
        if _current is not None:
            try:
                getattr(_current, name)()
            except Exception as error:
                faults.swallow(error, "publishing")

    return tell
