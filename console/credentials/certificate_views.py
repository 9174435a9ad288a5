"""Certificates of an application, which it shows to gateways."""

from __future__ import annotations

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import TextAreaField
from wtforms.validators import InputRequired, Length

from ..accounts.models import Permission
from ..applications.models import Application
from ..applications.queries import find_own_application
from ..web.access import me, requires
from ..web.forms import Form
from ..web.htmx import render
from . import certificates, queries

blueprint = Blueprint("certificates", __name__)
P = Permission


class CertificateForm(Form):
    pem = TextAreaField("Certificate (PEM)", [InputRequired("Paste the certificate."), Length(max=20_000)])


def _page(application: Application, form: CertificateForm, status: int = 200) -> Response:
    return render("credentials/certificate.html", status=status, application=application, form=form)


@blueprint.get("/applications/<int:application_id>/certificates/new")
@requires(P.USE_APPLICATIONS)
def new(application_id: int) -> Response:
    return _page(find_own_application(application_id, by=me()), CertificateForm())


@blueprint.post("/applications/<int:application_id>/certificates/new")
@requires(P.USE_APPLICATIONS)
def register(application_id: int) -> Response:
    application, form = find_own_application(application_id, by=me()), CertificateForm(request.form)
    if form.validate():
        form.attempt(_register, application, form)
    if form.errors:
        return _page(application, form, 422)
    flash("From now on the application may show this certificate to gateways.", "ok")
    return redirect(url_for("applications.show", application_id=application_id))


def _register(application: Application, form: CertificateForm) -> None:
    certificate = certificates.parse_certificate(form.pem.data or "")
    certificates.register_certificate(application, certificate, by=me())


@blueprint.post("/applications/<int:application_id>/certificates/<int:certificate_id>/revoke")
@requires(P.USE_APPLICATIONS)
def revoke(application_id: int, certificate_id: int) -> Response:
    application = find_own_application(application_id, by=me())
    certificates.revoke_certificate(queries.find_certificate(application, certificate_id), by=me())
    flash("Every gateway refuses that certificate within two seconds.", "ok")
    return redirect(url_for("applications.show", application_id=application_id))
