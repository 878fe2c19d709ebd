"""Names: which are allowed, and their bounds."""

from __future__ import annotations


def checked_name(name: object) -> str:
    """`name` as a plain `str`.

    Raises ``TypeError`` where it is not a string, ``ValueError`` where it is empty, longer than 1,000
    characters, or cannot be written as UTF-8 (a lone surrogate), which would fail every scrape.
    """
    if not isinstance(name, str):
        raise TypeError(f"a name must be a str, not {type(name).__name__}")
    plain = str.__str__(name) if type(name) is str else "".join(str.__iter__(name))
    if not plain:
        raise ValueError("a name must not be empty")
    if len(plain) > 1_000:
        raise ValueError(f"a name must not be longer than 1,000 characters; this one has {len(plain):,}")
    try:
        plain.encode()
    except UnicodeEncodeError:
        raise ValueError(f"a name must be valid Unicode text; {plain!a} has a lone surrogate") from None
    return plain
