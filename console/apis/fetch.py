"""Fetching a document from an address that a person typed, without reaching what only this machine may reach.

The name is resolved once, every address it has must be public (or allowed by a setting), and the connection goes to
exactly that address; redirects are followed a few times under the same rule. Size and time are bounded.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

import urllib3

from ..errors import Refused
from ..runtime import runtime
from .reader import LARGEST_BYTES

TIMEOUT_S = 10.0
MOST_REDIRECTS = 3


def fetch_document(url: str, within_s: float = TIMEOUT_S) -> str:
    """The text at ``url``. `Refused` says why not."""
    deadline = time.monotonic() + within_s
    for _ in range(MOST_REDIRECTS + 1):
        answer, location = _get(url, deadline)
        if location is None:
            try:
                return answer.decode("utf-8-sig")
            except UnicodeDecodeError:
                raise Refused(f"{url} is not UTF-8 text.", "url") from None
        try:
            url = urljoin(url, location)
        except ValueError:
            raise Refused(f"{url} redirects to what is no web address.", "url") from None
    raise Refused(f"{url} redirects too often.", "url")


def check_address(url: str, field: str = "url") -> None:
    """Whether `fetch_document` could fetch it, without doing so."""
    try:
        parts = _split(url)
        public_address(_ascii(parts.hostname or ""), parts.port or (443 if parts.scheme == "https" else 80))
    except Refused as refused:
        raise Refused(refused.message, field) from None


def public_address(host: str, port: int) -> str:
    """One address of ``host`` to connect to; every one it has must be allowed."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, ValueError):
        raise Refused(f"The name {host} cannot be resolved. Is it spelled right?", "url") from None
    allowed = f"{host}:{port}" in runtime().config.fetch_allow
    for address in found:
        if not allowed and not _is_public(address):
            raise Refused(
                f"{host} leads to {address}, an internal address, which imports may not fetch. "
                f"Add {host}:{port} to GATEWRIGHT_FETCH_ALLOW, or upload the file.",
                "url",
            )
    return sorted(found, key=lambda address: (":" in address, address))[0]  # IPv4 first: it works nearly everywhere


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        ip = ip.ipv4_mapped or ip.sixtofour or ip
    # reserved: NAT64 and IPv4-compatible addresses lead to IPv4 ones, which may be internal
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or (ip.version == 6 and ip.is_site_local))


def post(url: str, body: bytes, headers: dict[str, str], within_s: float = TIMEOUT_S) -> int:
    """The status of the answer; redirects are not followed. `Refused` says why there is none."""
    with _asked("POST", url, time.monotonic() + within_s, headers, body) as answer:
        return int(answer.status)


def _get(url: str, deadline: float) -> tuple[bytes, str | None]:
    headers = {"Accept": "application/json, application/yaml, */*", "Accept-Encoding": "identity"}
    with _asked("GET", url, deadline, headers) as answer:
        if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
            return b"", answer.headers["Location"]
        if answer.status != 200:
            raise Refused(f"{url} answered {answer.status}.", "url")
        return _body(answer, url, deadline), None


@contextlib.contextmanager
def _asked(
    method: str, url: str, deadline: float, headers: dict[str, str], body: bytes | None = None
) -> Iterator[urllib3.BaseHTTPResponse]:
    """The answer, of exactly the address that was checked; the connection ends with the block, or at the deadline."""
    parts = _split(url)
    host, port = _ascii(parts.hostname or ""), parts.port or (443 if parts.scheme == "https" else 80)
    pool = _pool(parts.scheme, public_address(host, port), host, port)
    watch = threading.Timer(max(0.0, deadline - time.monotonic()), _hang_up, (pool,))
    watch.daemon = True
    watch.start()
    try:
        answer = pool.urlopen(
            method,
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            body=body,
            headers={"Host": _authority(host, parts.port), **headers},
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=urllib3.Timeout(connect=5, read=5),
        )
        if time.monotonic() > deadline:
            raise _too_slow(url)
        yield answer
    except (urllib3.exceptions.HTTPError, OSError, ValueError) as problem:
        if time.monotonic() > deadline:
            raise _too_slow(url) from None
        raise Refused(f"{url} cannot be fetched: {_plainly(problem)}.", "url") from None
    finally:
        watch.cancel()
        pool.close()


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise Refused("That is not a web address.", "url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
        raise Refused("Give an http:// or https:// address without a user name in it.", "url")
    return parts


def _ascii(host: str) -> str:
    """As it is looked up, and as certificates write it."""
    try:
        return host if ":" in host else host.encode("idna").decode()
    except UnicodeError:
        raise Refused(f"{host} is no name that a host can have.", "url") from None


def _authority(host: str, port: int | None) -> str:
    name = f"[{host}]" if ":" in host else host
    return f"{name}:{port}" if port else name


def _pool(scheme: str, address: str, host: str, port: int) -> urllib3.HTTPConnectionPool:
    pool: urllib3.HTTPConnectionPool
    if scheme == "https":
        pool = urllib3.HTTPSConnectionPool(address, port, server_hostname=host, assert_hostname=host)
    else:
        pool = urllib3.HTTPConnectionPool(address, port)
    make, pool.made = pool._new_conn, []  # type: ignore[attr-defined]

    def remember() -> Any:
        pool.made.append(make())  # type: ignore[attr-defined]
        return pool.made[-1]  # type: ignore[attr-defined]

    pool._new_conn = remember  # type: ignore[method-assign]
    return pool


def _hang_up(pool: Any) -> None:
    """A server that drips a byte now and then never runs into a timeout of its own."""
    for connection in pool.made:
        if connection.sock is not None:
            with contextlib.suppress(OSError):
                connection.sock.shutdown(socket.SHUT_RDWR)


def _body(answer: urllib3.BaseHTTPResponse, url: str, deadline: float) -> bytes:
    body = b""
    while chunk := answer.read1(65536, decode_content=False):
        body += chunk
        if len(body) > LARGEST_BYTES:
            raise Refused(f"{url} is larger than {LARGEST_BYTES // 1024 // 1024} MB.", "url")
        if time.monotonic() > deadline:
            raise _too_slow(url)
    return body


def _too_slow(url: str) -> Refused:
    return Refused(f"{url} takes too long to answer.", "url")


def _plainly(problem: Exception) -> str:
    if isinstance(problem, urllib3.exceptions.NewConnectionError):  # which urllib3 calls a timeout, too
        return "nothing listens there"
    if isinstance(problem, urllib3.exceptions.TimeoutError):
        return "it does not answer"
    return "the certificate is not trusted" if "CERTIFICATE" in str(problem) else "the connection broke"
