"""Runs a program in this process as the interpreter would run it alone.

What is left is what a debugger leaves as well: modules that are loaded already, and frames of ours below the
program's own, which no traceback shows.
"""

from __future__ import annotations

import importlib.machinery
import pkgutil
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

# Modules there before the interpreter looks for a program that are neither built in nor frozen, and we ourselves.
STAYING = {"__main__", "encodings", "importlib", __name__.partition(".")[0]}


def prepared(words: Sequence[str]) -> Callable[[], None]:
    """Returns what runs ``script.py arguments``, a folder or archive with a ``__main__``, or ``-m module arguments``.

    It ends as the program does: by returning, by ``SystemExit``, or by the exception that nobody caught, whose
    traceback then begins in the program. Raises ``OSError`` where there is no such file.
    """
    first, *arguments = words

    def run() -> None:
        let_go(sys.path[0])
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
    """Returns a function that runs ``-m module``, as ``python -m`` does it."""
    name, *arguments = [first[2:], *arguments] if first != "-m" else arguments
    as_main(ModuleType("__main__"))
    sys.argv[:] = ["-m", *arguments]
    search_first(str(Path.cwd()))
    run: Callable[[str], Any] = runpy._run_module_as_main  # type: ignore[attr-defined]
    return lambda: run(name)


def prepared_script(script: str, arguments: list[str]) -> Callable[[], Any]:
    """Returns a function that runs a file, a folder or an archive, or what stdin says."""
    if script == "-":
        return prepared_input(arguments)
    # as the interpreter makes it: "./" and ".." stay
    full = script if Path(script).is_absolute() else f"{Path.cwd()}/{script}"
    path = Path(full)
    if pkgutil.get_importer(full) is None:  # neither a folder nor an archive, whatever its name
        path.open("rb").close()  # where there is no such file, nothing is changed
        sys.argv[:] = [script, *arguments]
        search_first(str(path.resolve().parent))
        main = main_module(full, importlib.machinery.SourceFileLoader("__main__", full))
        as_main(main)
        return lambda: exec(compiled(path, full), main.__dict__)
    sys.argv[:] = [script, *arguments]
    search_first(full, always=True)
    as_main(ModuleType("__main__"))
    run: Callable[..., Any] = runpy._run_module_as_main  # type: ignore[attr-defined]
    return lambda: run("__main__", False)


def prepared_input(arguments: list[str]) -> Callable[[], Any]:
    """Returns a function that runs the program that stdin says."""
    sys.argv[:] = ["-", *arguments]
    search_first("")
    main = main_module("<stdin>", importlib.machinery.BuiltinImporter)
    as_main(main)
    return lambda: exec(compile(sys.stdin.buffer.read(), "<stdin>", "exec", dont_inherit=True), main.__dict__)


def compiled(path: Path, name: str) -> CodeType:
    """The code of a script; what is compiled already is read as such."""
    if path.suffix == ".pyc":
        code = importlib.machinery.SourcelessFileLoader("__main__", str(path)).get_code("__main__")
        assert code is not None
        return code
    return compile(path.read_bytes(), name, "exec", dont_inherit=True)


def main_module(path: str, loader: Any) -> ModuleType:
    """A module as ``__main__`` is where a script is run."""
    module = ModuleType("__main__")
    module.__dict__.update(__builtins__=sys.modules["builtins"], __file__=path, __loader__=loader)
    if sys.version_info < (3, 15):  # from then on a script has no such name
        module.__dict__.update(__cached__=None)
    if sys.version_info < (3, 14):  # from then on they are made when they are asked for
        module.__dict__.update(__annotations__={})
    return module


def as_main(module: ModuleType) -> None:
    """`module` is the program's ``__main__``; whoever imports or pickles finds it there."""
    sys.modules["__main__"] = module


# Where modules are found ----------------------------------------------------------------------------------


def search_first(folder: str, *, always: bool = False) -> None:
    """`folder` takes the place that our own command has at the beginning of ``sys.path``."""
    if not sys.flags.safe_path:
        sys.path[0] = folder
    elif always:
        sys.path.insert(0, folder)


def let_go(folder: str) -> None:
    """Leave to the program the names of modules of its own which we have loaded from elsewhere: its ``calendar.py``."""
    for name in [one for one in sys.modules if "." not in one and not is_staying(one)]:
        own = importlib.machinery.PathFinder.find_spec(name, [folder or str(Path.cwd())])
        file = getattr(sys.modules[name], "__file__", None)
        if own is None or own.origin is None or (file and Path(file).resolve() == Path(own.origin).resolve()):
            continue
        for loaded in [one for one in sys.modules if one == name or one.startswith(f"{name}.")]:
            del sys.modules[loaded]


def is_staying(name: str) -> bool:
    """Returns whether a module is ours, or one that the interpreter has before it looks for a program."""
    if name in STAYING or name in sys.builtin_module_names:
        return True
    return importlib.machinery.FrozenImporter.find_spec(name) is not None


# Tracebacks -----------------------------------------------------------------------------------------------


def _shorten_traceback() -> None:
    """Let the interpreter, which is about to report what was not caught, leave our frames out of it.

    Nothing but the report is changed: exit code, signals and the program's own ``sys.excepthook`` are as ever.
    """
    report = getattr(sys, "excepthook", sys.__excepthook__)

    def shortened(kind: type[BaseException], error: BaseException, traceback: TracebackType | None) -> None:
        sys.excepthook = report
        rest = sys.last_traceback = beyond_ours(traceback)
        try:
            report(kind, error.with_traceback(rest), rest)
        except Exception as failed:
            _say_both(failed, error.with_traceback(rest))

    sys.excepthook = shortened


def _say_both(failed: BaseException, error: BaseException) -> None:
    """Reports, as the interpreter does, that the hook which should report `error` has `failed`."""
    for head, one in (("Error in sys.excepthook:", failed), ("\nOriginal exception was:", error)):
        if sys.stderr is not None:
            print(head, file=sys.stderr, flush=True)
        traceback = beyond_ours(one.__traceback__)
        sys.__excepthook__(type(one), one.with_traceback(traceback), traceback)


def beyond_ours(traceback: TracebackType | None) -> TracebackType | None:
    """`traceback` from the program on."""
    rest = traceback
    while traceback is not None:
        if traceback.tb_frame.f_code.co_filename == __file__:
            rest = traceback.tb_next
        traceback = traceback.tb_next
    return rest
