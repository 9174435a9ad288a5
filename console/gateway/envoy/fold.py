"""Everything in one static bootstrap, for ``envoy --mode validate`` before it is applied."""

from __future__ import annotations

import copy
from typing import Any

from .base import Json


def fold(boot: Json, listener_: Json, clusters_: list[Json], routes_: Json, secret_: Json) -> Json:
    """One static bootstrap of everything, for ``envoy --mode validate`` before a revision is published."""

    def plain(x: Any) -> Any:
        if isinstance(x, dict):
            return {k: plain(v) for k, v in x.items() if k != "sds_config"}
        return [plain(v) for v in x] if isinstance(x, list) else x

    def untyped(x: Json) -> Json:
        return {k: v for k, v in x.items() if k != "@type"}

    folded: Json = plain(copy.deepcopy(boot))
    del folded["dynamic_resources"]
    folded.pop("admin", None)
    gateway = untyped(copy.deepcopy(listener_))
    for chain in gateway["filter_chains"]:
        for f in chain["filters"]:
            if f["typed_config"].pop("rds", None) is not None:
                f["typed_config"]["route_config"] = untyped(routes_)
    static = folded["static_resources"]
    static["listeners"] = [gateway]
    static["clusters"] = static["clusters"] + [untyped(c) for c in clusters_]
    static["secrets"] = [untyped(secret_)]
    return folded
