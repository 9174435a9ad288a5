"""Routes: one per API version, with what a caller must show; and the deny-list."""

from __future__ import annotations

import json
import re
from dataclasses import replace

from .base import (
    ACCESS,
    BODIES,
    CREDENTIAL,
    DISGUISED,
    HEALTH,
    HTTP,
    JWT,
    MOCKS,
    NAMESPACE,
    ONE_BEARER,
    PROBLEM,
    RBAC,
    REVOKED,
    ROUTES,
    SCOPE,
    SCOPE_GATE,
    Json,
    Operation,
    T,
    Version,
    duration,
    literal,
    set_header,
)
from .limits import limit_metadata, limits_of, on_header, quota_of, rate_limits


def _metadata(filter_: str, path: tuple[str, ...], value: Json) -> Json:
    matcher: Json = {"filter": filter_, "path": [{"key": k} for k in path], "value": value}
    return {"sourced_metadata": {"metadata_matcher": matcher, "metadata_source": "DYNAMIC"}}


def _is(value: str) -> Json:
    return {"string_match": {"exact": value}}


def _claim_contains(claim: str, value: str) -> Json:
    """The claim is the value or a list with it."""
    either = [_is(value), {"list_match": {"one_of": _is(value)}}]
    return _metadata(JWT, ("jwt", claim), {"or_match": {"value_matchers": either}})


def _any(*principals: Json) -> Json:
    return principals[0] if len(principals) == 1 else {"or_ids": {"ids": list(principals)}}


def _all(*principals: Json) -> Json:
    return principals[0] if len(principals) == 1 else {"and_ids": {"ids": list(principals)}}


def _deny(policies: Json, rules: str = "rules") -> Json:
    return {"@type": HTTP + "rbac.v3.RBACPerRoute", "rbac": {rules: {"action": "DENY", "policies": policies}}}


def _policy(*principals: Json, permissions: list[Json] | None = None) -> Json:
    return {"permissions": permissions or [{"any": True}], "principals": list(principals)}


def _credential(kind: str) -> Json:
    return _metadata(NAMESPACE, ("credential",), _is(kind))


def credential_reason(accepts: frozenset[str]) -> str:
    """Why a verified credential of another kind is refused. Lua refuses JWE and keys before that."""
    if "jws" in accepts:
        return "credential_refused"  # only when the Lua filter failed
    return "encryption_required" if "jwe" in accepts else "signed_token_refused"


def _protection(v: Version) -> Json:
    """Every rule denies what it cannot find: not_id of a missing value is true."""
    plain = {"name": "authorization", "string_match": {"safe_regex": {"regex": ONE_BEARER}}}
    access = {
        "malformed_token": _policy({"not_id": {"header": plain}}),
        "wrong_audience": _policy({"not_id": _claim_contains("aud", v.audience)}),
        "wrong_type": _policy({"not_id": _metadata(JWT, ("jwt_header", "typ"), _is("at+jwt"))}),
    }
    by_proof = _credential("dpop")
    bound = _metadata(JWT, ("jwt", "cnf", "jkt"), {"present_match": True})
    access["proof_missing"] = _policy(_all(bound, {"not_id": by_proof}))  # a bound token sent as Bearer
    per_filter: Json = {JWT: {"@type": HTTP + "jwt_authn.v3.PerRouteConfig", "requirement_name": v.requirement}}
    if v.dpop == "required":
        access["dpop_required"] = _policy({"not_id": _any(by_proof, _credential("key"), _credential("cert"))})
    if v.asks:
        kinds = _any(*(_credential(k) for k in sorted(v.accepts | {"dpop"})))
        access[credential_reason(v.accepts)] = _policy({"not_id": kinds})
        context = {"audience": v.audience, "accepts": " ".join(sorted(v.accepts)), "dpop": v.dpop}
        context["closures"] = str(v.closures)
        per_filter[CREDENTIAL] = {"@type": HTTP + "lua.v3.LuaPerRoute", "filter_context": context}
    if any(op.scopes for op in v.operations):
        disguised = {"url_path": {"path": {"safe_regex": {"regex": DISGUISED}}}}
        access["disguised_path"] = _policy({"any": True}, permissions=[disguised])
    if v.refused_clients:
        clients = [_metadata(JWT, ("jwt", "client_id"), _is(c)) for c in sorted(v.refused_clients)]
        access["subscription_ended"] = _policy(*clients)
    per_filter[ACCESS] = _deny(access)
    return per_filter | _scopes(v)


def _scopes(v: Version) -> Json:
    needed: dict[str, list[Operation]] = {}
    for op in v.operations:
        if op.scopes:
            needed.setdefault(" ".join(op.scopes), []).append(op)
    if not needed:
        return {}
    # The metadata of an RBAC filter is set after its own local reply was written. So the filter `scope` only
    # notes (shadow rules) which scope is missing, and `scope_gate` behind it refuses all but "allowed".
    missing = {
        name: _policy(
            {"not_id": _all(*(_claim_contains("scope", s) for s in name.split(" ")))},
            permissions=[_permission(op) for op in ops],
        )
        for name, ops in needed.items()
    }
    allowed = _metadata(RBAC, ("shadow_engine_result",), _is("allowed"))
    return {
        SCOPE: _deny(missing, rules="shadow_rules"),
        SCOPE_GATE: _deny({"insufficient_scope": _policy({"not_id": allowed})}),
    }


def _permission(op: Operation) -> Json:
    method = {"header": {"name": ":method", "string_match": {"safe_regex": {"regex": "|".join(op.methods)}}}}
    path = {"url_path": {"path": {"safe_regex": {"regex": op.path}}}}
    return {"and_rules": {"rules": [method, path]}}


def rewrite(prefix: str, base: str) -> Json:
    """/orders/v1/x?y -> base + /x?y; /orders/v1 -> base, or / when there is none.

    prefix_rewrite "/" would make //x of it, so an empty base takes the slash with it.
    """
    base = base.rstrip("/")
    pattern = "^" + re.escape(prefix) + ("" if base else "/?")
    return {"pattern": {"regex": pattern}, "substitution": base.replace("\\", "\\\\") or "/"}


def _route(v: Version) -> Json:
    route: Json = {
        "name": v.name,
        "match": {"path_separated_prefix": v.prefix},
        "metadata": {"filter_metadata": {NAMESPACE: _facts(v)}},
    }
    if v.response_headers:
        route["response_headers_to_add"] = [set_header(k, literal(x)) for k, x in v.response_headers]
    return route | (_unserved(v, route) or _served(v))


def _unserved(v: Version, route: Json) -> Json:
    """What is answered without a backend; nothing for a version that has one."""
    if v.state == "retired":
        return problem_response(410, "version_retired", "This version of the API is retired", v.detail)
    if v.state == "stopped":
        later = [*route.get("response_headers_to_add", []), set_header("retry-after", "60")]
        answer = problem_response(503, "version_stopped", "This version of the API is switched off", v.detail)
        return answer | {"response_headers_to_add": later}
    return _mock(v) if v.state == "mock" else {}


def _served(v: Version) -> Json:
    if v.origin is None:
        raise ValueError(f"{v.name} has no backend")
    route: Json = {}
    route["route"] = {
        "cluster": v.backend,
        "timeout": duration(v.timeout),
        "regex_rewrite": rewrite(v.prefix, v.origin.base),
        "host_rewrite_literal": v.origin.authority,
        "append_x_forwarded_host": True,
        **rate_limits(v),
    }
    if v.state == "protected":  # key and proof are for the gateway; an open API's backend may ask for its own
        route["request_headers_to_remove"] = ["x-api-key", "dpop"]
    if v.keeps:  # only the API can open it: the gateway checked what stands for it, the backend gets it as it came
        sent = set_header("authorization", f"%DYNAMIC_METADATA({NAMESPACE}:keeps)%")
        route["request_headers_to_add"] = [sent]
    per_filter = (_protection(v) if v.state == "protected" else {}) | quota_of(v) | limits_of(v)
    if v.body_bytes:
        per_filter[BODIES] = {"@type": HTTP + "lua.v3.LuaPerRoute", "filter_context": {"bytes": str(v.body_bytes)}}
    if v.cors_origins:  # the cors filter answers a preflight of these origins itself, before jwt_authn
        per_filter["envoy.filters.http.cors"] = _cors(v.cors_origins)
    if per_filter:
        route["typed_per_filter_config"] = per_filter
    return route


def _facts(v: Version) -> Json:
    """What log records and answers of this route are told."""
    return {"version": str(v.number), "audience": v.audience, "scheme": v.scheme} | limit_metadata(v)


def _mock(v: Version) -> Json:
    """The console answers. The cluster puts the node's credential in the place of the caller's, which nobody asked for."""
    to = {"cluster": MOCKS, "timeout": "10s", "regex_rewrite": rewrite(v.prefix, f"/mock/{v.number}")}
    headers = ["cookie", "x-api-key", "dpop"]
    return {"route": to | {"host_rewrite_literal": "console"}, "request_headers_to_remove": headers}


def _routes(v: Version) -> list[Json]:
    """One; or two where only proofs have to be asked about, so that plain tokens do without the Lua filter's time."""
    if v.state != "protected" or v.accepts != {"jws"} or v.dpop != "optional":
        return [_route(v)]
    proven = _route(v)
    by_proof = {"name": "authorization", "string_match": {"prefix": "DPoP ", "ignore_case": True}}
    proven["match"] = proven["match"] | {"headers": [by_proof]}
    return [proven, _route(replace(v, dpop="off"))]


def _cors(origins: tuple[str, ...]) -> Json:
    return {
        "@type": HTTP + "cors.v3.CorsPolicy",
        "allow_origin_string_match": [{"exact": o} for o in origins],
        "allow_methods": "GET, POST, PUT, PATCH, DELETE",
        "allow_headers": "authorization, content-type, x-api-key, dpop",
        "expose_headers": "www-authenticate, x-request-id, deprecation, sunset, link, retry-after, ratelimit, ratelimit-policy",
        "max_age": "600",
    }


def problem_response(status: int, reason: str, title: str, detail: str) -> Json:
    """direct_response has no content type of its own (text/plain): the header must be set on the route."""
    body = json.dumps({"type": PROBLEM + reason, "title": title, "status": status, "detail": detail})
    return {
        "direct_response": {"status": status, "body": {"inline_string": body}},
    }


def routes(versions: list[Version], revoked: list[str]) -> Json:
    # longest prefix first: Envoy takes the first match
    table = []
    for v in sorted(versions, key=lambda v: (-len(v.prefix), v.prefix)):
        table += [_with_type(route) for route in _routes(v)]
    table.append(
        {
            "name": "health",
            "match": {"path": HEALTH},
            "direct_response": {"status": 200, "body": {"inline_string": '{"status":"ok"}'}},
            "response_headers_to_add": [set_header("content-type", "application/json")],
        }
    )
    nothing = problem_response(
        404, "no_such_api", "No such API", "No API is published at this path. The developer portal lists them."
    )
    table.append(_with_type({"name": "no-such-api", "match": {"prefix": "/"}, **nothing}))
    host: Json = {"name": "all", "domains": ["*"], "routes": table}
    if revoked:
        host["typed_per_filter_config"] = {REVOKED: on_header("x-token-jti", revoked, REVOKED)}
    return {"@type": T + "envoy.config.route.v3.RouteConfiguration", "name": ROUTES, "virtual_hosts": [host]}


def _with_type(route: Json) -> Json:
    if "direct_response" in route:
        headers = route.setdefault("response_headers_to_add", [])
        headers.append(set_header("content-type", "application/problem+json"))
    return route
