"""Forms of sign-in, invitations, people and the profile."""

from __future__ import annotations

from wtforms import PasswordField, SelectField, SelectMultipleField, StringField
from wtforms.validators import InputRequired, Length, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from ..web.forms import Form, an_email, lower, plain_text
from .models import Role, Team

ROLES = [
    (Role.DEVELOPER, "Developer: finds APIs, subscribes applications, makes tokens and keys"),
    (Role.ADMIN, "Admin: publishes APIs, decides, sees and changes everything"),
    (Role.AUDITOR, "Auditor: reads logs and the audit trail, changes nothing"),
]


class LoginForm(Form):
    email = StringField("E-mail", [InputRequired("Write your e-mail address.")], filters=[lower])
    password = PasswordField("Password", [InputRequired("Write your password.")])


def same_password(form: Form, field: PasswordField) -> None:
    if field.data != form["password"].data:
        raise ValidationError("The two passwords differ.")


class PasswordForm(Form):
    password = PasswordField("Password", [InputRequired("Choose a password.")])
    again = PasswordField("The same again", [same_password])


class InvitationForm(PasswordForm):
    name = StringField("Your name", [InputRequired("Write your name."), Length(max=80), plain_text])


class SetupForm(InvitationForm):
    email = StringField("E-mail", [InputRequired("Write your e-mail address."), an_email], filters=[lower])


class EmailForm(Form):
    email = StringField("E-mail", [InputRequired("Write your e-mail address."), an_email], filters=[lower])


class ChangePasswordForm(PasswordForm):
    current = PasswordField("Current password", [InputRequired("Write your current password.")])


class InviteForm(Form):
    email = StringField("E-mail", [InputRequired("Write an e-mail address."), an_email], filters=[lower])
    role = SelectField("Role", choices=ROLES)
    team = SelectField("Team", coerce=int)

    def offer(self, teams: list[Team]) -> None:
        self.team.choices = [(team.id, team.name) for team in teams]


class TeamForm(Form):
    name = StringField("Name", [InputRequired("Name the team."), Length(max=80), plain_text])


class PersonForm(Form):
    role = SelectField("Role", choices=ROLES)
    teams = SelectMultipleField(
        "Teams", coerce=int, option_widget=CheckboxInput(), widget=ListWidget(prefix_label=False)
    )

    def offer(self, teams: list[Team]) -> None:
        self.teams.choices = [(team.id, team.name) for team in teams]
