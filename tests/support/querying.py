"""Questions to a running Prometheus."""

import json
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus

FILLED_IN = {
    "$__rate_interval": "20s",
    "$datasource": "x",
    "$job": ".+",
    "$instance": ".+",
}


def get(url: str) -> bytes:
    """The body at `url`."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        return bytes(answer.read())


def answer(prometheus: str, query: str) -> list[dict]:
    """What Prometheus has for `query` now, without series that are not a number; raises ``ValueError`` for bad ones."""
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    try:
        result = json.loads(get(url))["data"]["result"]
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.SERVICE_UNAVAILABLE:
            return []  # it listens, and is not ready yet
        raise ValueError(error.read().decode()) from error
    return [sample for sample in result if sample["value"][1] != "NaN"]


def filled(query: str, **variables: str) -> str:
    """The query as Grafana would send it, with these values of its variables."""
    given = {f"${name}": value for name, value in variables.items()}
    for name, value in sorted({**FILLED_IN, **given}.items(), key=lambda item: -len(item[0])):
        query = query.replace(name, value)
    return query
