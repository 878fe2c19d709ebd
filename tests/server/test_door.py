"""Who may come in: TLS, client certificates and passwords as a real Prometheus has them, and only by our name."""

import base64
import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import trustme
import yaml
from fake_clock import Clock
from needs import needs

from bpexporter.hub.hub import Hub
from bpexporter.server.door import Rate, read_web_config
from bpexporter.server.doorkeeper import Bucket
from bpexporter.server.endpoint import start

PASSWORD = "correct horse"
HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory) -> Path:
    """A folder with a certificate for localhost, one for a client, and who has signed them."""
    folder, authority = tmp_path_factory.mktemp("certificates"), trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("localhost", "client"):
        issued = authority.issue_cert(name, "127.0.0.1") if name == "localhost" else authority.issue_cert(name)
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
        (folder / f"{name}.pem").write_bytes(b"".join(pem.bytes() for pem in issued.cert_chain_pems))
    return folder


def written(folder: Path, said: Any) -> Path:
    """A web configuration."""
    path = folder / "web.yml"
    path.write_text(said if isinstance(said, str) else yaml.safe_dump(said))
    return path


TLS = {"cert_file": "localhost.pem", "key_file": "localhost.key"}
MUTUAL = {**TLS, "client_auth_type": "RequireAndVerifyClientCert", "client_ca_file": "ca.pem"}
USERS = {"prometheus": HASH}


def status(port: int, *, host: str = "127.0.0.1", authorization: str | None = None) -> int:
    """The status of a scrape with these headers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {"Host": host} | ({"Authorization": authorization} if authorization else {})
    connection.request("GET", "/metrics", headers=headers)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status


def basic(user: str, password: str) -> str:
    """What a client sends that has a password."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", 200), ("LOCALHOST:9877", 200), ("127.0.0.1", 200), ("127.0.0.2:80", 200), ("[::1]:9877", 200),
        ("sidecar:9877", 200), ("localhost.", 421), ("evil.", 421),
        ("example.com", 421), ("localhost.example.com", 421), ("10.0.0.1", 421), ("127.0.0.1.example.com:80", 421),
        ("[::2]", 421),
    ],
)  # fmt: skip
def test_on_loopback_only_its_own_names_are_answered(host, expected):
    """A web page elsewhere could read us by letting its name lead here: names that can be registered are refused."""
    with start(port=0, hub=Hub()) as exporter:
        assert status(exporter.port, host=host) == expected


def test_on_other_addresses_every_name_is_answered():
    """Who listens for others is asked under names that we do not know."""
    with start("0.0.0.0", 0, hub=Hub()) as exporter:
        assert status(exporter.port, host="metrics.example.com") == 200


def test_passwords(tmp_path):
    """Only who has the right one is answered, whatever else is sent, and however often."""
    path = written(tmp_path, {"basic_auth_users": USERS})
    with start(port=0, hub=Hub(), web_config=path) as exporter:
        for _ in range(2):
            assert status(exporter.port, authorization=basic("prometheus", PASSWORD)) == 200
            for wrong in (
                None, basic("prometheus", "wrong"), basic("nobody", PASSWORD), "Basic", "Basic ?", "Bearer x",
                basic("prometheus", PASSWORD).replace("Basic", "Digest"), basic("prometheus", ""),
                f"Basic {base64.b64encode(b'no-colon').decode()}", f"Basic {base64.b64encode(bytes([255])).decode()}",
            ):  # fmt: skip
                assert status(exporter.port, authorization=wrong) == 401


def test_headers_are_added(tmp_path):
    """Each answer carries what the file says."""
    path = written(tmp_path, {"http_server_config": {"headers": {"X-Frame-Options": "deny"}}})
    with start(port=0, hub=Hub(), web_config=path) as exporter:
        assert urllib.request.urlopen(exporter.url, timeout=10).headers["X-Frame-Options"] == "deny"


def test_tls_and_client_certificates(certificates):
    """With TLS the address is https; with client certificates asked for, who has none is not answered."""
    trusting = ssl.create_default_context(cafile=certificates / "ca.pem")
    known = ssl.create_default_context(cafile=certificates / "ca.pem")
    known.load_cert_chain(certificates / "client.pem", certificates / "client.key")
    with start(port=0, hub=Hub(), web_config=written(certificates, {"tls_server_config": TLS})) as exporter:
        assert exporter.url.startswith("https://127.0.0.1:")
        assert urllib.request.urlopen(exporter.url, timeout=10, context=trusting).status == 200
    with start(port=0, hub=Hub(), web_config=written(certificates, {"tls_server_config": MUTUAL})) as exporter:
        assert urllib.request.urlopen(exporter.url, timeout=10, context=known).status == 200
        with pytest.raises(OSError, match=r"(?i)certificate|reset|closed|EOF"):
            urllib.request.urlopen(exporter.url, timeout=10, context=trusting)


WRONG = {
    "basic_auth_user: {}": "basic_auth_user",
    "basic_auth_users: {a: secret}": "no bcrypt hash",
    "basic_auth_users: [a]": "keys and values",
    "[1, 2]": "keys and values",
    "tls_server_config: {cert_file: x}": "key_file",
    "tls_server_config: {cert_file: x, key_file: y, cipher: z}": "cipher",
    "tls_server_config: {cert_file: localhost.pem, key_file: localhost.key, client_auth_type: Any}": "one of",
    "tls_server_config: {cert_file: localhost.pem, key_file: localhost.key, min_version: TLS10}": "min_version",
    "tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequireAnyClientCert}": "verifies each",
    "tls_server_config: {cert: a, key_file: b}": "use cert_file",
    "http_server_config: {http2: maybe}": "true or false",
    "http_server_config: {headers: {Content-Length: '3'}}": "Content-Length",
    'http_server_config: {headers: {X-Frame-Options: "deny\\r\\nSet-Cookie: a=b"}}': "a line of text",
    "rate_limit: {interval: 1s}": "burst must be",
    "rate_limit: {interval: soon, burst: 3}": "must be a duration",
    "rate_limit: {intervall: 1s}": "intervall",
    "tls_server_config: {cert_file: localhost.pem, key_file: client.key}": "KEY_VALUES_MISMATCH|key values mismatch",
    "a: [": "web.yml",
}


@pytest.mark.parametrize(("text", "told"), WRONG.items())
def test_what_makes_no_sense_is_refused(certificates, text, told):
    """A key that is passed over would leave a door open: each is told, at the call."""
    with pytest.raises(ValueError, match=told):
        read_web_config(written(certificates, text))
    with pytest.raises(ValueError, match=told):
        start(port=0, hub=Hub(), web_config=certificates / "web.yml")


WRONG_TLS = {
    "client_allowed_sans: [client]": "needs client_auth_type",
    "client_auth_type: VerifyClientCertIfGiven": "needs client_ca_file",
    "{client_ca_file: ca.pem, client_ca: x}": "one of them",
    "{min_version: TLS13, max_version: TLS12}": "above max_version",
    "cipher_suites: [TLS_RSA_WITH_RC4_128_SHA]": "known are TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "cipher_suites: TLS_AES_128_GCM_SHA256": "list of words",
    "{cipher_suites: [TLS_AES_128_GCM_SHA256], max_version: TLS12}": "none of TLS 1.2",
    "curve_preferences: [CurveP224]": "known are CurveP256",
    "curve_preferences: [X25519, CurveP256]": "takes one curve",
    "prefer_server_cipher_suites: 3": "true or false",
}


@pytest.mark.parametrize(("text", "told"), WRONG_TLS.items())
def test_tls_that_cannot_be_had_is_refused(certificates, text, told):
    """So is what Python's ssl cannot do: no certificate, version or suite is other than the file says."""
    said = {"tls_server_config": {**TLS, **yaml.safe_load(text)}}
    with pytest.raises(ValueError, match=told):
        read_web_config(written(certificates, said))


def spoken(certificates: Path, said: dict[str, Any], **client: Any) -> tuple[str, str]:
    """The version of TLS and the cipher suite on which an exporter with this configuration and a client agree."""
    trusting = ssl.create_default_context(cafile=certificates / "ca.pem")
    for name, value in client.items():
        setattr(trusting, name, value)
    path = written(certificates, {"tls_server_config": {**TLS, **said}})
    with (
        start(port=0, hub=Hub(), web_config=path) as exporter,
        socket.create_connection(("127.0.0.1", exporter.port), timeout=10) as raw,
        trusting.wrap_socket(raw, server_hostname="127.0.0.1") as secure,
    ):
        return str(secure.version()), str(secure.cipher()[0])


def test_versions_and_cipher_suites(certificates):
    """Version and suite are those of the file, by the names that Go gives them; those of TLS 1.3 are not chosen."""
    one = ["TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384"]
    assert spoken(certificates, {})[0] == "TLSv1.3"
    assert spoken(certificates, {"max_version": "TLS12"})[0] == "TLSv1.2"
    version, suite = spoken(certificates, {"max_version": "TLS12", "cipher_suites": one})
    assert version == "TLSv1.2"
    assert suite.endswith("AES256-GCM-SHA384")
    assert spoken(certificates, {"curve_preferences": ["CurveP384"]})[0] == "TLSv1.3"
    with pytest.raises(OSError, match=r"(?i)protocol|version|alert"):
        spoken(certificates, {"min_version": "TLS13"}, maximum_version=ssl.TLSVersion.TLSv1_2)
    with pytest.raises(OSError, match=r"(?i)protocol|version|alert"):
        spoken(certificates, {"cipher_suites": ["TLS_AES_128_GCM_SHA256"]}, maximum_version=ssl.TLSVersion.TLSv1_2)


def test_whose_turn_it_is_to_choose_a_suite(certificates):
    """The server chooses the cipher suite, unless the file leaves that to clients."""
    chosen = read_web_config(written(certificates, {"tls_server_config": TLS})).tls
    left = read_web_config(
        written(certificates, {"tls_server_config": {**TLS, "prefer_server_cipher_suites": False}})
    ).tls
    assert chosen.options & ssl.OP_CIPHER_SERVER_PREFERENCE
    assert not left.options & ssl.OP_CIPHER_SERVER_PREFERENCE


def test_who_is_asked_for_no_certificate_may_come_without(certificates):
    """Where a certificate is merely requested nobody is refused, whatever they have."""
    trusting = ssl.create_default_context(cafile=certificates / "ca.pem")
    path = written(certificates, {"tls_server_config": {**TLS, "client_auth_type": "RequestClientCert"}})
    with start(port=0, hub=Hub(), web_config=path) as exporter:
        assert urllib.request.urlopen(exporter.url, timeout=10, context=trusting).status == 200


@pytest.mark.parametrize(("names", "expected"), [(["other", "client"], 200), (["other"], 403)])
def test_the_names_of_clients(certificates, names, expected):
    """Of the certificates that are verified those alone may come in that have one of the names."""
    known = ssl.create_default_context(cafile=certificates / "ca.pem")
    known.load_cert_chain(certificates / "client.pem", certificates / "client.key")
    text = (certificates / "ca.pem").read_text()
    said = {**TLS, "client_auth_type": "RequireAndVerifyClientCert", "client_ca": text, "client_allowed_sans": names}
    with start(port=0, hub=Hub(), web_config=written(certificates, {"tls_server_config": said})) as exporter:
        connection = http.client.HTTPSConnection("127.0.0.1", exporter.port, timeout=10, context=known)
        connection.request("GET", "/metrics")
        assert connection.getresponse().status == expected
        connection.close()


def test_a_rate(tmp_path):
    """More requests at once than the burst are told to come later."""
    with start(
        port=0, hub=Hub(), web_config=written(tmp_path, {"rate_limit": {"interval": "1h", "burst": 3}})
    ) as exporter:
        assert [status(exporter.port) for _ in range(5)] == [200, 200, 200, 429, 429]


def test_one_more_after_each_interval():
    """The bucket fills by one in each interval, up to the burst."""
    clock = Clock()
    bucket = Bucket(Rate(0.5, 2), clock=clock)
    assert [bucket.takes() for _ in range(3)] == [True, True, False]
    clock.now += 0.5
    assert [bucket.takes() for _ in range(2)] == [True, False]
    clock.now += 100
    assert [bucket.takes() for _ in range(3)] == [True, True, False]


@pytest.mark.parametrize(
    ("said", "rate"),
    [("1s", Rate(1, 2)), ("250ms", Rate(0.25, 2)), ("1m30s", Rate(90, 2)), ("2h", Rate(7200, 2)), (0, None)],
)
def test_durations_are_those_of_prometheus(tmp_path, said, rate):
    """An interval is written as Prometheus writes durations; 0 is no limit."""
    assert read_web_config(written(tmp_path, {"rate_limit": {"interval": said, "burst": 2}})).rate == rate


def test_a_file_that_is_not_there(tmp_path):
    """So is a file that cannot be read, in the words of the system."""
    with pytest.raises(FileNotFoundError):
        start(port=0, hub=Hub(), web_config=tmp_path / "nowhere.yml")


def free_port() -> int:
    """A port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def test_a_real_prometheus_comes_in(certificates, tmp_path):
    """Prometheus scrapes a sidecar with TLS, its client certificate and its password; without them it does not."""
    needs("prometheus")
    path = written(certificates, {"tls_server_config": MUTUAL, "basic_auth_users": USERS})
    port, own = free_port(), f"127.0.0.1:{free_port()}"
    tls = {name: str(certificates / file) for name, file in (("ca_file", "ca.pem"), ("cert_file", "client.pem"))}
    tls["key_file"] = str(certificates / "client.key")
    auth = {"username": "prometheus", "password": PASSWORD}
    target = {"scheme": "https", "static_configs": [{"targets": [f"localhost:{port}"]}]}
    jobs = [
        {"job_name": "right", **target, "tls_config": tls, "basic_auth": auth},
        {"job_name": "no password", **target, "tls_config": tls},
        {"job_name": "no certificate", **target, "tls_config": {"ca_file": tls["ca_file"]}, "basic_auth": auth},
    ]
    limits = {"scrape_interval": "1s", "scrape_timeout": "1s"}
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump({"global": limits, "scrape_configs": jobs}))
    words = [sys.executable, "-m", "bpexporter", "sidecar", "--dir", str(tmp_path / "dir"), "--port", str(port)]
    flags = [f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with (
        subprocess.Popen([*words, "--host", "localhost", "--web-config", str(path)], **quiet) as sidecar,
        subprocess.Popen(["prometheus", *flags, f"--web.listen-address={own}"], **quiet) as prometheus,
    ):
        up: dict[str, str] = {}
        until = time.monotonic() + 40
        while up.get("right") != "1" or len(up) < 3:
            if time.monotonic() > until:
                break
            with suppress(OSError):
                query = f"http://{own}/api/v1/query?{urllib.parse.urlencode({'query': 'up'})}"
                found = json.loads(urllib.request.urlopen(query, timeout=5).read())["data"]["result"]
                up = {one["metric"]["job"]: one["value"][1] for one in found}
            time.sleep(0.2)
        sidecar.kill()
        prometheus.kill()
    assert up == {"right": "1", "no password": "0", "no certificate": "0"}
