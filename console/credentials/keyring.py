"""The installation's own keys: what signs tokens, on a time line; rotate, revoke, and what verifiers see."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..apis.queries import names
from ..db import now
from ..runtime import runtime
from ..web.access import me, requires
from ..web.htmx import render
from . import queries, rotation, signing
from .algorithms import ES256, PUBLISHED_SIGNING
from .models import KeyState
from .timeline import timeline

blueprint = Blueprint("keyring", __name__)
P = Permission
ORDER = (KeyState.ACTIVE, KeyState.NEXT, KeyState.RETIRING, KeyState.REVOKED, KeyState.RETIRED)


@blueprint.get("/keys")
@requires(P.READ_KEYS)
def index() -> Response:
    encryption = queries.encryption_keys()
    keys = [key for key in queries.signing_keys() if key.version_id == 0]
    keys.sort(key=lambda key: (PUBLISHED_SIGNING.index(key.alg), ORDER.index(key.state)))
    context: dict[str, Any] = {
        "signing": keys,
        "drawn": timeline(keys, now()),
        "encryption": encryption,
        "versions": names({k.version_id for k in encryption}),
        "jwks": orjson.dumps(signing.jwks(), option=orjson.OPT_INDENT_2).decode(),
        "rotation": rotation,
        "every_days": runtime().config.signing_key_days,
        "now": now(),
    }
    return render("credentials/index.html", **context)


@blueprint.post("/keys/rotate")
@requires(P.MANAGE_KEYS)
def rotate() -> Response:
    alg = request.form.get("alg", ES256)
    signing.rotate_signing_key(alg, by=me())
    flash(f"The next {alg} key signs now. The one before stays published until its last token has expired.", "ok")
    return redirect(url_for("keyring.index"))


@blueprint.post("/keys/<kid>/revoke")
@requires(P.MANAGE_KEYS)
def revoke(kid: str) -> Response:
    signing.revoke_signing_key(queries.find_signing_key(kid), by=me())
    flash("That key is unpublished, and every token it signed is refused from now on.", "ok")
    return redirect(url_for("keyring.index"))
