"""Trying an operation from its page in the catalog."""

from __future__ import annotations

from flask import Blueprint, request
from werkzeug.wrappers import Response

from ..accounts.models import Permission
from ..apis import queries
from ..apis.models import ApiVersion
from ..applications.queries import own_subscribers
from ..db import db, unit_of_work, will_write
from ..errors import Refused
from ..web.access import me, requires
from . import reference, trying
from .documents import document_of
from .outline import Entry
from .reference_views import find_entry, operation_page
from .try_form import TryForm
from .trying import Prepared, Tried

blueprint = Blueprint("trying", __name__)
P = Permission


@blueprint.post("/catalog/<slug>/<number>/operations/<anchor>/try")
@requires(P.USE_APPLICATIONS)
def try_operation(slug: str, number: str, anchor: str) -> Response:
    version, form = queries.find_in_catalog(slug, number, by=me()), TryForm(request.form)
    entry = find_entry(version, anchor)
    tried = _try(version, entry, form) if form.validate() else None
    response = operation_page(version, entry, form, tried, 200 if tried else 422)
    response.headers["Cache-Control"] = "no-store"  # it holds what the API answered to this developer
    return response


def _try(version: ApiVersion, entry: Entry, form: TryForm) -> Tried | None:
    """None when it is refused, and then the form says why."""
    document = document_of(version)
    described = reference.describe(document, entry.operation)
    values = {name: text for name, text in request.form.items() if "." in name}
    try:
        prepared = trying.prepare(version, document, described, values, form.media.data or "", form.body.data or "")
        return _call(version, prepared, form.application.data or 0)
    except Refused as refused:
        db.session.rollback()
        form.refuse(refused)
        return None
    finally:
        will_write()  # as in every request that is no mere reading; the call below went on without


def _call(version: ApiVersion, prepared: Prepared, application_id: int) -> Tried:
    """Issue, call, withdraw: the credential must be in the database before, and no transaction may wait for the gateway."""
    with unit_of_work():
        application = next((a for a in own_subscribers(me(), version.id) if a.id == application_id), None)
        permit = trying.issue_permit(application, version, by=me())
    try:
        return trying.send(prepared, permit)
    finally:
        if permit.key_id:
            with unit_of_work():
                trying.withdraw(permit, by=me())
