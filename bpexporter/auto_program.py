"""Runs a program in this process as the interpreter would run it alone. Floor 5.

What is left is what a debugger leaves as well: modules that are loaded already, and frames of ours below the
program's own, which no traceback shows.
"""

from __future__ import annotations

import importlib.machinery
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any


def prepared(words: Sequence[str]) -> Callable[[], None]:
    """What runs ``script.py arguments``, a folder or archive with a ``__main__``, or ``-m module arguments``.

    It ends as the program does: by returning, by ``SystemExit``, or by the exception that nobody caught, whose
    traceback then begins in the program. Raises ``OSError`` where there is no such file.
    """
    first, *arguments = words

    def run() -> None:
        try:
            begin()
        except SystemExit:
            raise
        except BaseException:
            _shorten_traceback()
            raise

    begin = prepared_module(first, arguments) if first.startswith("-m") else prepared_script(first, arguments)
    return run


def prepared_module(first: str, arguments: list[str]) -> Callable[[], Any]:
    """What runs ``-m module``, as ``python -m`` does it."""
    name, *arguments = [first[2:], *arguments] if first != "-m" else arguments
    as_main(ModuleType("__main__"))
    sys.argv[:] = ["-m", *arguments]
    search_first(str(Path.cwd()))
    run: Callable[[str], Any] = runpy._run_module_as_main  # type: ignore[attr-defined]
    return lambda: run(name)


def prepared_script(script: str, arguments: list[str]) -> Callable[[], Any]:
    """What runs a file, a folder or an archive."""
    # as the interpreter makes it: "./" and ".." stay
    full = script if Path(script).is_absolute() else f"{Path.cwd()}/{script}"
    path = Path(full)
    if not path.is_dir() and not is_archive(script):
        path.open("rb").close()  # where there is no such file, nothing is changed
        sys.argv[:] = [script, *arguments]
        search_first(str(path.resolve().parent))
        main = main_module(full)
        as_main(main)
        return lambda: exec(compiled(path, full), main.__dict__)
    sys.argv[:] = [script, *arguments]
    search_first(full, always=True)
    as_main(ModuleType("__main__"))
    run: Callable[..., Any] = runpy._run_module_as_main  # type: ignore[attr-defined]
    return lambda: run("__main__", False)


def is_archive(script: str) -> bool:
    """Whether `script` is a zip file that can be run."""
    return any(script.endswith(end) for end in (".zip", ".pyz", ".egg"))


def compiled(path: Path, name: str) -> CodeType:
    """The code of a script; what is compiled already is read as such."""
    if path.suffix == ".pyc":
        code = importlib.machinery.SourcelessFileLoader("__main__", str(path)).get_code("__main__")
        assert code is not None
        return code
    return compile(path.read_bytes(), name, "exec", dont_inherit=True)


def main_module(path: str) -> ModuleType:
    """A module as ``__main__`` is where a script is run."""
    module = ModuleType("__main__")
    module.__dict__.update(
        __builtins__=sys.modules["builtins"],
        __cached__=None,
        __file__=path,
        __loader__=importlib.machinery.SourceFileLoader("__main__", path),
        __annotations__={},
    )
    return module


def as_main(module: ModuleType) -> None:
    """`module` is the program's ``__main__``; whoever imports or pickles finds it there."""
    sys.modules["__main__"] = module


def search_first(folder: str, *, always: bool = False) -> None:
    """`folder` takes the place that our own command has at the beginning of ``sys.path``."""
    if not sys.flags.safe_path:
        sys.path[0] = folder
    elif always:
        sys.path.insert(0, folder)


# Tracebacks -----------------------------------------------------------------------------------------------


def _shorten_traceback() -> None:
    """Let the interpreter, which is about to report what was not caught, leave our frames out of it.

    Nothing but the report is changed: exit code, signals and the program's own ``sys.excepthook`` are as ever.
    """
    report = sys.excepthook

    def shortened(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        sys.excepthook = report
        rest = beyond_ours(traceback)
        error.__traceback__ = rest
        report(kind, error, rest)

    sys.excepthook = shortened


def beyond_ours(traceback: TracebackType | None) -> TracebackType | None:
    """`traceback` from the program on."""
    rest = traceback
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == __file__:
            rest = traceback.tb_next
        traceback = traceback.tb_next
    return rest
