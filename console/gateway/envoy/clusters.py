"""Clusters: the console's two, and one for each backend; and the bootstrap that names them."""

from __future__ import annotations

from pathlib import Path

from .base import HTTP, MOCKS, SYSTEM_CAS, Json, Origin, T, Version, file_source


def _endpoint(name: str, origin: Origin) -> Json:
    address = {"socket_address": {"address": origin.host, "port_value": origin.port}}
    return {
        "name": name,
        "type": "STATIC" if origin.is_ip else "STRICT_DNS",
        "connect_timeout": "2s",
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
        **({} if origin.is_ip else {"dns_lookup_family": "V4_PREFERRED"}),
    }


def upstream_tls(origin: Origin, ca_file: str = SYSTEM_CAS) -> Json:
    """trusted_ca alone does not check the name: match_typed_subject_alt_names does."""
    context: Json = {
        "@type": T + "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {
            "validation_context": {
                "trusted_ca": {"filename": ca_file},
                "match_typed_subject_alt_names": [
                    {"san_type": "IP_ADDRESS" if origin.is_ip else "DNS", "matcher": {"exact": origin.host}}
                ],
            }
        },
    }
    if not origin.is_ip:
        context["sni"] = origin.host
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def backend_cluster(name: str, origin: Origin, ca_file: str = SYSTEM_CAS) -> Json:
    cluster = {"@type": T + "envoy.config.cluster.v3.Cluster", **_endpoint(name, origin)}
    if origin.scheme == "https":
        cluster["transport_socket"] = upstream_tls(origin, ca_file)
    return cluster


def clusters(versions: list[Version], ca_file: str = SYSTEM_CAS) -> list[Json]:
    seen = {v.backend: v.origin for v in versions if v.backend and v.origin}
    return [backend_cluster(n, o, ca_file) for n, o in sorted(seen.items())]


def console_cluster(
    name: str,
    console: Origin,
    sds_file: Path,
    thresholds: Json,
    retry_policy: Json | None = None,
    ca_file: str = SYSTEM_CAS,
) -> Json:
    """A static cluster of the console; the node's token is put into Authorization of every request."""
    generic = "envoy.extensions.http.injected_credentials.generic.v3.Generic"
    options: Json = {
        "@type": T + "envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
        "explicit_http_config": {"http_protocol_options": {}},
        "http_filters": [
            {
                "name": "envoy.filters.http.credential_injector",
                "typed_config": {
                    "@type": HTTP + "credential_injector.v3.CredentialInjector",
                    "overwrite": True,
                    "credential": {
                        "name": "envoy.http.injected_credentials.generic",
                        "typed_config": {
                            "@type": T + generic,
                            "credential": {"name": "node_token", "sds_config": file_source(sds_file)},
                            "header": "Authorization",
                            "header_value_prefix": "Bearer ",
                        },
                    },
                },
            },
            {
                "name": "envoy.filters.http.upstream_codec",
                "typed_config": {"@type": HTTP + "upstream_codec.v3.UpstreamCodec"},
            },
        ],
    }
    if retry_policy:
        options["retry_policy"] = retry_policy
    cluster = _endpoint(name, console) | {
        "typed_extension_protocol_options": {"envoy.extensions.upstreams.http.v3.HttpProtocolOptions": options},
        "circuit_breakers": {"thresholds": [thresholds]},
    }
    if console.scheme == "https":
        cluster["transport_socket"] = upstream_tls(console, ca_file)
    return cluster


def secret(token: str) -> Json:
    return {
        "@type": T + "envoy.extensions.transport_sockets.tls.v3.Secret",
        "name": "node_token",
        "generic_secret": {"secret": {"inline_string": token}},
    }


def bootstrap(
    node: str,
    console: Origin,
    directory: Path,
    admin_socket: Path | None = None,
    ca_file: str = SYSTEM_CAS,
) -> Json:
    """``directory`` holds lds.json, cds.json, rds.json and sds.json; all four must exist before the start."""
    decisions = {"max_requests": 64, "max_pending_requests": 64, "max_connections": 64}
    logs = {"max_retries": 10000, "max_pending_requests": 10000, "max_requests": 10000, "max_connections": 4}
    mocks = {"max_requests": 8, "max_pending_requests": 16, "max_connections": 8}  # anybody may ask for them
    retries = {
        "retry_on": "5xx,connect-failure,reset,refused-stream,retriable-status-codes",
        "retriable_status_codes": [401, 403, 429],  # a rotated node token, a busy console
        "num_retries": 200,
        "retry_back_off": {"base_interval": "0.5s", "max_interval": "3s"},
    }
    sds = directory / "sds.json"
    boot: Json = {
        "node": {"id": node, "cluster": "gatewright"},
        "dynamic_resources": {
            "cds_config": file_source(directory / "cds.json"),
            "lds_config": file_source(directory / "lds.json"),
        },
        "static_resources": {
            "clusters": [
                console_cluster("console_decisions", console, sds, decisions, None, ca_file),
                console_cluster(MOCKS, console, sds, mocks, None, ca_file),
                console_cluster("console_logs", console, sds, logs, retries, ca_file),
            ]
        },
        "layered_runtime": {"layers": [{"name": "static", "static_layer": {}}]},
    }
    if admin_socket is not None:
        boot["admin"] = {"address": {"pipe": {"path": str(admin_socket), "mode": 0o600}}}
    return boot
