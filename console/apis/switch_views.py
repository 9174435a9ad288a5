"""The emergency stop, the switch, the mock, and who finds an API in the catalog."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..web.access import me, requires
from . import actions, queries, switches
from .lifecycle import to_version

blueprint = Blueprint("switches", __name__)
P = Permission


def _reason() -> str:
    return request.form.get("reason", "").strip()


@blueprint.post("/apis/<slug>/<number>/block")
@requires(P.MANAGE_APIS)
def block(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    switches.block_version(version, _reason(), by=me())
    flash(f"{version.name} is blocked. Callers get 503 with your reason.", "ok")
    return to_version(version)


@blueprint.post("/apis/<slug>/<number>/unblock")
@requires(P.MANAGE_APIS)
def unblock(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    switches.unblock_version(version, by=me())
    flash(f"{version.name} is served again.", "ok")
    return to_version(version)


@blueprint.post("/apis/<slug>/<number>/stop")
@requires(P.MANAGE_APIS)
def stop(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    switches.stop_version(version, _reason(), by=me())
    flash(f"{version.name} is switched off. The catalog shows it all the same.", "ok")
    return to_version(version)


@blueprint.post("/apis/<slug>/<number>/start")
@requires(P.MANAGE_APIS)
def start(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    switches.start_version(version, by=me())
    flash(f"{version.name} is switched on.", "ok")
    return to_version(version)


@blueprint.post("/apis/<slug>/<number>/mock")
@requires(P.MANAGE_APIS)
def mock(slug: str, number: str) -> Response:
    version, mocked = queries.find_version(slug, number), request.form.get("mocked") == "1"
    switches.mock_version(version, mocked, by=me())
    flash(f"The gateways answer {version.url} from its examples." if mocked else "The mock is off.", "ok")
    return to_version(version)


@blueprint.post("/apis/<slug>/<number>/visibility")
@requires(P.MANAGE_APIS)
def visibility(slug: str, number: str) -> Response:
    version = queries.find_version(slug, number)
    actions.change_visibility(version.api, request.form.get("visibility", ""), by=me())
    flash(f"{version.api.name} is {WORDS[version.api.visibility]}.", "ok")
    return redirect(url_for("apis.settings" if version.is_serving else "apis.show", slug=slug, number=number))


WORDS = {
    "team": "in the catalog of its own team only",
    "internal": "in the catalog of everybody who signs in",
    "public": "in the catalog that anybody may read",
}
