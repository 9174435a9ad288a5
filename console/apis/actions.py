"""What can happen to an API version: import, change, publish, deprecate, retire, discard."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from ..accounts.models import Person, Team
from ..audit.actions import record
from ..audit.models import Action
from ..credentials.algorithms import CONTENT, CURVES, ENCRYPTION, HS256, PUBLIC_ENCRYPTION, SIGNING
from ..credentials.encryption import ensure_encryption_key, forget_keys
from ..credentials.models import Source
from ..credentials.rotation import LONGEST_TOKEN_S
from ..credentials.signing import end_shared_secrets, ensure_shared_secret
from ..db import db, now, serialise
from ..errors import Refused
from ..runtime import changed, runtime
from . import openapi
from .backends import check_backend
from .models import Accepts, Api, ApiVersion, Dpop, Revision, State

LONGEST_LOG_DAYS = 3650
PATH = re.compile(r"(/[a-z0-9][a-z0-9._~-]*)+")
MOST_BODY_BYTES = 16384  # of a call, in the request log; it travels with the record


@dataclass(frozen=True)
class Choices:
    """What the admin decides about a version, apart from its document."""

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


def import_document(text: str, team: Team, *, by: Person, document: dict[str, Any] | None = None) -> ApiVersion:
    """A draft from an OpenAPI document: of a new API, or a further version of the API with that title.

    ``document`` is what ``text`` says, where it was parsed already.
    """
    document = document or openapi.parse(text)
    info = document["info"]
    title, number = str(info["title"]).strip()[:120], str(info["version"]).strip()[:40]
    if not title or not re.fullmatch(r"[0-9A-Za-z][0-9A-Za-z.+_-]*", number):
        raise Refused("The document's info needs a title, and a version of letters, digits and dots.", "document")
    api = _api(title, info, team)
    version = _replaceable(api, number)
    if version is None:
        version = ApiVersion(api_id=api.id, version=number, created_by_id=by.id)
        _suggest(version, api, number, document)
    version.source, version.document = text, document
    version.operations, version.scopes = len(openapi.operations(document)), list(openapi.scopes(document))
    db.session.add(version)
    db.session.flush()
    record(Action.VERSION_IMPORTED, version, by=by, changes={"operations": version.operations})
    return version


def _api(title: str, info: dict[str, Any], team: Team) -> Api:
    slug = re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")[:60] or "api"
    serialise(f"api {slug}")
    api = db.session.scalars(select(Api).where(Api.slug == slug)).first()
    if api is None:
        about = str(info.get("summary") or info.get("description") or "").strip().split("\n")[0]
        api = Api(slug=slug, name=title, summary=about[:300], team=team)
        db.session.add(api)
        db.session.flush()
    return api


def _replaceable(api: Api, number: str) -> ApiVersion | None:
    """The draft with that number, whose document is replaced; its choices stay."""
    query = select(ApiVersion).where(ApiVersion.api_id == api.id, ApiVersion.version == number)
    version = db.session.scalars(query).first()
    if version is not None and version.state != State.DRAFT:
        raise Refused(
            f"{api.name} {number} is {version.state} already. Change `info.version` in the document to add a version.",
            "document",
        )
    return version


def _suggest(version: ApiVersion, api: Api, number: str, document: dict[str, Any]) -> None:
    taken = {p for p in db.session.scalars(select(ApiVersion.gateway_path).where(ApiVersion.api_id == api.id)) if p}
    major = f"/{api.slug}/v{re.sub(r'[^0-9].*', '', number) or number.lower()}"
    full = f"/{api.slug}/v{re.sub(r'[^a-z0-9.]', '-', number.lower())}"
    version.gateway_path = major if major not in taken and not _taken(major) else full
    if _taken(version.gateway_path):
        version.gateway_path = None
    version.backend_url = openapi.first_server(document)
    version.accepts = [Accepts.ENCRYPTED]


def _taken(path: str, besides: int | None = None) -> ApiVersion | None:
    query = select(ApiVersion).where(ApiVersion.gateway_path == path, ApiVersion.id != (besides or 0))
    return db.session.scalars(query).first()


def save_draft(version: ApiVersion, choices: Choices, *, edits: int, by: Person) -> None:
    if version.state != State.DRAFT:
        raise Refused(f"{version.name} is {version.state}; publish a new revision instead.")
    _lock(version, edits)
    changes = _choose(version, choices)
    if changes:
        record(Action.VERSION_CHANGED, version, by=by, changes=changes)


def publish_version(version: ApiVersion, choices: Choices, *, edits: int, by: Person) -> Revision:
    """Serve this version as chosen; of one that is serving already, publish the next revision."""
    _lock(version, edits)
    if version.state == State.RETIRED:
        raise Refused(f"{version.name} is retired. Import a new version.")
    changes = _choose(version, choices)
    if version.is_serving and not changes:
        raise Refused("Nothing is different from what is being served.")
    _refuse_incomplete(version)
    if Accepts.ENCRYPTED in version.accepts:
        ensure_encryption_key(version)
    if version.signing_alg == HS256:
        ensure_shared_secret(version.id)
    else:
        end_shared_secrets(version.id)
    if version.state == State.DRAFT:
        version.state, version.published_at, version.published_by_id = State.PUBLISHED, now(), by.id
    version.revision += 1
    version.generation = changed()
    content = asdict(choices) | {"document": version.document, "audience": version.audience}
    revision = Revision(version_id=version.id, number=version.revision, content=content, created_by_id=by.id)
    db.session.add(revision)
    record(Action.VERSION_PUBLISHED, version, by=by, changes=changes | {"revision": version.revision})
    return revision


def _lock(version: ApiVersion, edits: int) -> None:
    """Two people may have had the form open; the second one to send it looks again."""
    serialise(f"version {version.id}")
    db.session.refresh(version)
    if version.edits != edits:
        raise Refused(
            f"{version.name} was changed or published by somebody else while this page was open. "
            "Nothing of yours was saved. Look at it again."
        )


def _choose(version: ApiVersion, choices: Choices) -> dict[str, Any]:
    """Set the choices; what differs, as ``{name: [before, after]}``."""
    wanted = asdict(choices) | {"backend_url": check_backend(choices.backend_url)}
    if not PATH.fullmatch(choices.gateway_path) or len(choices.gateway_path) > 120:
        raise Refused("Write the path as /orders/v1: lower case, digits, dots and dashes.", "gateway_path")
    other = _taken(choices.gateway_path, besides=version.id)
    if other is not None:
        raise Refused(f"The path {choices.gateway_path} belongs to {other.name}. Choose another.", "gateway_path")
    if not choices.accepts:
        raise Refused("Choose who may call.", "accepts")
    if Accepts.OPEN in choices.accepts and len(choices.accepts) > 1:
        raise Refused("Open to anybody means no credential is asked for. Choose that alone, or not.", "accepts")
    _check_profile(choices)
    if not version.audience or version.state == State.DRAFT:
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


def _refuse_incomplete(version: ApiVersion) -> None:
    if not version.operations:
        raise Refused("The document describes no operation, so there is nothing to publish.")


def deprecate_version(
    version: ApiVersion, *, sunset_at: datetime, successor: ApiVersion | None, note: str, by: Person
) -> None:
    """From now on every answer says so: Deprecation (RFC 9745), Sunset (RFC 8594), Link."""
    serialise(f"version {version.id}")
    db.session.refresh(version)
    if version.state not in (State.PUBLISHED, State.DEPRECATED):
        raise Refused(f"{version.name} is {version.state}; only a published version can be deprecated.")
    if sunset_at <= now():
        raise Refused("Choose a sunset date in the future, so that callers can prepare.", "sunset_at")
    if successor is not None and (successor.api_id != version.api_id or successor.id == version.id):
        raise Refused("The successor is another version of the same API.", "successor")
    before = {"state": version.state, "sunset_at": version.sunset_at}
    if version.state == State.PUBLISHED:
        version.state, version.deprecated_at, version.deprecated_by_id = State.DEPRECATED, now(), by.id
    version.sunset_at, version.successor_id, version.deprecation_note = (
        sunset_at,
        successor.id if successor else None,
        note,
    )
    version.generation = changed()
    changes = {"state": [before["state"], version.state], "sunset_at": [before["sunset_at"], sunset_at]}
    record(
        Action.VERSION_DEPRECATED,
        version,
        by=by,
        changes=changes | {"successor": successor.name if successor else None},
    )


def change_log_days(api: Api, days: int | None, *, by: Person) -> None:
    """For how many days the request records of all its versions are kept; None: as the installation keeps its own."""
    if days is not None and not 1 <= days <= LONGEST_LOG_DAYS:
        raise Refused(f"1 to {LONGEST_LOG_DAYS} days.", "days")
    serialise(f"api {api.id}")
    db.session.refresh(api)
    before, api.log_days = api.log_days, days
    if before != days:
        record(Action.API_LOG_RETENTION_CHANGED, api, by=by, changes={"log_days": [before, days]})


def retire_version(version: ApiVersion, *, by: Person) -> None:
    """Callers get 410 from now on. It cannot be undone."""
    serialise(f"version {version.id}")
    db.session.refresh(version)
    if not version.is_serving:
        raise Refused(f"{version.name} is {version.state}; only a published or deprecated version can be retired.")
    before = version.state
    version.state, version.retired_at, version.retired_by_id = State.RETIRED, now(), by.id
    version.generation = changed()
    record(Action.VERSION_RETIRED, version, by=by, changes={"state": [before, State.RETIRED]})


def discard_draft(version: ApiVersion, *, by: Person) -> None:
    if version.state != State.DRAFT:
        raise Refused(f"{version.name} is {version.state}; only a draft can be discarded.")
    record(Action.VERSION_DISCARDED, version, by=by)
    api = version.api
    forget_keys(version.id)
    db.session.delete(version)
    db.session.flush()
    if db.session.scalar(select(ApiVersion.id).where(ApiVersion.api_id == api.id).limit(1)) is None:
        db.session.delete(api)
