"""Describing what is called already: the drafted operation goes into the document that is worked on."""

from __future__ import annotations

from ..accounts.models import Person
from ..logs.undescribed import Undescribed
from . import reality
from .design import save_document
from .drafts import Draft
from .models import ApiVersion
from .reviews import check_editable
from .working import working


def describe_calls(version: ApiVersion, calls: Undescribed, *, edits: int, by: Person) -> reality.Draft:
    """``calls``: as `reality` tells them. `Refused` where OpenAPI has no place for them, and as `save_document` does."""
    check_editable(version)
    work = working(version)
    drafted = reality.draft_of(calls, work.document)
    draft = Draft(work.source, work.document)
    draft.set_operation(None, drafted.method, drafted.path, drafted.operation)
    save_document(version, draft.text, edits=edits, by=by, document=draft.checked())
    return drafted
