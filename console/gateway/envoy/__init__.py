"""The bundle as Envoy 1.40 configuration: plain functions from dicts to dicts, standard library only.

`render` gives every file a node needs. The order to write them in is that of `FILES`: a route may name only a cluster
that exists, and a listener only filters that routes know.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .base import REQUIREMENT, SYSTEM_CAS, Json, Operation, Origin, Plan, Version, discovery
from .clusters import bootstrap, clusters, secret
from .fold import fold
from .limits import limits_filter
from .listener import listener
from .routes import routes

PLAIN = "/%:@!$&'()*+,;=-._~"  # what a path holds as it is (RFC 3986 section 3.3)
PARAMETERS = "(;[^/]*)?"
FILES = ("sds.json", "cds.json", "lds.json", "rds.json")


@dataclass(frozen=True)
class Place:
    """Where one node stands."""

    name: str
    host: str
    port: int
    console: str
    credential: str
    directory: Path
    admin_socket: Path
    ca_file: str = SYSTEM_CAS
    tls_cert: str = ""  # files; empty: plain HTTP
    tls_key: str = ""


@dataclass(frozen=True)
class Rendered:
    files: dict[str, Json]  # name to DiscoveryResponse
    bootstrap: Json
    folded: Json  # everything in one, for `envoy --mode validate`


def render(bundle: dict[str, Any], place: Place) -> Rendered:
    versions = [version(v) for v in bundle["versions"]]
    boot = bootstrap(place.name, Origin.parse(place.console), place.directory, place.admin_socket, place.ca_file)
    gateway = listener(
        place.name,
        place.host,
        place.port,
        place.directory / "rds.json",
        bundle["issuer"],
        {REQUIREMENT: bundle["jwks"]} | {v.requirement: {"keys": list(v.secrets)} for v in versions if v.secrets},
        script("credential"),
        "gatewright",
        script("bodies") if any(v.body_bytes for v in versions) else "",
        rate_limits=limits_filter(versions),
        tls=(place.tls_cert, place.tls_key) if place.tls_cert else None,
    )
    table = routes(versions, bundle["revoked"])
    backends, token = clusters(versions, place.ca_file), secret(place.credential)
    number = str(bundle["generation"])
    files = {
        "sds.json": discovery(token, version=number),
        "cds.json": discovery(*backends, version=number),
        "lds.json": discovery(gateway, version=number),
        "rds.json": discovery(table, version=number),
    }
    return Rendered(files, boot, fold(boot, gateway, backends, table, token))


def script(name: str) -> str:
    return (Path(__file__).parent / f"{name}.lua").read_text()


def version(said: dict[str, Any]) -> Version:
    backend = str(said["backend"])
    return Version(
        number=said["id"],
        name=said["name"],
        prefix=said["path"],
        backend="backend_" + hashlib.sha256(backend.encode()).hexdigest()[:12],
        origin=Origin.parse(backend) if said["state"] in ("protected", "open") else None,
        audience=said["audience"],
        state=said["state"],
        accepts=frozenset(said["accepts"]),
        operations=tuple(operation(said["path"], o) for o in said["operations"]),
        refused_clients=tuple(said["ended_clients"]),
        response_headers=tuple((name, value) for name, value in said["headers"]),
        detail=said["detail"],
        # not in a bundle that the first release wrote down, which may be all a node has while the console is away
        dpop=said.get("dpop", "off"),
        keeps=said.get("keeps", False),
        closures=said.get("closures", 0),
        secrets=tuple(said.get("secrets", ())),
        body_bytes=said.get("body_bytes", 0),
        plans=tuple(Plan(p["name"], p["requests"], p["per_s"]) for p in said.get("plans", ())),
        exhausted=tuple(sorted(said.get("exhausted", {}).items())),
    )


def operation(prefix: str, said: dict[str, Any]) -> Operation:
    """A path template as an RE2 pattern of the whole public path; HEAD needs what GET needs.

    Backends differ in how they read a path: the pattern holds in any case, with ``;parameters``, and percent-encoded.
    """
    parts = re.split(r"(\{[^{}]*\})", prefix + str(said["path"]).rstrip("/"))
    pattern = "".join("[^/]+" if part.startswith("{") else _literally(part) for part in parts)
    methods = ("GET", "HEAD") if said["method"] == "GET" else (said["method"],)
    return Operation(methods, f"(?i){pattern}{PARAMETERS}(/{PARAMETERS})*", tuple(said["scopes"]))


def _literally(text: str) -> str:
    return re.escape(quote(text, safe=PLAIN)).replace("/", PARAMETERS + "/")
