"""The rendering thread: one page at a time, off every event loop.

Who asks for what is being rendered already gets the same bytes. The thread is a daemon of our own,
none of an executor: those are joined at the end of the interpreter, so that a hanging collector hangs it.
"""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Callable, Hashable
from contextlib import suppress
from queue import SimpleQueue
from typing import Any

# As many as there may be connections; only a mounted endpoint, whose connections are the host's, meets it.
MAX_PENDING = 64
JOIN_SECONDS = 2.0
NAME = "bpexporter-render"


class NotRendered(Exception):
    """There is no answer; `status` says why in HTTP's words."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Job:
    """One rendering and who waits for it."""

    __slots__ = ("key", "waiters", "work")

    def __init__(self, key: Hashable, work: Callable[[], bytes]) -> None:
        self.key = key
        self.work = work
        self.waiters: list[asyncio.Future[bytes]] = []


def describe(error: BaseException) -> str:
    """`error` in one line; its text may be the host's, and may fail."""
    try:
        return f"{type(error).__name__}: {str(error)!r}"[:300]
    except Exception:
        return type(error).__name__


def settle(waiter: asyncio.Future[bytes], body: bytes, error: str | None) -> None:
    """Give `waiter` its answer, unless it has gone."""
    if waiter.done():
        return
    if error is None:
        waiter.set_result(body)
    else:
        waiter.set_exception(NotRendered(500, error))


class Worker:
    """A daemon thread that renders, started when first asked; may be asked from several loops."""

    def __init__(self) -> None:
        self.reset()
        workers.add(self)

    def reset(self) -> None:
        """Begin anew without thread or jobs, as a forked child must."""
        self._lock = threading.Lock()
        self._jobs: dict[Hashable, Job] = {}
        self._queue: SimpleQueue[Job | None] = SimpleQueue()
        self.thread: threading.Thread | None = None

    def open(self) -> None:
        """Start the thread, unless it runs."""
        with self._lock:
            if self.thread is None:
                thread = threading.Thread(target=self._run, args=(self._queue,), name=NAME, daemon=True)
                thread.start()
                self.thread = thread

    def release(self) -> threading.Thread | None:
        """Let the thread end after what it does now; it is returned."""
        with self._lock:
            thread, self.thread = self.thread, None
            queue, self._queue = self._queue, SimpleQueue()
            self._jobs = {}
        queue.put(None)
        return thread

    def close(self) -> None:
        """Release the thread and wait for its end, 2 s at most."""
        thread = self.release()
        if thread is not None and thread is not threading.current_thread():
            thread.join(JOIN_SECONDS)

    async def ask(self, key: Hashable, work: Callable[[], bytes]) -> bytes:
        """Returns the result of `work` on the thread, or the one that is on its way to another who asked for `key`."""
        self.open()
        waiter: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        job = self._enlist(key, work, waiter)
        try:
            return await waiter
        finally:
            self._leave(job, waiter)

    def _enlist(self, key: Hashable, work: Callable[[], bytes], waiter: asyncio.Future[bytes]) -> Job:
        with self._lock:
            job = self._jobs.get(key)
            if job is None:
                if len(self._jobs) >= MAX_PENDING:
                    raise NotRendered(503, "too many different pages asked for at a time")
                job = self._jobs[key] = Job(key, work)
            job.waiters.append(waiter)
            if len(job.waiters) == 1:  # the thread skips a job without waiters, so not before it has one
                self._queue.put(job)
        return job

    def _leave(self, job: Job, waiter: asyncio.Future[bytes]) -> None:
        # A client that hangs up while waiting must not leave work behind: a job without waiters is skipped.
        with self._lock:
            if waiter in job.waiters:
                job.waiters.remove(waiter)
                if not job.waiters:
                    self._drop(job)

    def _drop(self, job: Job) -> None:
        if self._jobs.get(job.key) is job:
            del self._jobs[job.key]

    def _run(self, queue: SimpleQueue[Job | None]) -> None:
        while (job := queue.get()) is not None:
            if job.waiters:
                self._do(job)

    def _do(self, job: Job) -> None:
        body, failure = b"", None
        try:
            body = job.work()
        except BaseException as error:  # a host's collector may raise SystemExit: not on this thread
            failure = describe(error)
        with self._lock:
            self._drop(job)
            waiters, job.waiters = job.waiters, []
        for waiter in waiters:
            with suppress(RuntimeError):  # the loop that asked is closed
                waiter.get_loop().call_soon_threadsafe(settle, waiter, body, failure)


# All that has threads which a forked child has not: it resets them.
workers: weakref.WeakSet[Any] = weakref.WeakSet()
