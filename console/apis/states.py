"""The lifecycle as a table: from which states a move is legal, and what would make it legal elsewhere."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from ..errors import Refused
from .models import SERVING, UNPUBLISHED, ApiVersion, State


class Move(StrEnum):
    EDIT = "edit"
    REQUEST_REVIEW = "request_review"
    WITHDRAW_REVIEW = "withdraw_review"
    REQUEST_CHANGES = "request_changes"
    PUBLISH = "publish"
    DEPRECATE = "deprecate"
    UNDEPRECATE = "undeprecate"
    BLOCK = "block"
    UNBLOCK = "unblock"
    STOP = "stop"
    START = "start"
    RETIRE = "retire"
    DISCARD = "discard"


@dataclass(frozen=True)
class Rule:
    verb: str  # as in "cannot be ..."
    sources: tuple[State, ...]


S = State
RULES: dict[Move, Rule] = {
    Move.EDIT: Rule("changed", (S.DRAFT, S.CHANGES_REQUESTED, *SERVING)),
    Move.REQUEST_REVIEW: Rule("sent to review", (S.DRAFT, S.CHANGES_REQUESTED, *SERVING)),
    Move.WITHDRAW_REVIEW: Rule("taken back from review", (S.IN_REVIEW, *SERVING)),
    Move.REQUEST_CHANGES: Rule("sent back", (S.IN_REVIEW, *SERVING)),
    Move.PUBLISH: Rule("published", (*UNPUBLISHED, *SERVING)),
    Move.DEPRECATE: Rule("deprecated", SERVING),
    Move.UNDEPRECATE: Rule("taken back from deprecation", (S.DEPRECATED,)),
    Move.BLOCK: Rule("blocked", SERVING),
    Move.UNBLOCK: Rule("unblocked", (S.BLOCKED,)),
    Move.STOP: Rule("switched off", SERVING),
    Move.START: Rule("switched on", SERVING),
    Move.RETIRE: Rule("retired", (*SERVING, S.BLOCKED)),
    Move.DISCARD: Rule("discarded", UNPUBLISHED),
}

# what would make a move legal, by the state that forbids it
WAYS_OUT: dict[State, str] = {
    S.DRAFT: "Publish it first.",
    S.IN_REVIEW: "It is in review: take it back first, or wait for the decision.",
    S.CHANGES_REQUESTED: "Changes were asked for: make them, and publish it first.",
    S.PUBLISHED: "It is published and stays so until it is deprecated, blocked or retired.",
    S.DEPRECATED: "It is deprecated already.",
    S.BLOCKED: "It is blocked: unblock it first.",
    S.RETIRED: "It is retired, which cannot be undone. Import a new version.",
}
SPECIAL: dict[tuple[Move, State], str] = {
    (Move.UNDEPRECATE, S.PUBLISHED): "It is not deprecated.",
    (Move.UNBLOCK, S.PUBLISHED): "It is not blocked.",
    (Move.UNBLOCK, S.DEPRECATED): "It is not blocked.",
    (Move.DISCARD, S.PUBLISHED): "Callers may depend on it: deprecate and retire it instead.",
    (Move.DISCARD, S.DEPRECATED): "Callers may depend on it: retire it instead.",
    (Move.WITHDRAW_REVIEW, S.DRAFT): "It is not in review.",
    (Move.WITHDRAW_REVIEW, S.CHANGES_REQUESTED): "The review has ended: changes were asked for.",
    (Move.REQUEST_CHANGES, S.DRAFT): "Nobody asked for a review of it.",
    (Move.REQUEST_CHANGES, S.CHANGES_REQUESTED): "Changes were asked for already.",
    (Move.REQUEST_REVIEW, S.IN_REVIEW): "It is in review already.",
    (Move.BLOCK, S.BLOCKED): "It is blocked already.",
}


def check_move(version: ApiVersion, move: Move) -> None:
    """`Refused` unless ``version`` may make this move from where it is; the message says what would make it legal."""
    rule, state = RULES[move], State(version.state)
    if state in rule.sources:
        return
    way_out = SPECIAL.get((move, state)) or WAYS_OUT[state]
    raise Refused(f"{version.name} is {WORDS[state]} and cannot be {rule.verb}. {way_out}")


WORDS: dict[State, str] = {
    S.DRAFT: "a draft",
    S.IN_REVIEW: "in review",
    S.CHANGES_REQUESTED: "waiting for changes",
    S.PUBLISHED: "published",
    S.DEPRECATED: "deprecated",
    S.BLOCKED: "blocked",
    S.RETIRED: "retired",
}
