"""Rate limits by plan, and quotas that are used up.

The buckets are in the filter, which is part of the listener; routes say which bucket a call takes from. So they stay as
they are when routes change, which happens with every revocation. A limit that no plan had before changes the listener,
and all buckets are full again. They are this node's own: two nodes together let twice as much through.

What has an empty value in a descriptor gets a bucket for each of its values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable

from .base import HTTP, LIMIT_HEADERS, LIMITS, NAMESPACE, QUOTA, Json, Plan, T, Version, set_header

MOST_BUCKETS = (
    20_000  # of one limit; the one that was not used for the longest time is forgotten, and full when used again
)
NONE, OTHER = "", "-"  # no plan is called so: of callers without one, and of those whose plan is not known any more
POLICIES = f"xds.route_metadata.filter_metadata['{NAMESPACE}'].policies"
RESETS = f"xds.route_metadata.filter_metadata['{NAMESPACE}'].resets[request.headers['x-client-id']]"


def limits_filter(versions: Iterable[Version]) -> Json | None:
    """Nothing where no plan has a limit."""
    limits = sorted({(plan.requests, plan.per_s, plan.limit, _caller(v)) for v in versions for plan in v.limited})
    if not limits:
        return None
    always = {"default_value": {"numerator": 100}}
    config = {
        "@type": HTTP + "local_ratelimit.v3.LocalRateLimit",
        "stat_prefix": "gatewright",
        "filter_enabled": always,
        "filter_enforced": always,
        "enable_x_ratelimit_headers": "DRAFT_VERSION_03",
        "max_dynamic_descriptors": MOST_BUCKETS,
        "descriptors": [
            {
                "entries": [{"key": "limit", "value": limit}, {"key": "version"}, {"key": caller}],
                "token_bucket": {"max_tokens": requests, "tokens_per_fill": requests, "fill_interval": f"{per_s}s"},
            }
            for requests, per_s, limit, caller in limits
        ],
    }
    return {"name": LIMITS, "typed_config": config}


def _caller(v: Version) -> str:
    """What tells callers apart: the key of a descriptor. The one of addresses is Envoy's."""
    return "masked_remote_address" if v.state == "open" else "client_id"


def strictest(v: Version) -> Plan:
    """For those whose plan this version does not have any more, and for those who show nothing at an open one."""
    return min(v.limited, key=lambda plan: (plan.requests / plan.per_s, plan.requests))


def rate_limits(v: Version) -> Json:
    """Of the action of a route."""
    if not v.limited:
        return {}
    if v.state == "open":
        fixed = {"generic_key": {"descriptor_key": "limit", "descriptor_value": strictest(v).limit}}
        return {"rate_limits": [_bucket(v, fixed, {"masked_remote_address": {"v6_prefix_mask_len": 64}})]}
    caller = {"request_headers": {"header_name": "x-client-id", "descriptor_key": _caller(v)}}
    return {"rate_limits": [_bucket(v, chosen, caller) for chosen in _choices(v)]}


def _bucket(v: Version, limit: Json, caller: Json) -> Json:
    version = {"generic_key": {"descriptor_key": "version", "descriptor_value": str(v.number)}}
    return {"actions": [limit, version, caller]}


def _choices(v: Version) -> list[Json]:
    """One for each plan; and one for all that are named and not known."""
    named = [_when(plan.limit, {"string_match": {"exact": plan.name}}) for plan in v.limited]
    known = "|".join(re.escape(plan.name) for plan in v.plans)
    unknown = {"string_match": {"safe_regex": {"regex": known}}, "invert_match": True}
    return [*named, _when(strictest(v).limit, {"present_match": True}, unknown)]


def _when(limit: str, *plan: Json) -> Json:
    headers = [{"name": "x-plan", **is_so} for is_so in plan]
    return {"header_value_match": {"descriptor_key": "limit", "descriptor_value": limit, "headers": headers}}


def limits_of(v: Version) -> Json:
    """Per filter: RateLimit and RateLimit-Policy (draft-ietf-httpapi-ratelimit-headers-10) beside what Envoy tells."""
    if not v.limited:
        return {}
    told = [("ratelimit", _of_plan("left") + "%RESP(x-ratelimit-remaining)%"), ("ratelimit-policy", _of_plan("policy"))]
    mutations = {"response_mutations": [{"append": set_header(name, value)} for name, value in told]}
    return {LIMIT_HEADERS: {"@type": HTTP + "header_mutation.v3.HeaderMutationPerRoute", "mutations": mutations}}


def _of_plan(what: str) -> str:
    said = "request.headers['x-plan']"
    plan = f"'x-plan' in request.headers ? ({said} in {POLICIES} ? {said} : '{OTHER}') : '{NONE}'"
    return f"%CEL({POLICIES}[{plan}].{what})%"


def limit_metadata(v: Version) -> Json:
    """Of a route: what its callers are told of their plan, and when which quota is refilled."""
    said: Json = {"resets": dict(v.exhausted)} if v.exhausted else {}
    if v.limited:
        known = {plan.name: _policy(plan) for plan in v.plans} if v.state == "protected" else {}
        least = _policy(strictest(v))
        said["policies"] = known | {OTHER: least, NONE: least if v.state == "open" else UNLIMITED}
    return said


UNLIMITED = {"policy": "", "left": ""}


def _policy(plan: Plan) -> Json:
    if not plan.requests:
        return UNLIMITED
    name = re.sub(r"[^\w.-]", "", plan.name, flags=re.ASCII)
    return {
        "policy": f'"{name}";q={plan.requests};w={plan.per_s}',
        "left": f'"{name}";r=',
        "retry": str(math.ceil(plan.per_s / plan.requests)),  # buckets fill all the time: so long for one more call
        "text": f"{plan.requests} requests in {plan.per_s} seconds",
    }


RETRY_AFTER = _of_plan("retry")
ALLOWED = _of_plan("text")
REFILLED = f"%CEL({RESETS})%"


def quota_of(v: Version) -> Json:
    """Per filter."""
    clients = [client_id for client_id, _ in v.exhausted]
    return {QUOTA: on_header("x-client-id", clients, "quota_exhausted")} if clients else {}


def on_header(name: str, values: Iterable[str], policy: str) -> Json:
    """Refuse requests in which the header has one of the values; found by hash, so a thousand cost what one costs."""

    def action(called: str, **more: str) -> Json:
        typed = {"@type": T + "envoy.config.rbac.v3.Action", "name": called, **more}
        return {"action": {"name": "action", "typed_config": typed}}

    header = {"@type": T + "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", "header_name": name}
    deny = action(policy, action="DENY")
    matcher = {
        "on_no_match": action("none"),
        "matcher_tree": {
            "input": {"name": "header", "typed_config": header},
            "exact_match_map": {"map": dict.fromkeys(sorted(set(values)), deny)},
        },
    }
    return {"@type": HTTP + "rbac.v3.RBACPerRoute", "rbac": {"matcher": matcher}}
