"""What every part of the Envoy configuration shares: names, and small pieces."""

from __future__ import annotations

import ipaddress
import json
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

Json = dict[str, Any]

NAMESPACE = "gatewright"  # dynamic and route metadata
REQUIREMENT = "gatewright"  # jwt_authn requirement name: an unknown one is only found at run time (403)
ROUTES = "gatewright"
MOCKS = "console_mocks"  # a cluster: what mocks cost is not taken from decisions
JWT = "envoy.filters.http.jwt_authn"
RBAC = "envoy.filters.http.rbac"  # metadata namespace of every RBAC filter, whatever its name
HEALTH = "/__gatewright/health"  # answered by every node itself
SYSTEM_CAS = "/etc/ssl/certs/ca-certificates.crt"
PROBLEM = "urn:gatewright:problem:"
T = "type.googleapis.com/"
HTTP = T + "envoy.extensions.filters.http."
IDENTITY_HEADERS = ("x-client-id", "x-token-jti", "x-plan")
# with these some backends take another method or path than the one whose scope was checked
OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override", "x-original-url", "x-rewrite-url")
# a letter, digit, dash, dot or underscore written as %xx, and ..; for .. : no client needs to, some backends read through it
DISGUISED = r"(?i).*(%(2[de]|3[0-9]|[46][1-9a-f]|[57][0-9a]|5f|00)|/\.\.?;).*"
# jwt_authn finds a good token behind another scheme or before other text, too; the backend would get all of it
ONE_BEARER = r"(?i:bearer) +[A-Za-z0-9_.-]+"

# names of the HTTP filters = keys of typed_per_filter_config
CREDENTIAL, REVOKED, ACCESS, SCOPE, SCOPE_GATE = "credential", "revoked", "access", "scope", "scope_gate"
BODIES = "bodies"
QUOTA, LIMITS, LIMIT_HEADERS = "quota", "limits", "limit_headers"


@dataclass(frozen=True)
class Origin:
    """Where a server listens: ``Origin.parse("https://host:8443/base")``."""

    scheme: str
    host: str
    port: int
    base: str = ""

    @classmethod
    def parse(cls, url: str) -> Origin:
        u = urlsplit(url)
        if u.scheme not in ("http", "https") or not u.hostname:
            raise ValueError(f"not an http(s) URL: {url}")
        return cls(u.scheme, u.hostname, u.port or (443 if u.scheme == "https" else 80), u.path.rstrip("/"))

    @property
    def is_ip(self) -> bool:
        try:
            ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return True

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = 443 if self.scheme == "https" else 80
        return host if self.port == default else f"{host}:{self.port}"


@dataclass(frozen=True)
class Operation:
    """``path`` is an RE2 pattern of the whole public path (without query); ``scopes`` are all needed."""

    methods: tuple[str, ...]
    path: str
    scopes: tuple[str, ...]


@dataclass(frozen=True)
class Plan:
    """``requests`` in ``per_s`` seconds for each caller; 0: as many as they like."""

    name: str
    requests: int
    per_s: int

    @property
    def limit(self) -> str:
        """Plans that allow the same share one kind of bucket."""
        return f"{self.requests}/{self.per_s}"


@dataclass(frozen=True)
class Version:
    number: int  # of the API version in the console
    name: str  # "orders@1.0.0"
    prefix: str  # "/orders/v1"
    backend: str = ""  # name of the cluster
    origin: Origin | None = None
    audience: str = ""
    state: str = "protected"  # protected | open | retired | stopped | mock
    accepts: frozenset[str] = frozenset({"jws", "jwe", "key"})
    operations: tuple[Operation, ...] = ()
    refused_clients: tuple[str, ...] = ()  # "subscription ended"
    response_headers: tuple[tuple[str, str], ...] = ()  # deprecation, sunset, link
    timeout: float = 15.0
    cors_origins: tuple[str, ...] = ()
    detail: str = ""  # of the 410 and the 503
    dpop: str = "off"  # off | optional | required
    keeps: bool = False  # the backend gets the credential as the caller sent it
    closures: int = 0  # how often an encryption key of it was revoked: what was remembered before is void
    body_bytes: int = 0  # of a body, in the record of a call
    plans: tuple[Plan, ...] = ()
    exhausted: tuple[tuple[str, str], ...] = ()  # clients, each with the HTTP date at which its quota is refilled
    secrets: tuple[Json, ...] = ()  # HS256 keys that its tokens are signed with instead of the published ones

    @property
    def requirement(self) -> str:
        """The name of what jwt_authn asks of a token for it."""
        return f"{REQUIREMENT}_{self.number}" if self.secrets else REQUIREMENT

    @property
    def scheme(self) -> str:
        """How a token is sent to it, said to callers who sent none (RFC 6750 section 3, RFC 9449 section 7.1)."""
        return "DPoP" if self.dpop == "required" else "Bearer"

    @property
    def limited(self) -> tuple[Plan, ...]:
        return tuple(plan for plan in self.plans if plan.requests)

    @property
    def asks(self) -> bool:
        """Whether a credential of its callers may have to be exchanged; else Envoy does all of it by itself."""
        return self.accepts != {"jws"} or self.dpop != "off"


def duration(seconds: float) -> str:
    return f"{seconds:g}s"


def discovery(*resources: Json, version: str = "1") -> Json:
    """A DiscoveryResponse. One RouteConfiguration per rds file, else "Unexpected RDS resource length"."""
    return {"version_info": version, "resources": list(resources)}


def write(path: Path, value: Json) -> None:
    """Write beside the file and rename over it: Envoy's watched_directory reacts to the rename."""
    fd, name = tempfile.mkstemp(dir=path.parent, prefix="." + path.name)
    with os.fdopen(fd, "w", encoding="utf-8") as f:
        json.dump(value, f, separators=(",", ":"))
        f.flush()
        os.fsync(f.fileno())
    os.replace(name, path)


def file_source(path: Path) -> Json:
    return {
        "resource_api_version": "V3",
        "initial_fetch_timeout": "5s",
        "path_config_source": {"path": str(path), "watched_directory": {"path": str(path.parent)}},
    }


def set_header(name: str, value: str) -> Json:
    return {"header": {"key": name, "value": value}, "append_action": "OVERWRITE_IF_EXISTS_OR_ADD"}


def literal(text: str) -> str:
    """Text for a place where Envoy expands %COMMAND%."""
    return text.replace("%", "%%")
