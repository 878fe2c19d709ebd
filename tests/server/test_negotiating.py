"""What a client accepts."""

import pytest

from bpexporter.server.negotiating import accepts_gzip, has_already, negotiate


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        ("", False),
        (None, False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.3", True),
        ("application/openmetrics-text; version=1.0.0", True),
        ("nonsense;;;=,", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text; version=1.0.0; Q=0.000, text/plain", False),
        ("application/openmetrics-text;q=0, */*", False),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.9", False),
        ("application/openmetrics-text;q=0.9, text/plain;q=0", True),
        ("text/plain;q=0, */*", True),
        ("text/plain;q=0", False),
        ("APPLICATION/OPENMETRICS-TEXT;version=0.0.1;q=0, application/openmetrics-text;version=1.0.0;q=0.5", True),
        ("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=1.0.0;q=0.4,*/*;q=0.2", True),
    ],
)
def test_the_format_is_negotiated(accept, openmetrics):
    """OpenMetrics for who asks for it, text for everybody else, each with a content type that names it."""
    chosen, content_type = negotiate(accept)
    assert chosen is openmetrics
    assert content_type.startswith("application/openmetrics-text" if openmetrics else "text/plain")


@pytest.mark.parametrize(
    ("accept", "zipped"),
    [
        ("gzip", True), ("gzip;q=0", False), ("gzip; Q=0.0", False), ("gzip;q=0, *", False), ("*;q=0", False),
        ("*", True),
        ("identity;q=0, gzip;q=0.1", True), ("gzip;q=0.5, identity", False), ("", False), ("gzip;q=x", False),
    ],
)  # fmt: skip
def test_an_encoding_that_is_refused_is_not_used(accept, zipped):
    """`q=0` says no, to gzip by name and by the star alike."""
    assert accepts_gzip(accept) is zipped


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ('"a-1"', True),
        ('W/"a-1"', True),
        ('"b", W/"a-1"', True),
        ("*", True),
        ('"b"', False),
        ("", False),
        ("a-1", False),
    ],
)
def test_who_has_it_already_is_known(header, known):
    """By the tag, among others and as a proxy weakens it; a star stands for any."""
    assert has_already(header, '"a-1"') is known
