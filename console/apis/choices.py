"""What the admin decides about a version, apart from its document: checked, and set."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ..credentials.algorithms import CONTENT, CURVES, ENCRYPTION, PUBLIC_ENCRYPTION, SIGNING
from ..credentials.models import Source
from ..credentials.rotation import LONGEST_TOKEN_S
from ..db import db
from ..errors import Refused
from ..runtime import runtime
from .backends import check_backend
from .models import Accepts, ApiVersion, Dpop

PATH = re.compile(r"(/[a-z0-9][a-z0-9._~-]*)+")
MOST_BODY_BYTES = 16384  # of a call, in the request log; it travels with the record


@dataclass(frozen=True)
class Choices:
    """The names are those of the version's columns."""

    backend_url: str
    gateway_path: str
    accepts: list[str]
    token_lifetime_s: int
    signing_alg: str = "ES256"
    encryption_alg: str = "ECDH-ES+A256KW"
    encryption_curve: str = "P-256"
    content_alg: str = "A256GCM"
    key_source: str = "managed"
    dpop: str = "optional"
    log_bodies: bool = False
    log_body_bytes: int = 2048

    @classmethod
    def of(cls, version: ApiVersion) -> Choices:
        """As they are set on the version: what is served, or a draft that was never published."""
        chosen = {f.name: getattr(version, f.name) for f in fields(cls)}
        return cls(**chosen | {"gateway_path": version.gateway_path or ""})

    @classmethod
    def read(cls, kept: dict[str, Any]) -> Choices:
        """From what was kept of them, also by an older release that knew fewer."""
        return cls(**{f.name: kept[f.name] for f in fields(cls) if f.name in kept})

    def steps_to(self, after: Choices) -> dict[str, list[Any]]:
        """What differs, as ``{name: [before, after]}``."""
        old, new = asdict(self), asdict(after)
        return {name: [old[name], value] for name, value in new.items() if old[name] != value}


def taken(path: str, besides: int | None = None) -> ApiVersion | None:
    query = select(ApiVersion).where(ApiVersion.gateway_path == path, ApiVersion.id != (besides or 0))
    return db.session.scalars(query).first()


def check_choices(version: ApiVersion, choices: Choices) -> Choices:
    """The choices as they are kept; `Refused` with the field that is wrong."""
    checked = replace(choices, backend_url=check_backend(choices.backend_url))
    if not PATH.fullmatch(choices.gateway_path) or len(choices.gateway_path) > 120:
        raise Refused("Write the path as /orders/v1: lower case, digits, dots and dashes.", "gateway_path")
    other = taken(choices.gateway_path, besides=version.id)
    if other is not None:
        raise Refused(f"The path {choices.gateway_path} belongs to {other.name}. Choose another.", "gateway_path")
    if not choices.accepts:
        raise Refused("Choose who may call.", "accepts")
    if Accepts.OPEN in choices.accepts and len(choices.accepts) > 1:
        raise Refused("Open to anybody means no credential is asked for. Choose that alone, or not.", "accepts")
    _check_profile(choices)
    return checked


def choose(version: ApiVersion, choices: Choices) -> dict[str, Any]:
    """Set the choices; what differs, as ``{name: [before, after]}``."""
    wanted = asdict(check_choices(version, choices))
    if not version.audience or version.is_unpublished:
        wanted["audience"] = runtime().config.gateway_url + choices.gateway_path
    changes = {k: [getattr(version, k), v] for k, v in wanted.items() if getattr(version, k) != v}
    for name, (_, after) in changes.items():
        setattr(version, name, after)
    try:
        with db.session.begin_nested():
            db.session.flush()
    except IntegrityError:
        raise Refused(
            f"The path {choices.gateway_path} was taken a moment ago. Choose another.", "gateway_path"
        ) from None
    return changes


def _check_profile(choices: Choices) -> None:
    """Of the token profile: only what we can issue, open and verify."""
    for name, possible in (
        ("signing_alg", SIGNING),
        ("encryption_alg", ENCRYPTION),
        ("encryption_curve", CURVES),
        ("content_alg", CONTENT),
        ("key_source", tuple(Source)),
        ("dpop", tuple(Dpop)),
    ):
        if getattr(choices, name) not in possible:
            raise Refused(f"Choose one of {', '.join(possible)}.", name)
    if choices.key_source != Source.MANAGED and choices.encryption_alg not in PUBLIC_ENCRYPTION:
        raise Refused("A shared secret cannot be the API's own public key. Choose another algorithm.", "encryption_alg")
    if not 1 <= choices.log_body_bytes <= MOST_BODY_BYTES:
        raise Refused(f"Between 1 and {MOST_BODY_BYTES} bytes of a body are kept.", "log_body_bytes")
    if not 60 <= choices.token_lifetime_s <= LONGEST_TOKEN_S:
        raise Refused(f"Tokens live between 1 and {LONGEST_TOKEN_S // 60} minutes.", "lifetime")
