"""The listener: the chain of filters every request goes through, and the record it leaves behind."""

from __future__ import annotations

import json
from pathlib import Path

from .base import (
    ACCESS,
    BODIES,
    CREDENTIAL,
    HTTP,
    IDENTITY_HEADERS,
    JWT,
    LIMIT_HEADERS,
    NAMESPACE,
    OVERRIDES,
    QUOTA,
    REVOKED,
    ROUTES,
    SCOPE,
    SCOPE_GATE,
    Json,
    T,
    file_source,
    literal,
)
from .replies import local_replies

LOG_ATTRIBUTES: tuple[tuple[str, str], ...] = (
    ("http.request.method", "%REQ(:METHOD)%"),
    ("url.path", "%PATH(NQ:ORIG_OR_PATH)%"),
    ("http.response.status_code", "%RESPONSE_CODE%"),
    ("http.request.body.size", "%BYTES_RECEIVED%"),
    ("http.response.body.size", "%BYTES_SENT%"),
    ("http.route", "%ROUTE_NAME%"),
    ("client.address", "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("user_agent.original", "%REQ(USER-AGENT):200%"),
    ("gatewright.version", f"%METADATA(ROUTE:{NAMESPACE}:version)%"),
    ("gatewright.duration_us", "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:us)%"),
    ("gatewright.backend_us", "%COMMON_DURATION(US_TX_BEG:US_RX_END:us)%"),
    ("gatewright.request_id", "%REQ(X-REQUEST-ID)%"),
    ("gatewright.traceparent", "%REQ(TRACEPARENT):60%"),
    ("gatewright.client_id", f"%DYNAMIC_METADATA({JWT}:jwt:client_id)%"),
    ("gatewright.jti", f"%DYNAMIC_METADATA({JWT}:jwt:jti)%"),
    ("gatewright.credential", f"%DYNAMIC_METADATA({NAMESPACE}:credential)%"),
    ("gatewright.details", "%RESPONSE_CODE_DETAILS%"),
    ("gatewright.reason", f"%DYNAMIC_METADATA({NAMESPACE}:reason)%"),  # set by Lua; the details are lua_response then
)


# only of calls that have any: two attributes more in each record would cost every call
BODY_ATTRIBUTES = tuple(
    (f"gatewright.{side}", f"%DYNAMIC_METADATA({NAMESPACE}:{side})%") for side in ("request_body", "response_body")
)


def _access_logs(node: str, keeps_bodies: bool) -> list[Json]:
    """One; or one for the calls with bodies, and one for all others."""
    if not keeps_bodies:
        return [_access_log(node)]
    return [
        _access_log(node) | _when_bodies("no", otherwise=True),
        _access_log(node, (*LOG_ATTRIBUTES, *BODY_ATTRIBUTES), "bodies") | _when_bodies("yes", otherwise=False),
    ]


def _when_bodies(value: str, *, otherwise: bool) -> Json:
    """``otherwise``: of calls of which the filter said nothing."""
    matcher = {"filter": NAMESPACE, "path": [{"key": BODIES}], "value": {"string_match": {"exact": value}}}
    return {"filter": {"metadata_filter": {"matcher": matcher, "match_if_key_not_found": otherwise}}}


def _access_log(node: str, attributes: tuple[tuple[str, str], ...] = LOG_ATTRIBUTES, name: str = "access") -> Json:
    return {
        "name": "otlp",
        "typed_config": {
            "@type": T + "envoy.extensions.access_loggers.open_telemetry.v3.OpenTelemetryAccessLogConfig",
            "http_service": {
                "http_uri": {"uri": "http://console/v1/logs", "cluster": "console_logs", "timeout": "120s"}
            },
            "log_name": "access",
            "stat_prefix": name,
            "buffer_flush_interval": "0.5s",
            "buffer_size_bytes": 262144,
            "disable_builtin_labels": True,
            "resource_attributes": {
                "values": [
                    {"key": "service.name", "value": {"string_value": "gatewright"}},
                    {"key": "service.instance.id", "value": {"string_value": literal(node)}},
                ]
            },
            "attributes": {"values": [{"key": k, "value": {"string_value": v}} for k, v in attributes]},
        },
    }


def _filter(name: str, type_: str, config: Json | None = None, disabled: bool = False) -> Json:
    f: Json = {"name": name, "typed_config": {"@type": HTTP + type_, **(config or {})}}
    if disabled:
        f["disabled"] = True
    return f


def _lua(name: str, script: str) -> Json:
    """Only on the routes that say so."""
    source = {"stat_prefix": name, "default_source_code": {"inline_string": script}}
    return _filter(name, "lua.v3.Lua", source, disabled=True)


def _provider(issuer: str, jwks: Json) -> Json:
    """Who may have signed a token. All of them note what it says under the same name."""
    return {
        "issuer": issuer,
        "forward": True,
        "payload_in_metadata": "jwt",
        "header_in_metadata": "jwt_header",
        "failed_status_in_metadata": "jwt_failure",
        "clock_skew_seconds": 5,
        "require_expiration": True,
        "normalize_payload_in_metadata": {"space_delimited_claims": ["scope"]},
        "claim_to_headers": [
            {"header_name": "x-client-id", "claim_name": "client_id"},
            {"header_name": "x-token-jti", "claim_name": "jti"},
            {"header_name": "x-plan", "claim_name": "plan"},
        ],
        "local_jwks": {"inline_string": json.dumps(jwks, separators=(",", ":"), sort_keys=True)},
        "jwt_cache_config": {"jwt_cache_size": 20000},
        "from_headers": [
            {"name": "Authorization", "value_prefix": "Bearer "},
            {"name": "Authorization", "value_prefix": "bearer "},
        ],
    }


def _tls(certificate: str, key: str) -> Json:
    """Whoever has a certificate may show it. Nobody's word is taken for it: that its caller has the private key is proven
    by TLS, and whose it is the console knows (RFC 8705 section 2.2)."""
    chain = {"certificate_chain": {"filename": certificate}, "private_key": {"filename": key}}
    context = {
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_2"},
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificates": [chain],
        "validation_context": {"trust_chain_verification": "ACCEPT_UNTRUSTED"},
    }
    kind = T + "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext"
    return {"name": "envoy.transport_sockets.tls", "typed_config": {"@type": kind, "common_tls_context": context}}


def listener(
    node: str,
    host: str,
    port: int,
    rds_file: Path,
    issuer: str,
    key_sets: dict[str, Json],
    lua: str,
    realm: str,
    body_script: str = "",
    trusted_hops: int = 0,
    rate_limits: Json | None = None,
    tls: tuple[str, str] | None = None,
) -> Json:
    """``key_sets``: JWK Sets by the name of the requirement that asks for a token signed with one of them.

    ``body_script``: of the filter that keeps bodies; empty where no API does. ``tls``: files of a certificate chain and its
    private key.
    """
    strip: list[Json] = [{"remove": h} for h in (*IDENTITY_HEADERS, *OVERRIDES)]
    strip.append({"remove_on_match": {"key_matcher": {"prefix": "x-gatewright-", "ignore_case": True}}})
    filters = [
        _filter("envoy.filters.http.cors", "cors.v3.Cors"),
        _filter(
            "envoy.filters.http.header_mutation",
            "header_mutation.v3.HeaderMutation",
            {"mutations": {"request_mutations": strip}},
        ),
        _lua(CREDENTIAL, lua),
        _filter(
            JWT,
            "jwt_authn.v3.JwtAuthentication",
            {
                "providers": {name: _provider(issuer, jwks) for name, jwks in key_sets.items()},
                "requirement_map": {name: {"provider_name": name} for name in key_sets},
            },
        ),
        _filter(REVOKED, "rbac.v3.RBAC"),
        _filter(ACCESS, "rbac.v3.RBAC"),
        _filter(SCOPE, "rbac.v3.RBAC"),
        _filter(SCOPE_GATE, "rbac.v3.RBAC"),
        _filter(QUOTA, "rbac.v3.RBAC", disabled=True),
        # before `limits`, because answers pass it after that
        _filter(LIMIT_HEADERS, "header_mutation.v3.HeaderMutation", disabled=True),
        *([rate_limits] if rate_limits else []),
        *([_lua(BODIES, body_script)] if body_script else []),
        _filter("envoy.filters.http.router", "router.v3.Router"),
    ]
    hcm: Json = {
        "@type": T + "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "gatewright",
        "http_filters": filters,
        "rds": {"route_config_name": ROUTES, "config_source": file_source(rds_file)},
        "access_log": _access_logs(node, bool(body_script)),
        "local_reply_config": local_replies(realm),
        "server_name": "gatewright",
        "normalize_path": True,
        "merge_slashes": True,
        "path_with_escaped_slashes_action": "REJECT_REQUEST",
        "use_remote_address": True,
        "xff_num_trusted_hops": trusted_hops,
        # No caller is internal: x-envoy-* and x-request-id of callers are dropped. An empty message means the
        # default (private addresses are internal), so one address that no caller has is named.
        "internal_address_config": {"cidr_ranges": [{"address_prefix": "255.255.255.255", "prefix_len": 32}]},
        "generate_request_id": True,
        "always_set_request_id_in_response": True,
        "common_http_protocol_options": {"headers_with_underscores_action": "REJECT_REQUEST", "idle_timeout": "300s"},
        "request_headers_timeout": "10s",
        "stream_idle_timeout": "300s",
        "max_request_headers_kb": 60,
    }
    return {
        "@type": T + "envoy.config.listener.v3.Listener",
        "name": "gateway",
        "address": {"socket_address": {"address": host, "port_value": port}},
        "per_connection_buffer_limit_bytes": 1048576,
        "filter_chains": [
            {
                "filters": [{"name": "envoy.filters.network.http_connection_manager", "typed_config": hcm}],
                **({"transport_socket": _tls(*tls)} if tls else {}),
            }
        ],
    }
