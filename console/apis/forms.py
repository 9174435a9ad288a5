"""Forms of importing, publishing, deprecating."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time

from wtforms import (
    BooleanField,
    DateField,
    FileField,
    IntegerField,
    RadioField,
    SelectField,
    SelectMultipleField,
    StringField,
    TextAreaField,
)
from wtforms.validators import InputRequired, Length, NumberRange, Optional, ValidationError
from wtforms.widgets import CheckboxInput, ListWidget

from ..accounts.models import Team
from ..credentials.algorithms import CURVES
from ..db import now
from ..web.forms import Form, plain_text
from .actions import LONGEST_LOG_DAYS
from .choices import MOST_BODY_BYTES, Choices
from .models import Accepts, ApiVersion

ACCEPTS = [
    (Accepts.ENCRYPTED, "Encrypted token", "A signed token inside a JWE. Nobody on the way can read it."),
    (Accepts.SIGNED, "Signed token", "A JWT that the gateway checks by itself."),
    (Accepts.KEY, "API key", "Long-lived, in the header X-API-Key."),
    (Accepts.CERTIFICATE, "Client certificate", "Mutual TLS: an application shows the certificate that it registered."),
    (Accepts.OPEN, "Open to anybody", "No credential is asked for. Choose it alone."),
]
SOURCES = [
    ("url", "From an address"),
    ("file", "From a file"),
    ("paste", "Paste it"),
    ("blank", "Start from a blank document"),
]


SIGNING_LABELS = {
    "ES256": "ES256, the default: small and fast",
    "RS256": "RS256, for older libraries",
    "PS256": "PS256",
    "EdDSA": "EdDSA (Ed25519)",
    "HS256": "HS256, a secret shared with this API",
}
ENCRYPTION_LABELS = {
    "ECDH-ES+A256KW": "ECDH-ES+A256KW, the default",
    "ECDH-ES": "ECDH-ES, agreed directly",
    "RSA-OAEP-256": "RSA-OAEP-256, for RSA hardware",
    "A256KW": "A256KW, a shared secret",
}
CONTENT_LABELS = {"A256GCM": "A256GCM, the default", "A128GCM": "A128GCM", "A256CBC-HS512": "A256CBC-HS512"}
SOURCE_LABELS = {
    "managed": "Gatewright makes it; the gateway opens tokens",
    "jwk": "The API's own public key, pasted",
    "jwks_uri": "The API's own public key, at an address",
}
DPOP_LABELS = {"optional": "Taken", "required": "Required", "off": "Not taken"}


class ImportForm(Form):
    source = RadioField("Where from", choices=SOURCES, default="url")
    url = StringField("Address", [Length(max=1000)])
    file = FileField("File")
    document = TextAreaField("Document")
    title = StringField("Title", [Length(max=120), plain_text])
    number = StringField("Version", [Length(max=40)], default="1.0.0")
    path = StringField("First path", [Length(max=120)], default="/items")
    team = SelectField("Owned by", coerce=int)

    def offer(self, teams: list[Team]) -> None:
        self.team.choices = [(team.id, team.name) for team in teams]

    def validate_url(self, field: StringField) -> None:
        if self.source.data == "url" and not field.data:
            raise ValidationError("Write the address of the document.")

    def validate_document(self, field: TextAreaField) -> None:
        if self.source.data == "paste" and not (field.data or "").strip():
            raise ValidationError("Paste the document here.")

    def validate_title(self, field: StringField) -> None:
        if self.source.data == "blank" and not field.data:
            raise ValidationError("What is the API called?")

    def validate_number(self, field: StringField) -> None:
        if self.source.data == "blank" and not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+_-]*", field.data or ""):
            raise ValidationError("Letters, digits and dots, such as 1.0.0.")

    def validate_path(self, field: StringField) -> None:
        if self.source.data == "blank" and not re.fullmatch(r"(/[A-Za-z0-9_-]+)+", field.data or ""):
            raise ValidationError("Such as /orders.")


USUAL_BODY_BYTES = Choices.log_body_bytes
PROFILE = ("signing_alg", "encryption_alg", "encryption_curve", "content_alg", "key_source", "dpop")


class ChoicesForm(Form):
    backend_url = StringField(
        "Backend address", [InputRequired("Where does the API run?"), Length(max=300), plain_text]
    )
    gateway_path = StringField(
        "Path at the gateway", [InputRequired("Choose a path, such as /orders/v1."), Length(max=120)]
    )
    accepts = SelectMultipleField(
        "Who may call",
        choices=[(a, label) for a, label, _ in ACCEPTS],
        option_widget=CheckboxInput(),
        widget=ListWidget(),
    )
    lifetime = IntegerField(
        "Tokens live for", [InputRequired("How many minutes?"), NumberRange(1, 1440, "1 to 1440 minutes.")]
    )
    signing_alg = SelectField("Signature", choices=list(SIGNING_LABELS.items()), default="ES256")
    encryption_alg = SelectField(
        "Encryption of the key", choices=list(ENCRYPTION_LABELS.items()), default="ECDH-ES+A256KW"
    )
    encryption_curve = SelectField("Curve", choices=[(c, c) for c in CURVES], default="P-256")
    content_alg = SelectField("Encryption of the content", choices=list(CONTENT_LABELS.items()), default="A256GCM")
    key_source = SelectField("Whose encryption key", choices=list(SOURCE_LABELS.items()), default="managed")
    dpop = SelectField("DPoP-bound tokens", choices=list(DPOP_LABELS.items()), default="optional")
    log_bodies = BooleanField("Keep request and response bodies in the log")
    log_body_bytes = IntegerField(
        "Of each body", [Optional(), NumberRange(1, MOST_BODY_BYTES)], default=USUAL_BODY_BYTES
    )
    edits = IntegerField(validators=[InputRequired()])
    anyway = BooleanField("Publish although the backend does not answer")

    @classmethod
    def of(cls, version: ApiVersion) -> ChoicesForm:
        """What was saved for the next revision, else what is served."""
        chosen = Choices.read(version.draft.choices) if version.draft else Choices.of(version)
        return cls(
            backend_url=chosen.backend_url,
            gateway_path=chosen.gateway_path,
            accepts=chosen.accepts,
            lifetime=chosen.token_lifetime_s // 60,
            log_bodies=chosen.log_bodies,
            log_body_bytes=chosen.log_body_bytes,
            edits=version.edits,
            **{name: getattr(chosen, name) for name in PROFILE},
        )

    @property
    def has_special_profile(self) -> bool:
        """Whether the part of the form that few need must be open."""
        return any(self[name].errors or self[name].data != self[name].default for name in PROFILE)

    @property
    def choices(self) -> Choices:
        path = (self.gateway_path.data or "").rstrip("/")
        accepts = [a for a, _, _ in ACCEPTS if a in (self.accepts.data or [])]
        profile = {name: self[name].data for name in PROFILE}
        return Choices(
            self.backend_url.data or "",
            path,
            list(accepts),
            (self.lifetime.data or 1) * 60,
            log_bodies=self.log_bodies.data,
            log_body_bytes=self.log_body_bytes.data or USUAL_BODY_BYTES,
            **profile,
        )


class DeprecateForm(Form):
    sunset = DateField("Sunset date", [InputRequired("When does it stop answering?")])
    successor = SelectField("What to use instead", coerce=int, default=0)
    note = TextAreaField("Message to its callers", [Optional(), Length(max=500), plain_text])

    def offer(self, versions: list[ApiVersion]) -> None:
        self.successor.choices = [(0, "Nothing"), *((v.id, v.name) for v in versions)]

    def validate_sunset(self, field: DateField) -> None:
        if field.data and field.data <= now().date():
            raise ValidationError("Choose a date in the future, so that callers can prepare.")

    @property
    def sunset_at(self) -> datetime:
        assert self.sunset.data is not None  # asked for after validation
        return datetime.combine(self.sunset.data, time(), UTC)


class LogDaysForm(Form):
    days = IntegerField(
        "Request records are kept for",
        [Optional(), NumberRange(1, LONGEST_LOG_DAYS, f"1 to {LONGEST_LOG_DAYS} days, or nothing.")],
    )


class RetireForm(Form):
    name = StringField("Name", [InputRequired("Type the name to confirm.")])
    reason = TextAreaField("Why it is retired although it is called", [Optional(), Length(max=500), plain_text])


class PublishForm(Form):
    note = StringField("What this revision is for", [Optional(), Length(max=500), plain_text])
    edits = IntegerField(validators=[InputRequired()])


class WriteForm(Form):
    subject = StringField("Subject", [InputRequired("Write a subject."), Length(max=200), plain_text])
    text = TextAreaField("Message", [InputRequired("Write a message."), Length(max=5000), plain_text])


class ReviewForm(Form):
    message = TextAreaField("What to look at", [Optional(), Length(max=1000), plain_text])
    edits = IntegerField(validators=[InputRequired()])


class CommentForm(Form):
    operation = SelectField("About")
    line = IntegerField("Line of the document", [Optional(), NumberRange(1, 10_000_000)])
    text = TextAreaField("Comment", [InputRequired("Write the comment."), Length(max=2000), plain_text])


class DecisionForm(Form):
    answer = TextAreaField("Your answer", [Optional(), Length(max=1000), plain_text])
