"""Secrets that machines hold: made here, shown once, kept as HMAC-SHA-256 under a pepper.

The form is ``prefix_random_checksum``: 43 base62 characters (256 bits), then CRC-32 in base62, so a typo is told
without a look-up and secret scanners can match it. A slow password hash would buy nothing for 256 random bits.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
import zlib
from dataclasses import dataclass

from sqlalchemy.orm import Mapped, mapped_column

from ..db import Model, db
from ..runtime import needs_database, runtime

ALPHABET = string.digits + string.ascii_letters
CLIENT_SECRET, API_KEY, NODE_CREDENTIAL, LINK, ACCESS_TOKEN = "gws", "gwk", "gwn", "gwl", "gwp"


class SealedValue(Model):
    """A secret of the installation itself, such as the pepper."""

    __tablename__ = "sealed_value"
    name: Mapped[str] = mapped_column(primary_key=True)
    blob: Mapped[str]


@dataclass(frozen=True)
class Minted:
    """``text`` is to be shown once; ``digest`` and ``hint`` are what is kept."""

    text: str
    digest: str
    hint: str


def mint(prefix: str) -> Minted:
    body = "".join(secrets.choice(ALPHABET) for _ in range(43))
    text = f"{prefix}_{body}_{_checksum(prefix + body)}"
    return Minted(text, digest(text), f"{prefix}_{body[:4]}…{text[-4:]}")


def well_formed(text: str, prefix: str) -> bool:
    """Whether the checksum holds; a mistyped secret fails here."""
    parts = text.split("_")
    return len(parts) == 3 and parts[0] == prefix and len(parts[1]) == 43 and parts[2] == _checksum(prefix + parts[1])


def digest(text: str) -> str:
    return hmac.new(sealed("pepper"), text.encode(), hashlib.sha256).hexdigest()


def sealed(name: str) -> bytes:
    """A 32-byte secret of this installation, made on first use. A wrong key-encryption key is noticed here."""
    me = runtime()
    if name not in me.sealed:
        needs_database()
        row = db.session.get(SealedValue, name)
        if row is None:
            row = SealedValue(name=name, blob=me.ring.seal(secrets.token_bytes(32), f"sealed_value.blob.{name}"))
            db.session.add(row)
            db.session.flush()
        me.sealed[name] = me.ring.open(row.blob, f"sealed_value.blob.{name}")
    return me.sealed[name]


def _checksum(text: str) -> str:
    value, out = zlib.crc32(text.encode()), ""
    for _ in range(6):
        value, rest = divmod(value, 62)
        out = ALPHABET[rest] + out
    return out
