"""Secrets at rest: AES-256-GCM under a fresh data key each, which is wrapped by a ring of key-encryption keys.

A blob is bound to where it belongs (``context``: table, column and row), so that it cannot be moved. The form is
``v1.<key id>.<nonce + wrapped data key>.<nonce + ciphertext>``, base64url (NIST SP 800-38D; 96-bit random nonces).
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..config import Config
from ..errors import Refused


class Ring:
    """Key-encryption keys by id; the first one seals, all of them open."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise Refused("The key-encryption ring is empty. Set GATEWRIGHT_KEYS.")
        self.keys = {kid: AESGCM(key) for kid, key in keys.items()}
        self.primary = next(iter(keys))

    def seal(self, secret: bytes, context: str) -> str:
        data_key, aad = secrets.token_bytes(32), context.encode()
        wrapped = _encrypt(self.keys[self.primary], data_key, aad)
        return f"v1.{self.primary}.{_b64(wrapped)}.{_b64(_encrypt(AESGCM(data_key), secret, aad))}"

    def open(self, blob: str, context: str) -> bytes:
        """The secret. `Refused` when the ring lacks the key, or the blob was altered or belongs elsewhere."""
        try:
            version, kid, wrapped, sealed = blob.split(".")
        except ValueError:
            raise Refused("A sealed value is damaged; restore it from a backup.") from None
        if version != "v1" or kid not in self.keys:
            raise Refused(f"GATEWRIGHT_KEYS lacks the key {kid!r} that this installation's secrets are sealed with.")
        try:
            data_key = _decrypt(self.keys[kid], _unb64(wrapped), context.encode())
            return _decrypt(AESGCM(data_key), _unb64(sealed), context.encode())
        except InvalidTag:
            raise Refused(
                f"The key-encryption key {kid!r} is not the one this installation was sealed with. "
                "Set GATEWRIGHT_KEYS (or the file `keys` in the data directory) to the original."
            ) from None


def ring(config: Config) -> Ring:
    """The ring from the settings; in development it is made once and kept in the data directory."""
    if config.keys:
        return Ring(parse(config.keys))
    file = config.home / "keys"
    if config.production and not file.exists():
        raise Refused(
            "Production needs a key-encryption key. Set GATEWRIGHT_KEYS=k1:$(openssl rand -base64 32) and keep it safe: "
            "without it no stored secret can be opened again."
        )
    if not file.exists():
        _create(file)
    return Ring(parse(file.read_text()))


def parse(text: str) -> dict[str, bytes]:
    """``id:base64`` pairs, comma-separated."""
    keys: dict[str, bytes] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        kid, colon, value = part.partition(":")
        try:
            key = base64.b64decode(value, validate=True)
        except ValueError:
            key = b""
        if not colon or not kid.isalnum() or len(key) != 32:
            raise Refused(
                "GATEWRIGHT_KEYS must be id:base64 pairs of 32 bytes each, such as k1:$(openssl rand -base64 32)."
            )
        keys[kid] = key
    return keys


def _create(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_text("k1:" + base64.b64encode(secrets.token_bytes(32)).decode())
    fresh.chmod(0o600)
    try:
        os.link(fresh, file)  # never over another process's ring, which may have sealed already
    except FileExistsError:
        pass
    finally:
        fresh.unlink()


def _encrypt(cipher: AESGCM, secret: bytes, aad: bytes) -> bytes:
    nonce = secrets.token_bytes(12)
    return nonce + cipher.encrypt(nonce, secret, aad)


def _decrypt(cipher: AESGCM, blob: bytes, aad: bytes) -> bytes:
    return cipher.decrypt(blob[:12], blob[12:], aad)


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _unb64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
