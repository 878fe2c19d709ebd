"""Begins to watch a Python process that was started by a program under `bpexporter run`.

Lies beside the package, not in it: the interpreter loads it at its start (by a line of `bpexporter.pth`; from 3.15 on
by `bpexporter.start`), and a process without asyncio is to load nothing else of ours. So it imports nothing but what
every interpreter has loaded by then, and does nothing before the program imports asyncio.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # typing takes longer to load than all that is done here
if TYPE_CHECKING:
    from typing import Any

# The interpreter may meet the folder of an installation twice.
_begun: list[bool] = []


def begin() -> None:
    """Watch this process from the moment on at which it imports asyncio, where BPEXPORTER_DIR is set."""
    if not _begun and os.environ.get("BPEXPORTER_DIR") and is_main_interpreter():
        _begun.append(True)
        if "asyncio" in sys.modules:
            watch()
        else:
            sys.meta_path.insert(0, Waiting())


def is_main_interpreter() -> bool:
    """Whether this is no subinterpreter: those have no asyncio of the program's, and no end of their own."""
    for name in ("_interpreters", "_xxsubinterpreters"):
        try:
            module: Any = __import__(name)
        except ImportError:
            continue
        return bool(_plain(module.get_current()) == _plain(module.get_main()))
    return True


def _plain(ident: Any) -> Any:
    return ident[0] if isinstance(ident, tuple) else ident


class Waiting:
    """A finder that finds nothing: it notices that asyncio is looked for, and goes away."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Nothing, but for asyncio what the others find, which begins the watching once it is loaded."""
        if name != "asyncio":
            return None
        sys.meta_path.remove(self)
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                _watch_when_loaded(spec.loader)
                return spec
        return None


def _watch_when_loaded(loader: Any) -> None:
    load = loader.exec_module

    def loaded(module: Any) -> None:
        del loader.exec_module
        load(module)
        watch()

    loader.exec_module = loaded


def watch() -> None:
    """Watch what is made from now on; `import bpexporter` publishes, since BPEXPORTER_DIR says so."""
    try:
        import warnings

        from bpexporter.automatic.install import install

        install()
        # Python tells a program that forks of threads: they are ours.
        warnings.filterwarnings("ignore", r"This process .*multi-threaded, use of fork", DeprecationWarning)
    except Exception:
        if os.environ.get("BPEXPORTER_RAISE") == "1":
            raise
