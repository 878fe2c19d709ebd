"""Content negotiation (RFC 9110, 12.5 and 13.1.2): formats, compression, and whether the client has it already."""

from __future__ import annotations

from prometheus_client import exposition

OPENMETRICS, TEXT = "application/openmetrics-text", "text/plain"


def quality(parameters: list[str]) -> float:
    """The value of `q` among `parameters`; 1 where there is none, 0 for one that is no number."""
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def qualities(header: str) -> list[tuple[str, str, float]]:
    """Each entry of `header`: its name, the entry as it stands, and its quality."""
    entries = [entry for entry in header.split(",") if entry.strip()]
    parts = [entry.split(";") for entry in entries]
    return [(part[0].strip().lower(), entry, quality(part[1:])) for part, entry in zip(parts, entries, strict=True)]


def best(accepted: list[tuple[str, str, float]], *names: str) -> float:
    """The highest quality under the first of `names` that is accepted or refused by name; 0 for none."""
    for name in names:
        found = [quality for one, _entry, quality in accepted if one == name]
        if found:
            return max(found)
    return 0.0


def negotiate(accept: str) -> tuple[bool, str]:
    """Returns whether a client with this ``Accept`` header is sent OpenMetrics, and the content type.

    OpenMetrics is sent to who asks for it by name and likes the text no better, and to who refuses the text.
    """
    accepted = qualities(accept or "")
    named = [(name, entry) for name, entry, quality in accepted if quality > 0 and name in (OPENMETRICS, TEXT)]
    openmetrics = best(accepted, OPENMETRICS, "application/*", "*/*")
    text = best(accepted, TEXT, "text/*", "*/*")
    asked = any(name == OPENMETRICS for name, _ in named)
    wanted = [OPENMETRICS] if not asked and openmetrics > 0 and not text and accepted else [entry for _, entry in named]
    if asked and openmetrics < text:
        wanted = [entry for name, entry in named if name == TEXT]
    _, content_type = exposition.choose_encoder(",".join(wanted))
    return "openmetrics" in content_type, content_type


def accepts_gzip(accept_encoding: str) -> bool:
    """Returns whether gzip is allowed, and nothing else preferred."""
    accepted = qualities(accept_encoding.replace("x-gzip", "gzip"))
    wanted = best(accepted, "gzip", "*")
    return wanted > 0 and wanted >= best(accepted, "identity")


def has_already(if_none_match: str, tag: str) -> bool:
    """Returns whether who sends this ``If-None-Match`` has what is of this tag; a proxy may have made it weak."""
    known = [one.strip().removeprefix("W/") for one in if_none_match.split(",")]
    return known == ["*"] or tag in known
