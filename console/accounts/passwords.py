"""People's passwords: argon2id with OWASP's parameters (19 MiB, two passes, one lane)."""

from __future__ import annotations

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from ..errors import Refused

_hasher = PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
# what an unknown account is checked against, so that it takes as long as a known one
_nobody = _hasher.hash("nobody has this password")

SHORTEST, LONGEST = 12, 200
GUESSED_FIRST = ("password", "gatewright", "12345678", "qwerty", "letmein", "iloveyou", "administrator")


def hash_password(password: str, *, email: str = "") -> str:
    """The hash to keep. Refuses what is guessed first (NIST SP 800-63B section 5.1.1.2)."""
    if len(password) < SHORTEST:
        raise Refused(f"Use at least {SHORTEST} characters. Three or four unrelated words do well.", "password")
    if len(password) > LONGEST:
        raise Refused(f"Use at most {LONGEST} characters.", "password")
    plain = password.lower()
    local = email.split("@")[0]
    if len(set(plain)) < 5 or (len(local) > 3 and local in plain):
        raise Refused("That is too easy to guess: it repeats itself or holds your address.", "password")
    for word in GUESSED_FIRST:
        if len(plain.replace(word, "")) < 6:
            raise Refused("That is one of the first passwords anybody tries. Use unrelated words.", "password")
    return _hasher.hash(password)


def verify_password(password: str, stored: str | None) -> bool:
    try:
        matches = _hasher.verify(stored or _nobody, password[: LONGEST + 1])
    except (VerificationError, InvalidHashError):
        return False
    return matches and stored is not None
