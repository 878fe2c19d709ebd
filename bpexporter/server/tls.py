"""TLS as Prometheus' exporter-toolkit configures it, as far as Python's `ssl` can do it.

Names are those of Go. What Python's `ssl` cannot do is refused with the reason, for a door must not stand open that
somebody believes to be shut.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bpexporter.server.configured import check_keys, is_on, one_of, words_of

KEYS = {
    *("cert_file", "key_file", "client_auth_type", "client_ca_file", "client_ca", "client_allowed_sans"),
    *("min_version", "max_version", "cipher_suites", "prefer_server_cipher_suites", "curve_preferences"),
}
VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
VERIFIED = "RequireAndVerifyClientCert"
CLIENTS = {
    "NoClientCert": ssl.CERT_NONE,
    "RequestClientCert": ssl.CERT_NONE,  # nobody is refused for it, and nothing is done with it: it is not asked for
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    VERIFIED: ssl.CERT_REQUIRED,
}
# Why a known key or word of the toolkit's is refused.
CANNOT = {
    "cert": "Python's ssl reads certificates from files alone: use cert_file",
    "key": "Python's ssl reads keys from files alone: use key_file",
    "RequireAnyClientCert": "Python's ssl verifies each certificate that it asks for: use RequireAndVerifyClientCert",
    "TLS10": "OpenSSL as it comes speaks TLS 1.2 and 1.3 alone: min_version and max_version are TLS12 or TLS13",
    "TLS11": "OpenSSL as it comes speaks TLS 1.2 and 1.3 alone: min_version and max_version are TLS12 or TLS13",
}
# Cipher suites of TLS 1.2 by the names of Go. Those of 1.3 are not to be chosen, there and here.
SUITES = {
    f"TLS_ECDHE_{signature}_WITH_{suite}": f"ECDHE-{signature}-{name}"
    for signature in ("ECDSA", "RSA")
    for suite, name in {
        "AES_128_CBC_SHA": "AES128-SHA",
        "AES_256_CBC_SHA": "AES256-SHA",
        "AES_128_GCM_SHA256": "AES128-GCM-SHA256",
        "AES_256_GCM_SHA384": "AES256-GCM-SHA384",
        "CHACHA20_POLY1305_SHA256": "CHACHA20-POLY1305",
    }.items()
}
SUITES_13 = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"}
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": "X25519"}


def tls_context(said: Any, folder: Path) -> ssl.SSLContext:
    """The context that `tls_server_config` describes; files are looked for in `folder`.

    Raises ``OSError`` where a file cannot be read, ``ValueError`` for what makes no sense or cannot be done.
    """
    _refuse(said)
    check_keys(said, KEYS, "tls_server_config")
    if not said.get("cert_file") or not said.get("key_file"):
        raise ValueError("tls_server_config needs cert_file and key_file")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / said["cert_file"], folder / said["key_file"])
    _choose_versions(context, said)
    _choose_suites(context, words_of(said, "cipher_suites"))
    _choose_curve(context, words_of(said, "curve_preferences"))
    if not is_on(said, "prefer_server_cipher_suites", default=True):
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _ask_clients(context, said, folder)
    return context


def allowed_names(said: Mapping[str, Any]) -> frozenset[str]:
    """The names of which one must be in a client's certificate; empty where any may come that is verified."""
    names = words_of(said, "client_allowed_sans")
    if names and said.get("client_auth_type") != VERIFIED:
        raise ValueError(f"client_allowed_sans needs client_auth_type: {VERIFIED}")
    return frozenset(names)


def _refuse(said: Any) -> None:
    if isinstance(said, dict):
        words = [key for key in said if said[key]]
        words += [said.get(key) for key in ("client_auth_type", "min_version", "max_version")]
        for word in words:
            if word in CANNOT:
                raise ValueError(f"tls_server_config: {word}: {CANNOT[word]}")


def _choose_versions(context: ssl.SSLContext, said: Mapping[str, Any]) -> None:
    least, most = one_of(VERSIONS, said, "min_version", "TLS12"), one_of(VERSIONS, said, "max_version", "TLS13")
    if least > most:
        raise ValueError("min_version is above max_version")
    context.minimum_version, context.maximum_version = least, most


def _choose_suites(context: ssl.SSLContext, names: list[str]) -> None:
    if unknown := [name for name in names if name not in SUITES and name not in SUITES_13]:
        raise ValueError(f"cipher_suites: {', '.join(unknown)}: known are {', '.join((*SUITES, *sorted(SUITES_13)))}")
    older = [SUITES[name] for name in names if name in SUITES]
    if older:
        context.set_ciphers(":".join(older))
    elif names and context.maximum_version < ssl.TLSVersion.TLSv1_3:
        raise ValueError("cipher_suites has none of TLS 1.2, and max_version allows no other")
    elif names:
        context.minimum_version = ssl.TLSVersion.TLSv1_3


def _choose_curve(context: ssl.SSLContext, names: list[str]) -> None:
    if unknown := [name for name in names if name not in CURVES]:
        raise ValueError(f"curve_preferences: {', '.join(unknown)}: known are {', '.join(CURVES)}")
    if len(names) > 1:
        raise ValueError("curve_preferences: Python's ssl takes one curve, or leave it out for all of OpenSSL's")
    for name in names:
        context.set_ecdh_curve(CURVES[name])


def _ask_clients(context: ssl.SSLContext, said: Mapping[str, Any], folder: Path) -> None:
    context.verify_mode = one_of(CLIENTS, said, "client_auth_type", "NoClientCert")
    file, text = said.get("client_ca_file"), said.get("client_ca")
    if file and text:
        raise ValueError("client_ca_file and client_ca are given: one of them is enough")
    if file or text:
        context.load_verify_locations(folder / file if file else None, cadata=text)
    elif context.verify_mode != ssl.CERT_NONE:
        raise ValueError("client_auth_type needs client_ca_file or client_ca")
