"""Origins of code: the standard library, ourselves, another library or the application; and names of functions."""

from __future__ import annotations

import os
import sys
import weakref
from types import CodeType
from typing import Any, NamedTuple

# Without pathlib, which takes longer to load than all that is here.
LIBRARY = os.__file__.rpartition(os.sep)[0] + os.sep
PACKAGES = "site-packages", "dist-packages"
NAMELESS = "?"

INNER, FOREIGN, MAIN, OWN = range(4)
"""The standard library's and ours; other libraries'; a library's that is the program; the application's."""


class Origin(NamedTuple):
    """The origin of code."""

    code: weakref.ref[CodeType]
    whose: int
    """`INNER`, `FOREIGN`, `MAIN` or `OWN`."""
    module: str
    """The name of its module."""


_known: dict[int, Origin] = {}
MOST_KNOWN = 4_096


def origin(code: CodeType, names: dict[str, Any]) -> Origin:
    """Returns the origin of code; `names` are its globals. Found out once for each, by identity: hashes are slow."""
    known = _known.get(id(code))
    if known is not None and known.code() is code:
        return known
    found = Origin(weakref.ref(code), _owner(code.co_filename, str(names.get("__name__"))), module_name(names))
    if len(_known) >= MOST_KNOWN:
        _known.clear()
    _known[id(code)] = found
    return found


def _owner(filename: str, module: str) -> int:
    if is_inner(module, filename):
        return INNER
    if not any(folder in filename for folder in PACKAGES):
        return OWN
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    package = str(getattr(spec, "name", "")).partition(".")[0]
    return MAIN if package and module.partition(".")[0] == package else FOREIGN


def is_inner(module: str, filename: str) -> bool:
    """Returns whether code is the standard library's or our own."""
    if is_ours(module):
        return True
    top = module.partition(".")[0]
    theirs = filename.startswith((LIBRARY, "<frozen")) and "-packages" not in filename
    return theirs and top in sys.stdlib_module_names and top != "__main__"


def is_ours(module: str) -> bool:
    """Returns whether a module is one of our own."""
    return module.partition(".")[0] == __name__.partition(".")[0]


def module_name(globals_: dict[str, Any]) -> str:
    """The name by which code is known: that of the module, and for a program that of its file."""
    name = globals_.get("__name__")
    if name in ("__main__", "__mp_main__"):  # the latter in a process that multiprocessing spawns
        spec = globals_.get("__spec__")
        known = getattr(spec, "name", None)
        if isinstance(known, str):
            return known.removesuffix(".__main__")
        file = globals_.get("__file__")
        return _stem(file) if isinstance(file, str) else name
    return name if isinstance(name, str) else NAMELESS


def _stem(path: str) -> str:
    name = path.rpartition(os.sep)[2]
    return name.rpartition(".")[0] or name


def join(*parts: str) -> str:
    """The parts that there are, with dots between."""
    return ".".join(part for part in parts if part)


def written(name: str) -> str:
    """`name` as it may be watched under: keys and modules may be called anything."""
    return name.encode("utf-8", "backslashreplace").decode()[:1_000]


def plain(qualname: str) -> str:
    """A qualified name without what stands in angle brackets, such as ``<locals>``."""
    return join(*(part for part in qualname.split(".") if not part.startswith("<")))
