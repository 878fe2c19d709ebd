"""Hearing of a module's import."""

import importlib
import sys

import pytest

from bpexporter.primitives import imports
from bpexporter.primitives.imports import forget, when_imported


@pytest.fixture(autouse=True)
def later(tmp_path, monkeypatch):
    """A module `later_made` that can be imported; nobody waits for any module."""
    monkeypatch.setattr(imports, "_waiting", {})
    (tmp_path / "later_made.py").write_text("loaded = True")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("later_made", None)
    sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not imports._finder]


def test_all_are_told_once_the_module_is_loaded():
    """Nothing happens before; then the module is whole, and its loader as it was."""
    seen = []
    when_imported("later_made", lambda module: seen.append(module.loaded))
    when_imported("later_made", lambda module: seen.append(module.__name__))
    assert seen == []
    module = importlib.import_module("later_made")
    assert seen == [True, "later_made"]
    assert "exec_module" not in vars(module.__spec__.loader)
    when_imported("later_made", lambda module: seen.append("at once"))
    assert seen[2:] == ["at once"]


def test_who_wants_to_hear_no_more_is_not_told():
    """The others are; and where nobody is left, nothing of ours stays among the finders."""
    seen = []
    when_imported("later_made", seen.append)
    when_imported("later_made", print)
    forget("later_made", print)
    assert imports._finder in sys.meta_path
    forget("later_made", seen.append)
    importlib.import_module("later_made")
    assert (seen, imports._finder in sys.meta_path) == ([], False)


def test_a_module_that_is_not_there():
    """A module that cannot be found fails as without, and may still come."""
    when_imported("not_there_at_all", print)
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module("not_there_at_all")
