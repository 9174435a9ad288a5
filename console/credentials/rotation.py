"""When keys change: the arithmetic, which follows from how long verifiers remember and how long tokens live.

``next`` is published and not used; ``active`` signs; ``retiring`` verifies what it signed; ``retired`` is gone. Nobody may
meet a signature before it can have seen the key, so a key is published for ``PUBLISH_LEAD_S`` before it signs. And no good
token may lose its key, so a key lingers for ``LINGER_S`` after its last signature.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from .models import EncryptionKey, KeyState, SigningKey

MAX_AGE_S = 900  # of the JWKS: a cache may answer with it for so long,
STALE_S = 300  # and for so long while it asks again (RFC 5861)
SKEW_S = 60  # between clocks
LONGEST_TOKEN_S = 24 * 3600  # no API may let its tokens live longer
PUBLISH_LEAD_S = MAX_AGE_S + STALE_S + SKEW_S
LINGER_S = LONGEST_TOKEN_S + SKEW_S

AnyKey = SigningKey | EncryptionKey


def lead_left_s(key: AnyKey, at: datetime) -> float:
    """Seconds until every verifier can have seen the key; 0 or less when it may sign."""
    return PUBLISH_LEAD_S - (at - key.created_at).total_seconds()


def is_due(key: AnyKey, at: datetime, every: timedelta) -> bool:
    """Whether an active key has been in use for long enough. ``every`` 0: never by itself."""
    return bool(every) and key.activated_at is not None and at - key.activated_at >= every


def activate(key: AnyKey, at: datetime) -> None:
    key.state, key.activated_at = KeyState.ACTIVE, at


def begin_retiring(key: AnyKey, at: datetime) -> None:
    key.state, key.retiring_at = KeyState.RETIRING, at


def has_lingered(key: AnyKey, at: datetime) -> bool:
    return key.state == KeyState.RETIRING and (at - (key.retiring_at or at)).total_seconds() > LINGER_S


def retire(key: AnyKey, at: datetime) -> None:
    """Unpublished, and its private half wiped."""
    key.state, key.retired_at, key.private_sealed = KeyState.RETIRED, at, ""


def end_at_once(key: AnyKey, at: datetime) -> None:
    """Whatever was signed with it, or encrypted to it, is refused from now on."""
    key.state, key.revoked_at, key.private_sealed = KeyState.REVOKED, at, ""
