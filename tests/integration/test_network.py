"""Certificates and proxies: what all HTTP libraries use, and what is refused with a sentence."""

import os
import ssl
import subprocess
import sys
from pathlib import Path

import anthropic
import httpx2
import pytest
import requests
from requests.utils import should_bypass_proxies

from batch_action.clients.network import connection_fix, network_variables

PROXY = "http://127.0.0.1:1"
URLS = {"GITHUB_API_URL": "http://[fd00::5]:3/api", "ACTIONS_RESULTS_URL": "http://10.1.2.3/"}


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without proxies and certificates."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            monkeypatch.delenv(name)
    return monkeypatch


@pytest.mark.parametrize(
    ("no_proxy", "result"),
    [
        ("localhost, 127.0.0.1", "localhost,127.0.0.1"),
        ("*", "*"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("[::1]:8080,[::1]", "::1"),
        ("[::1", "::1"),
        ("fd00::/8", "fd00::5"),
        ("[fd00::]/8,corp.example", "fd00::5,corp.example"),
        ("fe80::/10,10.0.0.0/8", "10.1.2.3"),
        ("*.corp.example,.b,c:8080", ".corp.example,.b,c:8080"),
        ("http://[::1]:x,d:y,::1/129,é,xn--a", ""),
    ],
)
def test_no_proxy_means_the_same_to_all_libraries(environ, no_proxy, result):
    given = {"NO_PROXY": no_proxy, "HTTP_PROXY": PROXY, "HTTPS_PROXY": PROXY, **URLS}
    assert network_variables(given) == {"no_proxy": result}
    for name, value in {**given, "no_proxy": result}.items():
        environ.setenv(name, value)
    httpx2.Client().close()
    anthropic.DefaultHttpxClient().close()
    for host in result.split(",") if "::" in result or "10." in result else ():
        url = f"http://[{host}]:9/" if "::" in host else f"http://{host}:9/"
        assert should_bypass_proxies(url, None)
        with httpx2.Client() as client:
            transport = client._transport_for_url(httpx2.URL(url))
            assert transport is client._transport


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ALL_PROXY", "socks5://proxy:1080", "ALL_PROXY names a socks5 proxy"),
        ("all_proxy", "socks5h://proxy:1080", "all_proxy names a socks5h proxy"),
        ("HTTPS_PROXY", "ftp://proxy", "HTTPS_PROXY names a ftp proxy"),
        ("https_proxy", "http://u:secret@proxy:x", "https_proxy is not the URL of a proxy"),
        ("HTTP_PROXY", "http://", "HTTP_PROXY is not the URL of a proxy"),
        ("HTTP_PROXY", "http://[::1", "HTTP_PROXY is not the URL of a proxy"),
        ("SSL_CERT_FILE", "/no/such.pem", "SSL_CERT_FILE: /no/such.pem cannot be read: No such"),
        ("SSL_CERT_FILE", "/", "SSL_CERT_FILE: / cannot be read: Is a directory"),
        ("SSL_CERT_FILE", __file__, "contains no certificate"),
    ],
)
def test_what_cannot_be_used_is_refused_with_its_variable(workflow, name, value, problem):
    result = workflow.cli("submit", environ={name: value})
    assert result.exit == 2
    assert problem in result.log
    assert "Traceback" not in result.log
    assert "secret" not in result.log


@pytest.mark.parametrize(
    "given",
    [
        {"HTTPS_PROXY": "proxy:3128"},
        {"https_proxy": "https://u:p@proxy"},
        # An empty lower-case variable hides the other, and `*` turns all proxies off.
        {"ALL_PROXY": "socks5://proxy", "all_proxy": ""},
        {"ALL_PROXY": "socks5://proxy", "NO_PROXY": "*"},
        {"FTP_PROXY": "ftp://proxy"},
    ],
)
def test_usable_proxies_are_accepted(environ, given):
    assert network_variables(given) == ({"no_proxy": "*"} if "NO_PROXY" in given else {})


ENTRIES = "[::1],[::1]:8080,::1,fd00::/8,[fd00::]/8,10.0.0.0/8,*.corp.example"


@pytest.mark.parametrize(
    ("command", "entry"), [("plan", ENTRIES), ("plan", "*"), ("doctor", ENTRIES)]
)
def test_each_form_of_no_proxy_is_understood_by_real_commands(workflow, command, entry):
    """The services of this test are reached past a proxy that does not answer."""
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(workflow.folder),
        "PYTHONPATH": str(Path.cwd()),
        "ANTHROPIC_API_KEY": workflow.key,
        "ANTHROPIC_BASE_URL": workflow.sandbox.anthropic_url,
        "HTTP_PROXY": PROXY,
        "HTTPS_PROXY": PROXY,
        "NO_PROXY": f"{entry},127.0.0.1,localhost",
        **workflow.person(),
    }
    argv = [sys.executable, "-m", "batch_action", command, "--repo", str(workflow.repo.path)]
    done = subprocess.run(argv, env=environ, capture_output=True, check=False, text=True)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    if command == "doctor":
        assert f"NO_PROXY={entry}," in done.stderr.replace("\n", "")


def test_one_certificate_file_is_used_by_all_libraries(environ, small_ca_bundle):
    bundle = str(small_ca_bundle)
    variables = network_variables({"SSL_CERT_FILE": bundle})
    assert variables == {"REQUESTS_CA_BUNDLE": bundle}
    own = {"SSL_CERT_FILE": bundle, "REQUESTS_CA_BUNDLE": "/own.pem"}
    assert network_variables(own) == {"REQUESTS_CA_BUNDLE": "/own.pem"}
    environ.setenv("REQUESTS_CA_BUNDLE", bundle)
    with requests.Session() as session:
        settings = session.merge_environment_settings("https://x", {}, None, True, None)
    assert settings["verify"] == bundle


@pytest.mark.parametrize(
    ("error", "fix"),
    [
        (ssl.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] self-signed"), "in SSL_CERT_FILE."),
        (requests.exceptions.ProxyError("Cannot connect to proxy."), "Check HTTPS_PROXY"),
        (httpx2.ProxyError("407 Proxy Authentication Required"), "into HTTPS_PROXY, as in http"),
        (OSError("refused"), "try again"),
    ],
)
def test_a_failed_connection_names_the_variable(error, fix):
    assert fix in connection_fix(error, "try again")


def test_the_documented_variable_is_the_one_that_works():
    text = Path("docs/TROUBLESHOOTING.md").read_text("utf-8")
    assert "SSL_CERT_FILE: /github/workspace/" in text
