"""The network as an environment describes it: certificates, proxies, and secrets in URLs.

PyGithub and the SDK's token exchange take neither as a parameter, only the process's environment.
So the command line completes the environment once, and every library reads the same from it.
"""

import ipaddress
from collections.abc import Iterator, Mapping
from contextlib import suppress
from urllib.parse import unquote, urlsplit

from batch_action.errors import ConfigError

_PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy")
PROXY_LOGIN_FIX = (
    "The proxy wants a user and a password: write both into HTTPS_PROXY, as in "
    "http://user:password@host:port."
)
_CA_FIX = "Set it to a file with your organization's CA certificates in PEM format, or unset it."


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


def is_loopback(host: str) -> bool:
    """Return whether a host's name or address is this machine's."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def no_artifacts_reason(results_url: str, runtime_token: str, server_url: str) -> str | None:
    """Return why artifacts cannot be stored here, as a sentence; None when they can.

    The arguments are ACTIONS_RESULTS_URL, ACTIONS_RUNTIME_TOKEN and GITHUB_SERVER_URL, empty when
    unset. The hosts are those that the official client accepts.
    """
    host = urlsplit(server_url).hostname or ""
    is_supported = host == "github.com" or host.endswith((".ghe.com", ".localhost"))
    if not (is_supported or is_loopback(host)):
        return f"GitHub Enterprise Server ({host}) does not support artifacts of version 4."
    for name, value in (("URL", results_url), ("TOKEN", runtime_token)):
        if not value:
            variable = "ACTIONS_RESULTS_URL" if name == "URL" else "ACTIONS_RUNTIME_TOKEN"
            return f"{variable} is not set: this is no step of a GitHub action."
    return None


def _check_certificates(path: str) -> None:
    # Only here, as httpx2 below: most environments name neither certificates nor hosts.
    import ssl  # noqa: PLC0415

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
        import httpx2  # noqa: PLC0415

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


def without_user(url: str) -> str:
    """Return a URL to be shown: without user, password, query and fragment."""
    head, at, rest = url.partition("?")[0].partition("#")[0].rpartition("@")
    scheme, separator, _ = head.partition("://")
    return f"{scheme}{separator}{rest}" if at else rest
