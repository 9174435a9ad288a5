"""`Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a request that is sent again is done once.

The answer is kept in the transaction of the change itself, so there is never one without the other. An answer that
refused is not kept: nothing was done, and the same request may be tried again.
"""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta

from flask import Response, request
from sqlalchemy import delete, text

from ..accounts.models import Person
from ..db import db, now
from ..errors import Refused
from .models import IdempotentAnswer

KEPT_FOR = timedelta(hours=24)
KEY = re.compile(r'"([\x21\x23-\x7e]{1,255})"|([\x21\x23-\x7e]{1,255})')
HEADERS = ("Location", "ETag", "Content-Type")


class BadKey(Refused):
    status = 400


class OtherRequest(Refused):
    status = 422


def asked_key() -> str:
    """The key of this request; empty when it has none. Quoted, as a string of RFC 9651, or bare."""
    said = request.headers.get("Idempotency-Key")
    if said is None:
        return ""
    found = KEY.fullmatch(said.strip())
    if found is None:
        raise BadKey("Idempotency-Key is 1 to 255 visible ASCII characters in double quotes, such as a UUID.")
    return found[1] or found[2]


def fingerprint(body: bytes) -> str:
    said = f"{request.method} {request.full_path} {request.mimetype}\n".encode()
    return hashlib.sha256(said + body).hexdigest()


def answered_before(key: str, body: bytes, *, by: Person) -> Response | None:
    """The answer that was given to this very request; `Refused` when the key was used for another, or is in use now."""
    if not _take(f"idempotency {by.id} {key}"):
        raise Refused("A request with this Idempotency-Key is being worked on. Send it again a little later.")
    row = db.session.get(IdempotentAnswer, (by.id, key))
    if row is None or now() - row.created_at > KEPT_FOR:
        return None
    if row.fingerprint != fingerprint(body):
        raise OtherRequest("This Idempotency-Key was used for another request. Choose a new key for each.")
    return Response(row.body, row.status, {**row.headers, "Idempotent-Replayed": "true"})


def _take(name: str) -> bool:
    """Until the transaction ends. SQLite has one writer at a time, so there the second request waits for the first."""
    if db.engine.dialect.name != "postgresql":
        return True
    return bool(db.session.scalar(text("SELECT pg_try_advisory_xact_lock(hashtext(:name))"), {"name": name}))


def keep(key: str, body: bytes, answer: Response, *, by: Person) -> None:
    db.session.execute(delete(IdempotentAnswer).where(IdempotentAnswer.created_at < now() - KEPT_FOR))
    headers = {name: answer.headers[name] for name in HEADERS if name in answer.headers}
    row = IdempotentAnswer(person_id=by.id, key=key, fingerprint=fingerprint(body), status=answer.status_code)
    row.headers, row.body = headers, answer.get_data(as_text=True)
    db.session.add(row)
