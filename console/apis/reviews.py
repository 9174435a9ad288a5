"""Reviews: somebody asks, others comment, approve, or ask for changes. An approval is for one content and no other."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import joinedload, selectinload

from ..accounts.models import Permission, Person
from ..audit.actions import record
from ..audit.models import Action
from ..db import db, now, serialise
from ..errors import NotFound, Refused
from ..outbox import write_to
from ..runtime import runtime
from .models import ApiVersion, Revision, State
from .review_models import Review, ReviewComment, ReviewState
from .states import Move, check_move
from .working import lock, working


def open_review(version: ApiVersion) -> Review | None:
    query = select(Review).where(Review.version_id == version.id, Review.state == ReviewState.OPEN)
    return db.session.scalars(query).first()


def reviews(version: ApiVersion, size: int = 20) -> list[Review]:
    """Newest first, with what was said."""
    query = select(Review).where(Review.version_id == version.id).order_by(Review.id.desc()).limit(size)
    people = (joinedload(Review.requested_by), joinedload(Review.decided_by))
    return list(
        db.session.scalars(query.options(*people, selectinload(Review.comments).joinedload(ReviewComment.person)))
    )


def find_review(version: ApiVersion, review_id: int) -> Review:
    review = db.session.get(Review, review_id)
    if review is None or review.version_id != version.id:
        raise NotFound("There is no such review.")
    return review


@dataclass(frozen=True)
class Standing:
    """``open``: the review under way. ``approved``: the newest approval of exactly this content; ``signed_off``: that by
    another person than who asked for it."""

    open: Review | None
    approved: Review | None
    signed_off: Review | None


def standing(version: ApiVersion, fingerprint: str) -> Standing:
    """Where the reviews of this content stand, as the step from what is served."""
    # once something was published the same content is another step, which breaks others
    later = exists().where(Revision.version_id == version.id, Revision.created_at >= Review.requested_at)
    of_this = and_(Review.fingerprint == fingerprint, Review.state == ReviewState.APPROVED, ~later)
    query = select(Review).where(Review.version_id == version.id, or_(Review.state == ReviewState.OPEN, of_this))
    found = db.session.scalars(query.order_by(Review.id.desc()).limit(100)).all()
    approved = [one for one in found if one.state == ReviewState.APPROVED]
    by_two = (one for one in approved if one.decided_by_id != one.requested_by_id)
    return Standing(
        next((one for one in found if one.state == ReviewState.OPEN), None),
        next(iter(approved), None),
        next(by_two, None),
    )


def request_review(version: ApiVersion, message: str, *, edits: int, by: Person) -> Review:
    """Ask for a look at what is worked on. It cannot be changed meanwhile, only taken back."""
    lock(version, edits)
    check_move(version, Move.REQUEST_REVIEW)
    if open_review(version) is not None:
        raise Refused(f"{version.name} is in review already. Take it back first, or wait for the decision.")
    if version.is_serving and version.draft is None:
        raise Refused(f"Nothing was changed since revision {version.revision} of {version.name}.")
    review = Review(
        version_id=version.id, fingerprint=working(version).fingerprint, message=message[:1000], requested_by_id=by.id
    )
    db.session.add(review)
    if version.is_unpublished:
        version.state = State.IN_REVIEW
    db.session.flush()
    record(Action.REVIEW_REQUESTED, review, by=by, name=version.name, changes={"message": message[:1000]})
    others = [person for person in version.api.team.people if person.id != by.id and person.may(Permission.REVIEW_APIS)]
    write_to(others, f"{by.name} asks for a review of {version.name}", f"{message}\n\n{_page(version)}\n".lstrip())
    return review


def _page(version: ApiVersion) -> str:
    return f"{runtime().config.public_url}/apis/{version.api.slug}/{version.version}/reviews"


def _answer(review: Review, what: str, by: Person) -> None:
    """Told to who asked, unless she decided herself."""
    if review.requested_by_id != by.id:
        text = f"{review.answer}\n\n{_page(review.version)}\n".lstrip()
        write_to([review.requested_by], f"{by.name} {what} {review.version.name}", text)


def check_editable(version: ApiVersion) -> None:
    """`Refused` while somebody is asked to look at it: what is looked at must not change meanwhile."""
    check_move(version, Move.EDIT)
    if open_review(version) is not None:
        raise Refused(
            f"The next revision of {version.name} is in review: take it back first, or wait for the decision."
        )


def is_editable(version: ApiVersion) -> bool:
    try:
        check_editable(version)
    except Refused:
        return False
    return True


def withdraw_review(review: Review, *, by: Person) -> None:
    """Also one that was approved, so that a draft can be changed again; not one that another came after."""
    other = open_review(review.version)
    if other is not None and other.id != review.id:
        raise Refused(f"Another review of {review.version.name} is open. Take that one back.")
    _decide(review, ReviewState.WITHDRAWN, "", by=by)
    _back_to(review.version, State.DRAFT)
    record(Action.REVIEW_WITHDRAWN, review, by=by, name=review.version.name)


def approve_review(review: Review, answer: str, *, by: Person) -> None:
    """The content that was looked at may be published; whatever is changed afterwards needs another look."""
    team = review.version.api.team
    if team.four_eyes and by.id == review.requested_by_id:
        raise Refused(f"You asked for this review, and {team.name} wants another person to decide it.")
    if working(review.version).fingerprint != review.fingerprint:
        raise Refused(f"{review.version.name} was changed since this review was asked for. Ask for another.")
    _decide(review, ReviewState.APPROVED, answer, by=by)
    record(Action.REVIEW_APPROVED, review, by=by, name=review.version.name, changes={"answer": answer[:1000]})
    _answer(review, "approved", by)


def request_changes(review: Review, answer: str, *, by: Person) -> None:
    if not answer.strip():
        raise Refused("Say what should change.", "answer")
    check_move(review.version, Move.REQUEST_CHANGES)
    _decide(review, ReviewState.CHANGES_REQUESTED, answer, by=by)
    _back_to(review.version, State.CHANGES_REQUESTED)
    record(Action.REVIEW_CHANGES_REQUESTED, review, by=by, name=review.version.name, changes={"answer": answer[:1000]})
    _answer(review, "asks for changes of", by)


def _decide(review: Review, state: ReviewState, answer: str, *, by: Person) -> None:
    serialise(f"version {review.version_id}")
    db.session.refresh(review)
    taken_back = state == ReviewState.WITHDRAWN and review.state == ReviewState.APPROVED
    if review.state != ReviewState.OPEN and not taken_back:
        who = review.decided_by.name if review.decided_by else "Somebody"
        raise Refused(f"{who} decided this review already: it is {review.state.replace('_', ' ')}.")
    if state != ReviewState.WITHDRAWN and not by.may(Permission.REVIEW_APIS):
        raise Refused("Your role does not allow deciding reviews.")
    review.state, review.answer, review.decided_by_id, review.decided_at = state, answer[:1000], by.id, now()


def _back_to(version: ApiVersion, state: State) -> None:
    if version.is_unpublished:
        version.state = state


def comment(review: Review, text: str, *, by: Person, operation: str = "", line: int | None = None) -> ReviewComment:
    """About the whole, one operation (``GET /orders``) or one line."""
    if not text.strip():
        raise Refused("Write the comment.", "text")
    if review.state != ReviewState.OPEN:
        raise Refused("This review has ended; what is said in it is kept as it was.")
    lines = working(review.version).source.count("\n") + 1
    if line is not None and not 1 <= line <= lines:
        raise Refused(f"The document has {lines} lines.", "line")
    row = ReviewComment(
        review_id=review.id, person_id=by.id, text=text.strip()[:2000], operation=operation[:300], line=line
    )
    db.session.add(row)
    db.session.flush()
    where = operation or (f"line {line}" if line else "")
    record(Action.REVIEW_COMMENTED, review, by=by, name=review.version.name, changes={"where": where, "text": row.text})
    return row


def end_review(version: ApiVersion) -> None:
    """What was published or thrown away needs no decision any more."""
    review = open_review(version)
    if review is not None:
        review.state, review.decided_at = ReviewState.WITHDRAWN, now()
