"""Text in; typed values, or errors by field, out."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from typing import Any, TypeVar

import wtforms
from flask import flash, request
from wtforms.validators import ValidationError

from ..accounts.actions import sent_before
from ..db import db
from ..errors import Refused
from .access import me

T = TypeVar("T")
EMAIL = re.compile(r"[^@\s\"'<>]{1,64}@[a-z0-9]([a-z0-9.-]*[a-z0-9])?")


class Form(wtforms.Form):
    """A form whose refusals can come from the domain, too."""

    def process(self, *args: Any, **named: Any) -> None:
        super().process(*args, **named)
        for field in self:  # names and addresses never begin or end with a blank that somebody meant
            if isinstance(field, wtforms.StringField) and not isinstance(field, KEPT):
                field.data = strip(field.data)

    @property
    def trouble(self) -> list[str]:
        """What belongs to no field."""
        return [str(message) for message in self.form_errors]

    def attempt(self, action: Callable[..., T], *args: Any, **named: Any) -> T | None:
        """Do it; None when it is refused, and then the form says why and nothing is changed."""
        try:
            return action(*args, **named)
        except Refused as refused:
            db.session.rollback()
            self.refuse(refused)
            return None

    def refuse(self, refused: Refused) -> None:
        field = self._fields.get(refused.field or "")
        if field is None:
            self.form_errors.append(refused.message)
        else:
            field.errors = [*field.errors, refused.message]


KEPT = (wtforms.PasswordField, wtforms.TextAreaField)


def strip(value: str | None) -> str | None:
    return value.strip() if isinstance(value, str) else value


def lower(value: str | None) -> str | None:
    return value.lower() if isinstance(value, str) else value


def an_email(form: wtforms.Form, field: wtforms.Field) -> None:
    if not EMAIL.fullmatch(field.data or "") or len(field.data) > 254:
        raise ValidationError("Write an e-mail address, such as maren@example.org.")


def plain_text(form: wtforms.Form, field: wtforms.Field) -> None:
    if any(ord(c) < 32 and c not in "\n\r\t" for c in field.data or ""):
        raise ValidationError("This holds a character that cannot be shown.")


def asked_moment(name: str, zone: tzinfo = UTC) -> datetime | None:
    """A time in the address, of ``zone`` unless it says otherwise."""
    text = request.args.get(name, "").strip()
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused(f"{text[:40]} is no time. Write it as 2026-11-23T12:00.") from None


def once() -> str:
    """A number for a form, so that the same form sent twice is noticed."""
    return secrets.token_urlsafe(12)


def sent_twice() -> bool:
    """Whether this very form was sent before; what it did is not done again."""
    token = request.form.get("once", "")[:64]
    if not token or not sent_before(me(), token):
        return False
    flash("That form was sent already, and done once.", "info")
    return True
