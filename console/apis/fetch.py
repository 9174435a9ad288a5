"""Fetching a document from an address that a person typed, without reaching what only this machine may reach.

The name is resolved once, every address it has must be public (or allowed by a setting), and the connection goes to
exactly that address; redirects are followed a few times under the same rule. Size and time are bounded.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from urllib.parse import urljoin, urlsplit

import urllib3

from ..errors import Refused
from ..runtime import runtime
from .reader import LARGEST_BYTES

TIMEOUT_S = 10.0
MOST_REDIRECTS = 3


def fetch_document(url: str) -> str:
    """The text at ``url``. `Refused` says why not."""
    deadline = time.monotonic() + TIMEOUT_S
    for _ in range(MOST_REDIRECTS + 1):
        answer, location = _get(url, deadline)
        if location is None:
            try:
                return answer.decode("utf-8-sig")
            except UnicodeDecodeError:
                raise Refused(f"{url} is not UTF-8 text.", "url") from None
        url = urljoin(url, location)
    raise Refused(f"{url} redirects too often.", "url")


def public_address(host: str, port: int) -> str:
    """One address of ``host`` to connect to; every one it has must be allowed."""
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        raise Refused(f"The name {host} cannot be resolved. Is it spelled right?", "url") from None
    allowed = f"{host}:{port}" in runtime().config.fetch_allow
    for address in found:
        if not allowed and not _is_public(address):
            raise Refused(
                f"{host} leads to {address}, an internal address, which imports may not fetch. "
                f"Add {host}:{port} to GATEWRIGHT_FETCH_ALLOW, or upload the file.",
                "url",
            )
    return sorted(found)[0]


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.split("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        ip = inner or ip
    return ip.is_global and not ip.is_multicast


def _get(url: str, deadline: float) -> tuple[bytes, str | None]:
    parts = _split(url)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    pool = _pool(parts.scheme, public_address(host, port), host, port)
    try:
        answer = pool.urlopen(
            "GET",
            (parts.path or "/") + (f"?{parts.query}" if parts.query else ""),
            headers={
                "Host": parts.netloc,
                "Accept": "application/json, application/yaml, */*",
                "Accept-Encoding": "identity",
            },
            redirect=False,
            retries=False,
            preload_content=False,
            timeout=urllib3.Timeout(connect=5, read=5),
        )
        if answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
            return b"", answer.headers["Location"]
        if answer.status != 200:
            raise Refused(f"{url} answered {answer.status}.", "url")
        return _body(answer, url, deadline), None
    except urllib3.exceptions.HTTPError as problem:
        raise Refused(f"{url} cannot be fetched: {_plainly(problem)}.", "url") from None
    finally:
        pool.close()


def _split(url: str):  # type: ignore[no-untyped-def]
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        raise Refused("That is not a web address.", "url") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise Refused("Give an http:// or https:// address without a user name in it.", "url")
    return parts


def _pool(scheme: str, address: str, host: str, port: int) -> urllib3.HTTPConnectionPool:
    if scheme == "https":
        return urllib3.HTTPSConnectionPool(address, port, server_hostname=host, assert_hostname=host)
    return urllib3.HTTPConnectionPool(address, port)


def _body(answer: urllib3.BaseHTTPResponse, url: str, deadline: float) -> bytes:
    body = b""
    while chunk := answer.read(65536, decode_content=False):
        body += chunk
        if len(body) > LARGEST_BYTES:
            raise Refused(f"{url} is larger than {LARGEST_BYTES // 1024 // 1024} MB.", "url")
        if time.monotonic() > deadline:
            raise Refused(f"{url} took longer than {TIMEOUT_S:.0f} seconds.", "url")
    return body


def _plainly(problem: Exception) -> str:
    if isinstance(problem, urllib3.exceptions.TimeoutError):
        return "it does not answer"
    if isinstance(problem, urllib3.exceptions.NewConnectionError):
        return "nothing listens there"
    return "the certificate is not trusted" if "CERTIFICATE" in str(problem) else "the connection broke"
