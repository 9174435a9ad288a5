"""People and teams, for admins; auditors read."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, flash, redirect, request, url_for
from werkzeug.wrappers import Response

from .. import mail
from ..runtime import runtime
from ..web.access import me, requires
from ..web.forms import sent_twice
from ..web.htmx import render, secret_page
from . import actions, queries
from .forms import InviteForm, PersonForm, TeamForm
from .models import Link, Permission, Role

blueprint = Blueprint("people", __name__)
P = Permission


@blueprint.get("/people")
@requires(P.READ_PEOPLE)
def index() -> Response:
    return _index(TeamForm())


def _index(form: TeamForm, status: int = 200) -> Response:
    q = request.args.get("q", "")
    found = queries.people(after=request.args.get("after", 0, int), search=q)
    page = found[: queries.PAGE]
    more = page[-1].id if len(found) > len(page) else None
    teams, invitations = queries.listed_teams(), queries.open_invitations()
    return render(
        "people/index.html", status=status, people=page, more=more, q=q, form=form, teams=teams, invitations=invitations
    )


@blueprint.get("/people/invite")
@requires(P.MANAGE_PEOPLE)
def invite_form() -> Response:
    form = InviteForm()
    form.offer(queries.teams())
    return render("people/invite.html", form=form)


@blueprint.post("/people/invite")
@requires(P.MANAGE_PEOPLE)
def invite() -> Response:
    form = InviteForm(request.form)
    form.offer(queries.teams())
    if not form.validate():
        return render("people/invite.html", status=422, form=form)
    if sent_twice():
        return redirect(url_for("people.index"))
    team = next((t for t in queries.teams() if t.id == form.team.data), None)
    made = form.attempt(actions.invite, form.email.data, Role(form.role.data), team, by=me())
    if made is None:
        return render("people/invite.html", status=422, form=form)
    link, token = made
    url = runtime().config.public_url + url_for("accounts.invitation", token=token)
    return secret_page("people/invited.html", link=link, url=url, mailed=_mail_invitation(link, url))


def _mail_invitation(link: Link, url: str) -> bool:
    text = f"{me().name} invites you to Gatewright as {link.role}.\n\nChoose your password here within seven days:\n{url}\n"
    # in the background: nobody should wait for a mail server while the database is locked
    mail.send_soon(runtime().config, link.email, "You are invited to Gatewright", text)
    return bool(runtime().config.smtp_url)


@blueprint.post("/invitations/<int:link_id>/withdraw")
@requires(P.MANAGE_PEOPLE)
def withdraw(link_id: int) -> Response:
    link = queries.find_invitation(link_id)
    actions.withdraw_invitation(link, by=me())
    flash(f"The invitation of {link.email} no longer works.", "ok")
    return redirect(url_for("people.index"))


@blueprint.post("/teams")
@requires(P.MANAGE_PEOPLE)
def create_team() -> Response:
    form = TeamForm(request.form)
    if sent_twice():
        return redirect(url_for("people.index"))
    if form.validate() and form.attempt(actions.create_team, form.name.data, by=me()) is not None:
        flash(f"The team {form.name.data} is there.", "ok")
        return redirect(url_for("people.index"))
    return _index(form, 422)


@blueprint.get("/people/<int:person_id>")
@requires(P.READ_PEOPLE)
def show(person_id: int) -> Response:
    person = queries.find_person(person_id)
    form = PersonForm(role=person.role, teams=person.team_ids)
    form.offer(queries.teams())
    return render("people/show.html", person=person, form=form, sessions=queries.sessions_of(person))


@blueprint.post("/people/<int:person_id>")
@requires(P.MANAGE_PEOPLE)
def change(person_id: int) -> Response:
    person, form = queries.find_person(person_id), PersonForm(request.form)
    form.offer(queries.teams())
    if not form.validate():
        return render("people/show.html", status=422, person=person, form=form, sessions=queries.sessions_of(person))
    actions.change_role(person, Role(cast(str, form.role.data)), by=me())
    actions.change_teams(person, [t for t in queries.teams() if t.id in (form.teams.data or [])], by=me())
    flash(f"{person.name} is changed.", "ok")
    return redirect(url_for("people.show", person_id=person.id))


@blueprint.post("/people/<int:person_id>/deactivate")
@requires(P.MANAGE_PEOPLE)
def deactivate(person_id: int) -> Response:
    person = queries.find_person(person_id)
    actions.deactivate(person, by=me())
    flash(f"{person.name} is signed out and cannot sign in.", "ok")
    return redirect(url_for("people.show", person_id=person.id))


@blueprint.post("/people/<int:person_id>/reactivate")
@requires(P.MANAGE_PEOPLE)
def reactivate(person_id: int) -> Response:
    person = queries.find_person(person_id)
    actions.reactivate(person, by=me())
    flash(f"{person.name} can sign in again.", "ok")
    return redirect(url_for("people.show", person_id=person.id))
