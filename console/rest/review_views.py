"""Reviews of what is to be published."""

from __future__ import annotations

from flask import Response

from ..accounts.models import Permission
from ..apis import reviews
from ..apis.queries import find_version
from ..apis.review_models import Review
from ..web.access import me
from . import shapes
from .answers import address, bounded, expected, json
from .api_views import OF_VERSION
from .operations import Asked, operation

P = Permission
TAG = "Reviews"
OF_REVIEW = f"{OF_VERSION}/reviews/<int:review_id>"


def _find(slug: str, number: str, review_id: int) -> Review:
    return reviews.find_review(find_version(slug, number), review_id)


@operation("GET", f"{OF_VERSION}/reviews", P.READ_APIS, tag=TAG, answer="[Review]")
def list_reviews(asked: Asked, slug: str, number: str) -> Response:
    """List the newest reviews of a version, with what was said in them."""
    return bounded(shapes.of_review(review) for review in reviews.reviews(find_version(slug, number)))


@operation(
    "POST", f"{OF_VERSION}/reviews", P.MANAGE_APIS, tag=TAG, answer="Review", statuses=(201,), body="ReviewRequest",
    is_optional=True, precondition=True,
)  # fmt: skip
def request_review(asked: Asked, slug: str, number: str) -> Response:
    """Ask for a review of what is worked on. It cannot be changed meanwhile."""
    version = find_version(slug, number)
    review = reviews.request_review(version, asked.body.get("message", ""), edits=expected(version), by=me())
    where = address("apis", slug, "versions", number, "reviews", review.id)
    return json(shapes.of_review(review), 201, Location=where)


@operation("GET", OF_REVIEW, P.READ_APIS, tag=TAG, answer="Review")
def show_review(asked: Asked, slug: str, number: str, review_id: int) -> Response:
    """Read one review."""
    return json(shapes.of_review(_find(slug, number, review_id)))


@operation(
    "POST", f"{OF_REVIEW}/approve", P.REVIEW_APIS, tag=TAG, answer="Review", body="ReviewAnswer", is_optional=True
)
def approve_review(asked: Asked, slug: str, number: str, review_id: int) -> Response:
    """Approve a review: exactly this content may be published."""
    review = _find(slug, number, review_id)
    reviews.approve_review(review, asked.body.get("answer", ""), by=me())
    return json(shapes.of_review(review))


@operation("POST", f"{OF_REVIEW}/request-changes", P.REVIEW_APIS, tag=TAG, answer="Review", body="ReviewAnswer")
def request_changes(asked: Asked, slug: str, number: str, review_id: int) -> Response:
    """Ask for changes, and say which."""
    review = _find(slug, number, review_id)
    reviews.request_changes(review, asked.body.get("answer", ""), by=me())
    return json(shapes.of_review(review))


@operation("POST", f"{OF_REVIEW}/withdraw", P.MANAGE_APIS, tag=TAG, answer="Review")
def withdraw_review(asked: Asked, slug: str, number: str, review_id: int) -> Response:
    """Take a review back, so that the version can be changed again."""
    review = _find(slug, number, review_id)
    reviews.withdraw_review(review, by=me())
    return json(shapes.of_review(review))


@operation(
    "POST", f"{OF_REVIEW}/comments", P.REVIEW_APIS, tag=TAG, answer="Comment", statuses=(201,), body="CommentText"
)
def comment_on_review(asked: Asked, slug: str, number: str, review_id: int) -> Response:
    """Comment on the whole, on one operation (`GET /orders`) or on one line of the document."""
    review, said = _find(slug, number, review_id), asked.body
    row = reviews.comment(review, said["text"], by=me(), operation=said.get("operation", ""), line=said.get("line"))
    return json(shapes.of_comment(row), 201, Location=address("apis", slug, "versions", number, "reviews", review_id))
