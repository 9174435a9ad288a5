"""Registering oneself, and who may; and what a team wants before its APIs are published."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response
from wtforms import BooleanField, RadioField, TextAreaField
from wtforms.validators import Length, Optional

from .. import mail
from ..runtime import runtime
from ..web.access import me, refuse_plain_http, requires
from ..web.forms import Form
from ..web.htmx import render
from . import actions, queries, registration, throttle
from .forms import EmailForm, InvitationForm
from .models import Permission, Purpose
from .registration import Mode
from .views import welcome

blueprint = Blueprint("registration", __name__)
P = Permission
MODES = [
    (Mode.INVITATION, "By invitation"),
    (Mode.DOMAIN, "From certain mail domains"),
    (Mode.OPEN, "Open to anybody"),
]


class RegistrationForm(Form):
    mode = RadioField("Developers get an account", choices=MODES)
    domains = TextAreaField("Mail domains", [Optional(), Length(max=4000)])


class RulesForm(Form):
    review_required = BooleanField("Publish only what a reviewer has approved")
    four_eyes = BooleanField("Nobody approves a review that she asked for")


@blueprint.get("/register")
@requires(P.PUBLIC)
def form() -> Response:
    refuse_plain_http()
    return render("accounts/register.html", form=EmailForm(), sent=False, rules=registration.registration())


@blueprint.post("/register")
@requires(P.PUBLIC)
def ask() -> Response:
    refuse_plain_http()
    rules, asked = registration.registration(), EmailForm(request.form)
    if asked.validate() and throttle.waiting_time("", request.remote_addr or "") > timedelta():
        asked.form_errors.append("Too many attempts from this address. Try again later.")
    token = (
        None
        if asked.errors
        else asked.attempt(registration.ask_to_register, asked.email.data or "", request.remote_addr or "")
    )
    if asked.errors:
        return render("accounts/register.html", status=422, form=asked, sent=False, rules=rules)
    if token:
        url = runtime().config.public_url + url_for("registration.finish_form", token=token)
        text = f"Choose your name and password here within seven days:\n{url}\n\nIf you did not ask for it, do nothing."
        mail.send_soon(runtime().config, asked.email.data or "", "Your Gatewright account", text)
    return render("accounts/register.html", form=asked, sent=True, rules=rules)


@blueprint.get("/register/<token>")
@requires(P.PUBLIC)
def finish_form(token: str) -> Response:
    refuse_plain_http()
    link = actions.find_link(token, Purpose.REGISTRATION)
    return render("accounts/invitation.html", form=InvitationForm(), link=link)


@blueprint.post("/register/<token>")
@requires(P.PUBLIC)
def finish(token: str) -> Response:
    refuse_plain_http()
    link, chosen = actions.find_link(token, Purpose.REGISTRATION), InvitationForm(request.form)
    if chosen.validate():
        person = chosen.attempt(actions.register, token, name=chosen.name.data, password=chosen.password.data)
        if person is not None:
            return welcome(person, "/catalog")
    return render("accounts/invitation.html", status=422, form=chosen, link=link)


@blueprint.get("/people/registration")
@requires(P.READ_PEOPLE)
def rules() -> Response:
    now_ = registration.registration()
    return _rules(RegistrationForm(mode=now_.mode, domains="\n".join(now_.domains)))


def _rules(chosen: RegistrationForm, status: int = 200) -> Response:
    return render("people/registration.html", status=status, form=chosen, modes=MODES, smtp=runtime().config.smtp_url)


@blueprint.post("/people/registration")
@requires(P.MANAGE_PEOPLE)
def change() -> Response:
    chosen = RegistrationForm(request.form)
    if chosen.validate():
        domains = (chosen.domains.data or "").replace(",", " ").split()
        chosen.attempt(registration.change_registration, chosen.mode.data, domains, by=me())
    if chosen.errors:
        return _rules(chosen, 422)
    flash("From now on developers get an account like that.", "ok")
    return redirect(url_for("people.index"))


@blueprint.get("/teams/<int:team_id>")
@requires(P.READ_PEOPLE)
def team(team_id: int) -> Response:
    found = queries.find_team(team_id)
    chosen = RulesForm(review_required=found.review_required, four_eyes=found.four_eyes)
    return render("people/team.html", team=found, form=chosen)


@blueprint.post("/teams/<int:team_id>")
@requires(P.MANAGE_PEOPLE)
def change_team(team_id: int) -> Response:
    found, chosen = queries.find_team(team_id), RulesForm(request.form)
    wanted = {"review_required": chosen.review_required.data, "four_eyes": chosen.four_eyes.data}
    actions.change_team_rules(found, **wanted, by=me())
    flash(f"The rules of {found.name} are saved.", "ok")
    return redirect(url_for("registration.team", team_id=found.id))
