"""Publishing: the content that is worked on becomes an immutable revision, and what the gateways serve."""

from __future__ import annotations

from dataclasses import asdict, replace

from ..accounts.models import Person
from ..applications.plans import ensure_plan, restore_plans, snapshot
from ..audit.actions import record
from ..audit.models import Action
from ..catalog.indexing import index_version
from ..credentials.algorithms import HS256
from ..credentials.encryption import ensure_encryption_key
from ..credentials.signing import end_shared_secrets, ensure_shared_secret
from ..db import db, now
from ..errors import NotFound, Refused
from ..runtime import changed
from . import openapi
from .choices import Choices, check_choices, choose
from .gate import check_gate
from .models import Accepts, ApiVersion, Draft, Revision, State
from .proposal import Proposal
from .reviews import check_editable, end_review
from .revisions import content_of, last_plans
from .states import Move, check_move
from .subscribers import page_of, tell_followers
from .working import Working, keep, lock, set_document, working


def publish_version(
    version: ApiVersion, choices: Choices | None = None, *, edits: int, by: Person, note: str = ""
) -> Revision:
    """Serve what is worked on; of a version that is serving already, as the next revision.

    ``choices``: instead of those that were saved. `Refused` when a review or a second person is needed first.
    """
    lock(version, edits)
    work = to_publish(version, choices)
    check_publishable(version, work)
    return _serve(version, work, by=by, note=note)


def to_publish(version: ApiVersion, choices: Choices | None) -> Working:
    """What is worked on, with ``choices`` instead of those that were saved."""
    work = working(version)
    return work if choices is None else replace(work, choices=check_choices(version, choices))


def check_publishable(version: ApiVersion, work: Working, proposal: Proposal | None = None) -> None:
    """`Refused` when it may not be published as it is now. Changes nothing."""
    check_move(version, Move.PUBLISH)
    if not openapi.operations(work.document):
        raise Refused("The document describes no operation, so there is nothing to publish.")
    check_gate(version, work, proposal)


def _serve(version: ApiVersion, work: Working, *, by: Person, note: str) -> Revision:
    changes = choose(version, work.choices)
    is_new_document = version.is_serving and work.document != version.document
    if is_new_document:
        changes["operations"] = [version.operations, len(openapi.operations(work.document))]
    if version.is_serving and not changes and snapshot(version.id) == last_plans(version):
        raise Refused("Nothing is different from what is being served.")
    set_document(version, work.source, work.document)
    _make_keys(version)
    if version.is_unpublished:
        version.state, version.published_at, version.published_by_id = State.PUBLISHED, now(), by.id
    version.mocked = False
    if plan := ensure_plan(version):
        changes["plan"] = [None, plan.name]
    _drop_draft(version)
    end_review(version)
    version.revision += 1
    version.generation = changed()
    revision = _revision(version, work, note, by=by)
    record(Action.VERSION_PUBLISHED, version, by=by, changes=changes | {"revision": version.revision})
    index_version(version)
    tell_followers(version, *_news(version, note))
    return revision


def _news(version: ApiVersion, note: str) -> tuple[str, str]:
    """Subject and text, for who follows the API."""
    what = "is published" if version.revision == 1 else f"has a new revision, {version.revision}"
    return f"{version.name} {what}", f"{note}\n\n{page_of(version)}/changes".strip()


def _make_keys(version: ApiVersion) -> None:
    if Accepts.ENCRYPTED in version.accepts:
        ensure_encryption_key(version)
    if version.signing_alg == HS256:
        ensure_shared_secret(version.id)
    else:
        end_shared_secrets(version.id)


def _drop_draft(version: ApiVersion) -> None:
    draft = db.session.get(Draft, version.id)
    if draft is not None:
        db.session.delete(draft)
        db.session.flush()
        version.draft = None


def _revision(version: ApiVersion, work: Working, note: str, *, by: Person) -> Revision:
    content = asdict(work.choices) | {
        "document": work.document,
        "audience": version.audience,
        "plans": snapshot(version.id),
    }
    revision = Revision(
        version_id=version.id,
        number=version.revision,
        content=content,
        source=work.source,
        note=note[:500],
        created_by_id=by.id,
    )
    db.session.add(revision)
    db.session.flush()
    return revision


def restore_revision(
    version: ApiVersion, revision: Revision, *, edits: int, by: Person, serve: bool
) -> Revision | None:
    """Work on an earlier revision again; with ``serve``, publish it as a new revision in the same step.

    Its document, what was chosen and, with ``serve``, its plans: those take effect at once, and are no part of what is worked
    on. The numbers go on: history is added to, never rewritten.
    """
    lock(version, edits)
    check_editable(version)
    if revision.version_id != version.id:
        raise NotFound(f"{version.name} has no revision {revision.number}.")
    if revision.number == version.revision and version.draft is None:
        raise Refused(f"Revision {revision.number} is the one that is served.")
    work = content_of(revision)
    check_choices(version, work.choices)
    keep(version, work, by=by)
    restored = restore_plans(version, revision.content.get("plans", [])) if serve else []
    record(
        Action.VERSION_RESTORED, version, by=by, changes={"from": revision.number, "served": serve, "plans": restored}
    )
    if not serve:
        return None
    check_gate(version, work)
    return _serve(version, work, by=by, note=f"Revision {revision.number} again")
