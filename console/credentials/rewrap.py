"""A new key-encryption key: every sealed value gets its data key wrapped anew. What is inside is not touched."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from ..alerts.models import Webhook
from ..audit.actions import record
from ..audit.models import Action
from ..db import db
from ..runtime import runtime
from .models import EncryptionKey, SigningKey
from .secrets import SealedValue


def rewrap() -> int:
    """How many values were under another key than the primary one; from now on none is, and that key may go."""
    ring, count = runtime().ring, 0
    for row, name, context in _sealed_values():
        blob = getattr(row, name)
        if blob and not ring.is_primary(blob):
            setattr(row, name, ring.rewrap(blob, context))
            count += 1
    if count:
        record(Action.SECRETS_REWRAPPED, None, name="sealed values", changes={"values": count})
    return count


def _sealed_values() -> Iterator[tuple[object, str, str]]:
    """Row, column, and what the value is bound to."""
    for value in db.session.scalars(select(SealedValue)):
        yield value, "blob", f"sealed_value.blob.{value.name}"
    for signing in db.session.scalars(select(SigningKey)):
        yield signing, "private_sealed", f"signing_key.private.{signing.kid}"
    for encryption in db.session.scalars(select(EncryptionKey)):
        yield encryption, "private_sealed", f"encryption_key.private.{encryption.kid}"
    for webhook in db.session.scalars(select(Webhook)):
        yield webhook, "secret_sealed", webhook.context
