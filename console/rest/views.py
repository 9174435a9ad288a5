"""The REST API at /api/v1: every entry of the table becomes a route. What it is and does is in docs/rest.md."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import yaml
from flask import Response

from ..accounts.models import Permission
from ..runtime import runtime
from ..web.access import Programs, requires
from . import (
    account_views,
    api_views,
    application_views,
    bearer,
    move_views,
    plan_views,
    reading_views,
    review_views,
    subscription_views,
)
from .answers import ROOT, json
from .document import document
from .operations import OPERATIONS, Asked, Operation, operation, run

P = Permission
TAG = "This document"
blueprint = Programs("rest", prefix=ROOT, who=bearer.who, denied=bearer.denied)
MODULES = (
    account_views, api_views, move_views, review_views, plan_views, application_views, subscription_views, reading_views,
)  # fmt: skip


@operation("GET", "/openapi.json", P.PUBLIC, tag=TAG, answer="OpenApi")
def show_openapi_json(asked: Asked) -> Response:
    """Read the OpenAPI document of this API, as JSON."""
    return json(document(runtime().config.public_url))


@operation("GET", "/openapi.yaml", P.PUBLIC, tag=TAG, answer="yaml")
def show_openapi_yaml(asked: Asked) -> Response:
    """Read the OpenAPI document of this API, as YAML."""
    said = yaml.dump(
        document(runtime().config.public_url), Dumper=Plain, sort_keys=False, allow_unicode=True, width=120
    )
    return Response(said, mimetype="application/yaml")


class Plain(yaml.SafeDumper):
    """Without anchors: what is there twice is written twice."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _route(one: Operation) -> Callable[..., Response]:
    @requires(one.permission)
    def view(**path: Any) -> Response:
        return run(one, **path)

    return view


for one in OPERATIONS:
    blueprint.add_url_rule(one.rule, one.name, _route(one), methods=[one.method], provide_automatic_options=False)
