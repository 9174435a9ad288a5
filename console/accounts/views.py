"""Signing in and out, first set-up, invitations, password reset."""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, flash, g, redirect, request, url_for
from flask_login import current_user, login_user
from werkzeug.wrappers import Response

from .. import mail
from ..audit.actions import record
from ..audit.models import Action
from ..db import now, release
from ..runtime import runtime
from ..web import session
from ..web.access import local_path, me, refuse_plain_http, requires
from ..web.filters import distance
from ..web.htmx import render
from . import actions, throttle
from .forms import EmailForm, InvitationForm, LoginForm, PasswordForm, SetupForm
from .models import Permission, Person, Purpose
from .passwords import verify_password
from .queries import has_people, person_by_email
from .registration import Mode, registration

blueprint = Blueprint("accounts", __name__)
P = Permission


@blueprint.get("/login")
@requires(P.PUBLIC)
def login() -> Response:
    refuse_plain_http()
    if current_user.is_authenticated:
        return redirect(local_path(request.args.get("next")))
    return render("accounts/login.html", form=LoginForm(), next=request.args.get("next", ""), first=not has_people())


@blueprint.app_template_global()
def may_register() -> bool:
    return registration().mode != Mode.INVITATION


@blueprint.post("/login")
@requires(P.PUBLIC)
def sign_in() -> Response:
    refuse_plain_http()
    form, target = LoginForm(request.form), request.form.get("next", "")
    email, password = form.email.data or "", form.password.data or ""
    if not form.validate():
        return render("accounts/login.html", status=422, form=form, next=target, first=False)
    wait = throttle.waiting_time(email.lower(), request.remote_addr or "")
    if wait > timedelta():
        return _ask_to_wait(form, target, wait)
    person = person_by_email(email)
    stored = person.password_hash if person else None
    release()  # the hash takes a while; nobody should wait for the database meanwhile
    if not verify_password(password, stored) or person is None or not person.is_active:
        return _refuse_sign_in(form, target, person)
    wait = throttle.waiting_time(email.lower(), request.remote_addr or "")
    if wait > timedelta():  # others were tried while this one was checked
        return _ask_to_wait(form, target, wait)
    return welcome(person, target)


def _ask_to_wait(form: LoginForm, target: str, wait: timedelta) -> Response:
    form.form_errors.append(f"Too many attempts. Try again in {distance(max(wait, timedelta(seconds=1)))}.")
    return render("accounts/login.html", status=429, form=form, next=target, first=False)


def _refuse_sign_in(form: LoginForm, target: str, person: Person | None) -> Response:
    throttle.note_failure((form.email.data or "").lower(), request.remote_addr or "")
    if person is not None:
        record(Action.SESSION_REFUSED, person)
    g.keep = True  # the failure must be remembered although nobody is let in
    form.form_errors.append("The e-mail address or the password is wrong.")
    return render("accounts/login.html", status=422, form=form, next=target, first=False)


def welcome(person: Person, target: str) -> Response:
    throttle.forget_failures(person.email, request.remote_addr or "")
    session.rotate()
    login_user(person)
    person.signed_in_at = now()
    record(Action.SESSION_OPENED, person, by=person)
    return redirect(local_path(target))


@blueprint.post("/logout")
@requires(P.SIGNED_IN)
def logout() -> Response:
    record(Action.SESSION_ENDED, me(), by=me())
    session.end()
    response = redirect(url_for("accounts.login"))
    response.delete_cookie(
        session.cookie_name(), path="/", secure=runtime().config.https, httponly=True, samesite="Lax"
    )
    return response


@blueprint.get("/setup/<token>")
@requires(P.PUBLIC)
def setup(token: str) -> Response:
    refuse_plain_http()
    actions.find_link(token, Purpose.SETUP)
    return render("accounts/setup.html", form=SetupForm())


@blueprint.post("/setup/<token>")
@requires(P.PUBLIC)
def set_up(token: str) -> Response:
    refuse_plain_http()
    form = SetupForm(request.form)
    if form.validate():
        values = {"name": form.name.data, "email": form.email.data, "password": form.password.data}
        if person := form.attempt(actions.set_up, token, **values):
            return welcome(person, "/")
    return render("accounts/setup.html", status=422, form=form)


@blueprint.get("/invitations/<token>")
@requires(P.PUBLIC)
def invitation(token: str) -> Response:
    refuse_plain_http()
    return render("accounts/invitation.html", form=InvitationForm(), link=actions.find_link(token, Purpose.INVITATION))


@blueprint.post("/invitations/<token>")
@requires(P.PUBLIC)
def accept(token: str) -> Response:
    refuse_plain_http()
    link, form = actions.find_link(token, Purpose.INVITATION), InvitationForm(request.form)
    if form.validate():
        person = form.attempt(actions.accept_invitation, token, name=form.name.data, password=form.password.data)
        if person is not None:
            return welcome(person, "/")
    return render("accounts/invitation.html", status=422, form=form, link=link)


@blueprint.get("/password/forgot")
@requires(P.PUBLIC)
def forgot() -> Response:
    return render("accounts/forgot.html", form=EmailForm(), sent=False)


@blueprint.post("/password/forgot")
@requires(P.PUBLIC)
def send_reset() -> Response:
    refuse_plain_http()
    form = EmailForm(request.form)
    if not form.validate():
        return render("accounts/forgot.html", status=422, form=form, sent=False)
    if throttle.waiting_time("", request.remote_addr or "") > timedelta():
        form.form_errors.append("Too many attempts from this address. Try again later.")
        return render("accounts/forgot.html", status=429, form=form, sent=False)
    if found := actions.request_password_reset(form.email.data or ""):
        person, token = found
        url = runtime().config.public_url + url_for("accounts.reset", token=token)
        text = f"Hello {person.name},\n\nchoose a new password here within the hour:\n{url}\n\nIf you did not ask for it, do nothing."
        mail.send_soon(runtime().config, person.email, "Choose a new Gatewright password", text)
    return render("accounts/forgot.html", form=form, sent=True)


@blueprint.get("/password/reset/<token>")
@requires(P.PUBLIC)
def reset(token: str) -> Response:
    refuse_plain_http()
    actions.find_link(token, Purpose.PASSWORD_RESET)
    return render("accounts/reset.html", form=PasswordForm())


@blueprint.post("/password/reset/<token>")
@requires(P.PUBLIC)
def choose_password(token: str) -> Response:
    refuse_plain_http()
    form = PasswordForm(request.form)
    if form.validate() and form.attempt(actions.reset_password, token, form.password.data) is not None:
        flash("Your password is changed and every session of yours has ended. Sign in.", "ok")
        return redirect(url_for("accounts.login"))
    return render("accounts/reset.html", status=422, form=form)
