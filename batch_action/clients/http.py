"""What all HTTP clients share: certificates, proxies and when a call is repeated.

PyGithub and the SDK's token exchange take neither as a parameter, only the process's environment.
So the command line completes the environment once, and every library reads the same from it.
"""

import ipaddress
import logging
import random
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, Self
from urllib.parse import unquote, urlsplit

import httpx2

from batch_action.errors import ConfigError

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
PROXY_LOGIN_FIX = (
    "The proxy wants a user and a password: write both into HTTPS_PROXY, as in "
    "http://user:password@host:port."
)
_CA_FIX = "Set it to a file with your organization's CA certificates in PEM format, or unset it."


CALLS = logging.getLogger("batch_action.http")
"""Gets a record of each call: method, host and path, status and duration."""
RETRIED_STATUSES = frozenset({429, 500, 502, 503, 504})
MAX_ATTEMPTS = 4
MAX_PAUSE_SECONDS = 30.0
# As GitHub's own client of artifacts: 3 s, then random within [3 * 1.5^n, 3 * 1.5^(n+1)).
_FIRST_PAUSE_SECONDS = 3.0
_PAUSE_FACTOR = 1.5


class Closeable:
    """A client with connections. Use it as a context manager, or `close()` it."""

    def close(self) -> None:
        """Close all connections."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class LoggedCall:
    """Records a call in `CALLS` at the end of the block: set its `status`, else it is the error.

    A call that a library repeats is recorded once per attempt. Of the URL only host and path are
    recorded: a query may be a secret.
    """

    current: ContextVar["LoggedCall | None"] = ContextVar("current", default=None)

    def __init__(self, method: str, url: str) -> None:
        self._name = f"{method} {without_user(url)}"
        self._started = time.perf_counter()
        self.status: object = None

    def __enter__(self) -> Self:
        self._token = self.current.set(self)
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.current.reset(self._token)
        failure = error and (getattr(error, "status", None) or type(error).__name__)
        self.record(self.status or failure)

    def record(self, status: object) -> None:
        """Record an attempt that ends now."""
        CALLS.debug("%s %s, %.2f s", self._name, status, time.perf_counter() - self._started)

    def restart(self) -> None:
        """Begin the next attempt."""
        self._started = time.perf_counter()


class LoggedClient(httpx2.Client):
    """An HTTP client that records each call."""

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:  # noqa: D102
        with LoggedCall(request.method, str(request.url)) as call:
            response = super().send(request, **options)
            call.status = response.status_code
            return response


class Retries:
    """The pauses between the attempts of one call: growing, and each at most `MAX_PAUSE_SECONDS`.

    Only for reads, and for writes that change nothing when they are repeated. PyGithub and
    Anthropic's SDK repeat reads themselves.
    """

    def __init__(self, sleep: Callable[[float], None], attempts: int = MAX_ATTEMPTS) -> None:
        self._sleep = sleep
        self._attempts = attempts
        self._failed = 0

    def wait(self, at_least: float = 0.0) -> bool:
        """Wait after a failed attempt; return False, without waiting, when it was the last one.

        `at_least`: the seconds of a `Retry-After`.
        """
        self._failed += 1
        if self._failed == self._attempts:
            return False
        pause = _FIRST_PAUSE_SECONDS
        if self._failed > 1:
            pause *= _PAUSE_FACTOR ** (self._failed - 1)
            pause = random.uniform(pause, pause * _PAUSE_FACTOR)  # noqa: S311 - spreads clients
        self._sleep(min(max(pause, at_least), MAX_PAUSE_SECONDS))
        return True


def retry_after(headers: Mapping[str, str]) -> float:
    """Return the seconds of a `Retry-After`, 0 without one or with a date."""
    value = headers.get("retry-after", "")
    return float(value) if value.replace(".", "", 1).isdecimal() else 0.0


def network_variables(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment variables to set so that all HTTP libraries behave the same.

    `REQUESTS_CA_BUNDLE` defaults to `SSL_CERT_FILE`; `no_proxy` has no entry that a library cannot
    parse, and the hosts of this environment's URLs in place of networks.

    Raises:
        ConfigError: a certificate file cannot be read, or a proxy is neither http nor https.
    """
    variables = {}
    if certificates := environ.get("SSL_CERT_FILE"):
        _check_certificates(certificates)
        variables["REQUESTS_CA_BUNDLE"] = environ.get("REQUESTS_CA_BUNDLE") or certificates
    listed = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    entries = [entry for entry in map(str.strip, listed.split(",")) if entry]
    if entries:
        urls = [url for name, url in environ.items() if name.upper().endswith("URL")]
        exempt = (host for entry in entries for host in _exempt_hosts(entry, urls))
        variables["no_proxy"] = ",".join(dict.fromkeys(exempt))
    if "*" not in entries:
        for name in _PROXY_VARIABLES:
            # As in the libraries, an empty lower-case variable hides the upper-case one.
            used = name if name in environ else name.upper()
            if environ.get(used):
                _check_proxy(used, environ[used])
    return variables


def connection_fix(error: BaseException, otherwise: str) -> str:
    """Return what to do about a failed connection: for certificates and proxies, which variable."""
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return (
            "The certificate is signed by nobody this machine trusts: if your network replaces "
            "certificates, name the file with its CA in SSL_CERT_FILE."
        )
    if "407" in text and "proxy" in text.lower():
        return PROXY_LOGIN_FIX
    return "Check HTTPS_PROXY and NO_PROXY." if "proxy" in text.lower() else otherwise


def url_secrets(environ: Mapping[str, str]) -> set[str]:
    """Return the passwords in an environment's URLs, as written and decoded.

    A user without a password is one: a token is often written so.
    """
    secrets = set()
    for value in environ.values():
        if "://" not in value or "@" not in value:
            continue
        with suppress(ValueError):
            url = urlsplit(value)
            secret = url.password or url.username or ""
            secrets |= {secret, unquote(secret)}
    return secrets - {""}


def without_user(url: str) -> str:
    """Return a URL to be shown: without user, password, query and fragment."""
    head, at, rest = url.partition("?")[0].partition("#")[0].rpartition("@")
    scheme, separator, _ = head.partition("://")
    return f"{scheme}{separator}{rest}" if at else rest


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address is this machine's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _check_certificates(path: str) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise ConfigError(f"SSL_CERT_FILE: {path} contains no certificate.", fix=_CA_FIX) from None
    except OSError as error:
        raise ConfigError(
            f"SSL_CERT_FILE: {path} cannot be read: {error.strerror}.", fix=_CA_FIX
        ) from None


def _check_proxy(name: str, value: str) -> None:
    fix = "Name an http:// or https:// proxy, or unset the variable for this program."
    try:
        url = urlsplit(value if "://" in value else f"http://{value}")
        is_complete = bool(url.hostname) and url.port != 0
    except ValueError:
        is_complete = False
    if not is_complete:
        # The value may contain a password.
        raise ConfigError(f"{name} is not the URL of a proxy.", fix=fix)
    if url.scheme not in ("http", "https"):
        raise ConfigError(f"{name} names a {url.scheme} proxy, which is not supported.", fix=fix)


def _exempt_hosts(entry: str, urls: list[str]) -> Iterator[str]:
    """Yield the entries that all libraries understand in place of one of `NO_PROXY`.

    A port after an IPv6 address is dropped, and so is what cannot be parsed, as curl does.
    """
    bare, _, rest = entry.removeprefix("[").partition("]")
    try:
        network = ipaddress.ip_network(bare + (rest if rest.startswith("/") else ""), strict=False)
    except ValueError:
        name = entry.removeprefix("*") if entry.startswith("*.") else entry
        try:
            _ = httpx2.URL(name if "://" in name else f"all://*{name}").host
        except (httpx2.InvalidURL, ValueError):
            return
        yield name
        return
    if "/" not in entry:
        yield bare
        return
    for host in filter(None, map(_host_of, urls)):
        try:
            if ipaddress.ip_address(host) in network:
                yield host
        except ValueError:
            continue


def _host_of(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
