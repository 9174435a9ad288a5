"""The life of a version: published, stopped, deprecated, retired; and the revisions that publishing left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from flask import Response

from ..accounts.models import Permission
from ..apis import queries, sunset, switches
from ..apis.models import ApiVersion, Revision
from ..apis.preview import document_steps, plan_steps, preview
from ..apis.publishing import publish_version, restore_revision
from ..apis.queries import find_version
from ..apis.revisions import content_of, find_revision, revisions
from ..errors import Refused
from ..web.access import me
from . import shapes
from .answers import address, after_number, expected, json, page, read_time, tag_of
from .api_views import OF_VERSION, answer, as_text, changed_choices
from .operations import Asked, View, operation
from .parameters import PAGED

P = Permission
TAG = "Lifecycle"
OF_REVISION = f"{OF_VERSION}/revisions/<int:revision>"


def _held(slug: str, number: str) -> ApiVersion:
    """The version as who asks has seen it, locked."""
    version = find_version(slug, number)
    expected(version)
    return version


@operation(
    "POST", f"{OF_VERSION}/publish", P.MANAGE_APIS, tag=TAG, answer="Preview | Revision", statuses=(200, 201),
    body="Publishing", is_optional=True, precondition=True,
)  # fmt: skip
def publish(asked: Asked, slug: str, number: str) -> Response:
    """Publish what is worked on, as the next revision (201). With `dry_run`, say what would change, and whether it would be
    refused (200)."""
    version = find_version(slug, number)
    edits, chosen = expected(version), asked.body.get("choices")
    choices = changed_choices(version, chosen) if chosen else None
    if asked.body.get("dry_run"):
        return json(asdict(preview(version, choices)), ETag=tag_of(version))
    made = publish_version(version, choices, edits=edits, by=me(), note=asked.body.get("note", ""))
    return _made(version, made)


def _made(version: ApiVersion, revision: Revision) -> Response:
    where = address("apis", version.api.slug, "versions", version.version, "revisions", revision.number)
    return json(shapes.of_revision(revision), 201, Location=where, ETag=tag_of(version))


def _move(rule: str, body: str = "", is_optional: bool = False) -> Callable[[View], View]:
    return operation(
        "POST", f"{OF_VERSION}/{rule}", P.MANAGE_APIS, tag=TAG, answer="Version", body=body, is_optional=is_optional,
        precondition=True,
    )  # fmt: skip


@_move("deprecate", "Deprecation")
def deprecate(asked: Asked, slug: str, number: str) -> Response:
    """Deprecate a version: its answers say so, and its subscribers are told. `successor` is another version of the API."""
    version, said = _held(slug, number), asked.body
    successor = None
    if said.get("successor"):
        successor = next((v for v in queries.other_versions(version) if v.version == said["successor"]), None)
        if successor is None:
            raise Refused(f"{version.api.name} has no other version {said['successor']}.", "successor")
    moment = read_time(said["sunset_at"])
    assert moment is not None
    sunset.deprecate_version(version, sunset_at=moment, successor=successor, note=said.get("note", ""), by=me())
    return answer(version)


@_move("undeprecate", "Reason")
def undeprecate(asked: Asked, slug: str, number: str) -> Response:
    """Take a deprecation back, before its sunset."""
    version = _held(slug, number)
    sunset.undeprecate_version(version, asked.body["reason"], by=me())
    return answer(version)


@_move("retire", "OptionalReason", is_optional=True)
def retire(asked: Asked, slug: str, number: str) -> Response:
    """Retire a version for good. It takes a reason while it is still called."""
    version = _held(slug, number)
    sunset.retire_version(version, by=me(), reason=asked.body.get("reason", ""))
    return answer(version)


@_move("block", "Reason")
def block(asked: Asked, slug: str, number: str) -> Response:
    """Stop a version in an emergency: callers get 503 with the reason, and no token is issued."""
    version = _held(slug, number)
    switches.block_version(version, asked.body["reason"], by=me())
    return answer(version)


@_move("unblock")
def unblock(asked: Asked, slug: str, number: str) -> Response:
    """End an emergency stop."""
    version = _held(slug, number)
    switches.unblock_version(version, by=me())
    return answer(version)


@_move("stop", "Reason")
def stop(asked: Asked, slug: str, number: str) -> Response:
    """Switch a version off at the gateways, as for maintenance."""
    version = _held(slug, number)
    switches.stop_version(version, asked.body["reason"], by=me())
    return answer(version)


@_move("start")
def start(asked: Asked, slug: str, number: str) -> Response:
    """Switch a version on again."""
    version = _held(slug, number)
    switches.start_version(version, by=me())
    return answer(version)


@_move("mock", "Mocking")
def mock(asked: Asked, slug: str, number: str) -> Response:
    """Let the gateways answer from the examples of a draft, or not."""
    version = _held(slug, number)
    switches.mock_version(version, asked.body["mocked"], by=me())
    return answer(version)


@operation("GET", f"{OF_VERSION}/revisions", P.READ_APIS, tag=TAG, answer="[Revision]", query=PAGED)
def list_revisions(asked: Asked, slug: str, number: str) -> Response:
    """List the revisions of a version, newest first."""
    found = revisions(find_version(slug, number), before=after_number(asked), size=asked.query["limit"])
    return page(asked, found, shapes.of_revision, lambda revision: revision.number)


@operation("GET", OF_REVISION, P.READ_APIS, tag=TAG, answer="Revision")
def show_revision(asked: Asked, slug: str, number: str, revision: int) -> Response:
    """Read one revision: what was chosen when it was published."""
    return json(shapes.of_revision(find_revision(find_version(slug, number), revision)))


@operation("GET", f"{OF_REVISION}/document", P.READ_APIS, tag=TAG, answer="text")
def show_revision_document(asked: Asked, slug: str, number: str, revision: int) -> Response:
    """Read the OpenAPI document of a revision."""
    version = find_version(slug, number)
    return as_text(version, find_revision(version, revision).source)


@operation("GET", f"{OF_REVISION}/compare/<int:other>", P.READ_APIS, tag=TAG, answer="Comparison")
def compare_revisions(asked: Asked, slug: str, number: str, revision: int, other: int) -> Response:
    """Compare a revision with another: what differs in the other."""
    version = find_version(slug, number)
    rows = [find_revision(version, wanted) for wanted in (revision, other)]
    before, after = map(content_of, rows)
    said = {"before": revision, "after": other, "choices": before.choices.steps_to(after.choices)}
    said |= {"document": document_steps(before.document, after.document)}
    return json(said | {"plans": plan_steps(*(row.content.get("plans", []) for row in rows))})


@operation(
    "POST", f"{OF_REVISION}/restore", P.MANAGE_APIS, tag=TAG, answer="Version | Revision", statuses=(200, 201),
    body="Restoring", is_optional=True, precondition=True,
)  # fmt: skip
def restore(asked: Asked, slug: str, number: str, revision: int) -> Response:
    """Work on an earlier revision again (200); with `serve`, publish it as a new one in the same step (201)."""
    version = find_version(slug, number)
    edits, row = expected(version), find_revision(version, revision)
    made = restore_revision(version, row, edits=edits, by=me(), serve=asked.body.get("serve", False))
    return _made(version, made) if made else answer(version)
