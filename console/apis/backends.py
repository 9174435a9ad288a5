"""Backend addresses: which may be published, and whether something answers there."""

from __future__ import annotations

import ipaddress
import socket
from urllib.parse import urlsplit

from ..errors import Refused
from ..runtime import runtime

METADATA = (ipaddress.ip_network("169.254.0.0/16"), ipaddress.ip_network("fd00:ec2::/32"))


def check_backend(url: str) -> str:
    """The address without a trailing slash. Internal addresses are what backends have; a cloud's metadata service,
    the console and the gateway itself are not backends."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        raise Refused("That is not a web address.", "backend_url") from None
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise Refused(
            "Give the backend as http://host:port or https://host, with a base path if it has one.", "backend_url"
        )
    if any(c.isspace() or c in "\"'<>\\^`{|}" for c in url.strip()):
        raise Refused("The address holds a character that no address has.", "backend_url")
    _refuse_forbidden(host, port)
    return url.strip().rstrip("/")


def _refuse_forbidden(host: str, port: int) -> None:
    config = runtime().config
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        ip = None
    if ip is not None and any(ip in network for network in METADATA if ip.version == network.version):
        raise Refused(f"{host} is a cloud's metadata service, not a backend.", "backend_url")
    ours = {urlsplit(config.public_url).netloc, urlsplit(config.gateway_url).netloc}
    ours |= {f"{name}:{p}" for name in ("127.0.0.1", "localhost", "::1") for p in (config.port, config.gateway_port)}
    if f"{host}:{port}" in ours:
        raise Refused("That is this installation itself. Give the address of the service behind it.", "backend_url")


def unreachable(url: str) -> str | None:
    """Why no connection can be made to the backend within two seconds; None when one can."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    try:
        socket.create_connection((parts.hostname or "", port), timeout=2).close()
    except TimeoutError:
        return f"{parts.hostname} does not answer on port {port}."
    except socket.gaierror:
        return f"The name {parts.hostname} cannot be resolved."
    except UnicodeError:
        return f"{parts.hostname} is no name that a host can have."
    except OSError:
        return f"Nothing listens at {parts.hostname} on port {port}."
    return None
