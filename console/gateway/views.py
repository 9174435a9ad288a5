"""Gateway nodes: what each serves, and how a new one joins."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import StringField
from wtforms.validators import InputRequired, Regexp

from ..accounts.actions import make_enrolment
from ..accounts.models import Permission
from ..db import now
from ..logs.completeness import gaps
from ..runtime import generation, runtime
from ..web.access import me, requires
from ..web.forms import Form, sent_twice
from ..web.htmx import render, secret_page
from . import actions, queries

blueprint = Blueprint("gateway", __name__)
P = Permission


class NodeForm(Form):
    name = StringField(
        "Name",
        [
            InputRequired("Name the node, such as gw-osl-1."),
            Regexp(r"[a-z0-9][a-z0-9.-]{0,59}$", message="Lower-case letters, digits, dots and dashes."),
        ],
    )


@blueprint.get("/nodes")
@requires(P.READ_NODES)
def index() -> Response:
    return _page(NodeForm())


def _page(form: NodeForm, status: int = 200) -> Response:
    context: dict[str, Any] = {"nodes": queries.all_nodes(), "generation": generation(0), "form": form}
    return render("gateway/index.html", part="gateway/_table.html", status=status, **context)


@blueprint.post("/nodes")
@requires(P.MANAGE_NODES)
def invite() -> Response:
    form = NodeForm(request.form)
    if not form.validate():
        return _page(form, 422)
    if sent_twice():
        return redirect(url_for("gateway.index"))
    link, code = make_enrolment(form.name.data or "", by=me())
    return secret_page("gateway/invited.html", link=link, code=code, console=runtime().config.public_url)


@blueprint.get("/nodes/<int:node_id>")
@requires(P.READ_NODES)
def show(node_id: int) -> Response:
    node = queries.find_node(node_id)
    context: dict[str, Any] = {
        "node": node,
        "generation": generation(0),
        "gaps": gaps(now() - timedelta(days=7), now(), frozenset({node.id})),
        "node_names": {node.id: node.name},
    }
    return render("gateway/show.html", **context)


@blueprint.post("/nodes/<int:node_id>/remove")
@requires(P.MANAGE_NODES)
def remove(node_id: int) -> Response:
    node = queries.find_node(node_id)
    actions.remove_node(node, by=me())
    flash(f"{node.name} is not asked or told anything any more. Switch it off.", "ok")
    return redirect(url_for("gateway.index"))
