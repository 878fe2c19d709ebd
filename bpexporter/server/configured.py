"""Configurations as they are read: what has an unknown key, or another word than those known, is refused."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any


def check_keys(said: Any, keys: Collection[str], where: str) -> None:
    """Raises ``ValueError`` where `said` is no mapping, or has other keys."""
    if not isinstance(said, dict):
        raise ValueError(f"{where} must hold keys and values")
    if unknown := sorted(map(str, said.keys() - set(keys))):
        raise ValueError(
            f"{where} has {', '.join(unknown)}, which is not known here; known are {', '.join(sorted(keys))}"
        )


def one_of(table: Mapping[str, Any], said: Mapping[str, Any], key: str, default: str) -> Any:
    """Returns that for which the word under `key` stands. Raises ``ValueError`` for another word."""
    word = said.get(key) or default
    if word not in table:
        raise ValueError(f"{key} must be one of {', '.join(table)}, not {word!r}")
    return table[word]


def words_of(said: Mapping[str, Any], key: str) -> list[str]:
    """The list of words under `key`, empty where there is none. Raises ``ValueError`` for something else."""
    words = said.get(key) or []
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise ValueError(f"{key} must be a list of words, not {words!r}")
    return words


def is_on(said: Mapping[str, Any], key: str, *, default: bool) -> bool:
    """Returns whether `key` is switched on. Raises ``ValueError`` for what is neither true nor false."""
    value = said.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise ValueError(f"{key} must be true or false, not {value!r}")
    return value
