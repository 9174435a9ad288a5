"""A rule and a webhook as forms."""

from __future__ import annotations

import re

from wtforms import FloatField, HiddenField, IntegerField, SelectField, StringField
from wtforms.validators import InputRequired, Length, ValidationError

from ..accounts.models import Person
from ..web.forms import EMAIL, Form, plain_text
from .actions import Terms
from .models import AlertRule, Kind, in_words
from .queries import webhooks_of

KINDS = (
    (Kind.ERROR_RATE, "Failed calls (5xx), at least so many %"),
    (Kind.REFUSED_RATE, "Refused calls (4xx), at least so many %"),
    (Kind.LATENCY, "95 % within more than so many ms"),
    (Kind.NO_TRAFFIC, "Fewer calls than"),
    (Kind.COMPLETENESS, "Records complete to less than so many %"),
    (Kind.QUOTA_NEAR, "A quota used up to at least so many %"),
    (Kind.KEY_IDLE, "An API key unused for so many days"),
)


class RuleForm(Form):
    name = StringField("Name", [InputRequired("Name the rule, such as Orders fails."), Length(max=80), plain_text])
    team = SelectField("Team", coerce=int, validate_choice=False)
    kind = SelectField("What to watch", choices=[(str(kind), label) for kind, label in KINDS])
    threshold = FloatField("Limit", [InputRequired("Give the limit as a number.")])
    window_min = IntegerField("Over the last minutes", [InputRequired("Give the window in minutes.")], default=5)
    mail_to = StringField("Mail to", [Length(max=1000), plain_text])
    webhook_id = SelectField("Webhook", coerce=int, validate_choice=False)
    filters = HiddenField("Filters", [Length(max=4000)])

    def offer(self, person: Person, rule: AlertRule | None) -> None:
        teams = [rule.team] if rule else sorted(person.teams, key=lambda t: t.id)
        self.team.choices = [(t.id, t.name) for t in teams]
        hooks = [hook for team in teams for hook in webhooks_of(team.id)]
        self.webhook_id.choices = [(0, "none"), *((hook.id, f"{hook.name}, {hook.url[:60]}") for hook in hooks)]

    def validate_mail_to(self, field: StringField) -> None:
        for address in addresses_in(field.data):
            if not EMAIL.fullmatch(address):
                raise ValidationError(f"{address[:80]} is no e-mail address. Separate several with commas.")

    @property
    def said(self) -> str:
        return in_words(self.filters.data or "")

    @property
    def terms(self) -> Terms:
        return Terms(
            name=self.name.data or "",
            kind=Kind(self.kind.data),
            threshold=float(self.threshold.data or 0),
            window_min=int(self.window_min.data or 0),
            filters=self.filters.data or "",
            mail_to=addresses_in(self.mail_to.data),
            webhook_id=self.webhook_id.data or None,
        )


class WebhookForm(Form):
    name = StringField("Name", [InputRequired("Name it, such as On-call."), Length(max=60), plain_text])
    team = SelectField("Team", coerce=int, validate_choice=False)
    url = StringField("Address", [InputRequired("Give the address that is told."), Length(max=500), plain_text])


def addresses_in(text: str | None) -> list[str]:
    return list(dict.fromkeys(part.lower() for part in re.split(r"[\s,;]+", text or "") if part))
