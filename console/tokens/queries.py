"""Tokens that people made, through the application they may see."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from ..apis.models import ApiVersion
from ..applications.models import Application
from ..db import db, now
from ..errors import NotFound
from .models import IssuedToken


def live_tokens(application: Application, size: int = 50) -> list[IssuedToken]:
    query = select(IssuedToken).where(IssuedToken.application_id == application.id, IssuedToken.expires_at > now())
    query = query.options(joinedload(IssuedToken.version).joinedload(ApiVersion.api), joinedload(IssuedToken.issued_by))
    return list(db.session.scalars(query.order_by(IssuedToken.issued_at.desc()).limit(size)))


def find_token(application: Application, jti: str) -> IssuedToken:
    token = db.session.get(IssuedToken, jti)
    if token is None or token.application_id != application.id:
        raise NotFound("This application has no such token.")
    return token
