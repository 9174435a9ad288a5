"""Proxies in front: their X-Forwarded-* headers are believed only from the networks that a setting names."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from typing import Any

from ..errors import Refused

FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED")


class Trusting:
    """WSGI: rewrite scheme, host and caller from a trusted proxy's headers; drop them from anybody else."""

    def __init__(self, app: Callable[..., Iterable[bytes]], networks: Iterable[str]) -> None:
        self.app = app
        try:
            self.networks = [ipaddress.ip_network(n) for n in networks]
        except ValueError as problem:
            raise Refused(f"GATEWRIGHT_TRUSTED_PROXIES: {problem}.") from None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if self.trusts(environ.get("REMOTE_ADDR", "")):
            self.believe(environ)
        for name in FORWARDED:
            environ.pop(name, None)
        return self.app(environ, start_response)

    def trusts(self, address: str) -> bool:
        if not self.networks:
            return False
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return False
        return any(ip in network for network in self.networks)

    def believe(self, environ: dict[str, Any]) -> None:
        proto = environ.get("HTTP_X_FORWARDED_PROTO", "").split(",")[-1].strip()
        if proto in ("http", "https"):
            environ["wsgi.url_scheme"] = proto
        if host := environ.get("HTTP_X_FORWARDED_HOST", "").split(",")[-1].strip():
            environ["HTTP_HOST"] = host
        # from the right: the first address that is no proxy of ours is the caller
        for address in reversed([a.strip() for a in environ.get("HTTP_X_FORWARDED_FOR", "").split(",") if a.strip()]):
            if not _is_callers(address):
                break
            environ["REMOTE_ADDR"] = address
            if not self.trusts(address):
                break


def _is_callers(address: str) -> bool:
    """An address, and not this machine's own: what asks from there is trusted further, and never comes by a proxy."""
    try:
        return not ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
