"""How an answer is made: JSON, pages by key, entity tags."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import orjson
from flask import Response, request

from ..apis.models import ApiVersion
from ..apis.working import Stale, lock
from ..errors import Refused
from .operations import Asked, Unreadable
from .parameters import BadQuery

T = TypeVar("T")
ROOT = "/api/v1"


class Missing(Refused):
    status = 428


class Differs(Refused):
    status = 412


def json(value: Any, status: int = 200, **headers: str) -> Response:
    answer = Response(orjson.dumps(value), status, mimetype="application/json")
    answer.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
    return answer


def nothing() -> Response:
    return Response(status=204)


def address(*parts: object) -> str:
    """``/api/v1/apis/orders``, for Location."""
    return "/".join([ROOT, *(quote(str(part), safe="") for part in parts)])


def page(asked: Asked, found: list[T], shape: Callable[[T], Any], key: Callable[[T], object]) -> Response:
    """``found``: one more than the limit when there is a next page. ``key``: what the next one comes after."""
    size = asked.query["limit"]
    more = str(key(found[size - 1])) if len(found) > size else None
    return bounded([shape(one) for one in found[:size]], more)


def bounded(items: Iterable[Any], more: str | None = None) -> Response:
    """``more``: where the next page begins."""
    answer = json({"items": list(items), "next": more})
    if more is not None:
        said = {**request.args.to_dict(flat=False), "after": [more]}
        answer.headers["Link"] = f'<{request.path}?{urlencode(said, doseq=True)}>; rel="next"'
    return answer


def after_number(asked: Asked) -> int:
    """The ``after`` of a page whose keys are numbers; 0: from the beginning."""
    said = asked.query["after"]
    if not said:
        return 0
    if not (said.isascii() and said.isdecimal() and len(said) < 20):
        raise BadQuery("after is what the Link of the page before says.")
    return int(said)


def tag_of(version: ApiVersion) -> str:
    return f'"{version.edits}"'


def expected(version: ApiVersion) -> int:
    """`ApiVersion.edits` as who asks has seen it (If-Match, RFC 9110 section 13.1.1), under the version's lock."""
    said = request.headers.get("If-Match")
    if said is None:
        raise Missing("Send If-Match with the ETag of the version as you read it, or * to change it whatever it is.")
    edits = version.edits
    if not request.if_match.star_tag and not request.if_match.contains(str(edits)):
        raise Differs(f"{version.name} was changed since you read it. Read it again.")
    try:
        lock(version, edits)
    except Stale as stale:  # while this waited for whoever was faster
        raise Differs(stale.message) from None
    return edits


def time(moment: datetime | None) -> str | None:
    """RFC 3339, UTC."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z") if moment else None


def read_time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise Unreadable(f"{text[:40]} is no time that can be kept. Write it as 2027-01-31T00:00:00Z.") from None
