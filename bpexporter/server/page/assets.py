"""The files of the page, as they lie in ``files/``."""

from __future__ import annotations

import json
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import NamedTuple

from bpexporter.catalogue.metrics import METRICS

FILES = Path(__file__).with_name("files")
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
}
# Nothing from elsewhere, nothing written into the page, and nobody who frames it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = "page.html"


class File(NamedTuple):
    """One file as it is sent."""

    body: bytes
    content_type: str


@lru_cache(maxsize=1)
def files() -> dict[str, File]:
    """Every file by its name."""
    return {path.name: File(path.read_bytes(), TYPES[path.suffix]) for path in sorted(FILES.iterdir())}


def page(metrics: str) -> File:
    """The page itself, which links `metrics`, the address of the metrics as seen from there."""
    body, content_type = files()[PAGE]
    return File(body.replace(b'href="metrics"', f'href="{escape(metrics)}"'.encode()), content_type)


@lru_cache(maxsize=1)
def catalogue() -> bytes:
    """Returns the meaning of each field of a reading, as JSON, from the declarations of the metrics."""
    told = ("name", "kind", "unit", "subject", "field", "help", "meaning", "parts", "table")
    return json.dumps({"metrics": [{key: getattr(metric, key) for key in told} for metric in METRICS]}).encode()
