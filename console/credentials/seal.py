"""Secrets at rest: AES-256-GCM under a fresh data key each, which is wrapped by a ring of key-encryption keys.

A blob is bound to where it belongs (``context``: table, column and row), so that it cannot be moved. The form is
``v1.<key id>.<nonce + wrapped data key>.<nonce + ciphertext>``, base64url (NIST SP 800-38D; 96-bit random nonces).
"""

from __future__ import annotations

import base64
import importlib
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..config import Config
from ..errors import Refused


class Wrapper(Protocol):
    """Who wraps data keys: key-encryption keys in this process, or a key management service."""

    primary: str

    def wrap(self, data_key: bytes, context: bytes) -> bytes: ...

    def unwrap(self, kid: str, wrapped: bytes, context: bytes) -> bytes:
        """`LookupError` when it has no key by that id, `InvalidTag` or `ValueError` when the key is another one."""
        ...


class LocalKeys:
    """Key-encryption keys by id; the first one wraps, all of them unwrap."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys:
            raise Refused("The key-encryption ring is empty. Set GATEWRIGHT_KEYS.")
        self.keys = {kid: AESGCM(key) for kid, key in keys.items()}
        self.primary = next(iter(keys))

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        return _encrypt(self.keys[self.primary], data_key, context)

    def unwrap(self, kid: str, wrapped: bytes, context: bytes) -> bytes:
        return _decrypt(self.keys[kid], wrapped, context)


class Ring:
    def __init__(self, keys: Mapping[str, bytes] | Wrapper) -> None:
        self.wrapper: Wrapper = LocalKeys(keys) if isinstance(keys, Mapping) else keys

    def seal(self, secret: bytes, context: str) -> str:
        data_key, aad = secrets.token_bytes(32), context.encode()
        wrapped = self.wrapper.wrap(data_key, aad)
        return f"v1.{self.wrapper.primary}.{_b64(wrapped)}.{_b64(_encrypt(AESGCM(data_key), secret, aad))}"

    def open(self, blob: str, context: str) -> bytes:
        """The secret. `Refused` when the ring lacks the key, or the blob was altered or belongs elsewhere."""
        kid, data_key, sealed = self._data_key(blob, context)
        try:
            return _decrypt(AESGCM(data_key), _unb64(sealed), context.encode())
        except InvalidTag:
            raise _wrong_key(kid) from None

    def rewrap(self, blob: str, context: str) -> str:
        """The same secret under the primary key; only the data key is wrapped anew."""
        _, data_key, sealed = self._data_key(blob, context)
        return f"v1.{self.wrapper.primary}.{_b64(self.wrapper.wrap(data_key, context.encode()))}.{sealed}"

    def is_primary(self, blob: str) -> bool:
        return blob.split(".")[1:2] == [self.wrapper.primary]

    def _data_key(self, blob: str, context: str) -> tuple[str, bytes, str]:
        try:
            version, kid, wrapped, sealed = blob.split(".")
        except ValueError:
            raise Refused("A sealed value is damaged; restore it from a backup.") from None
        if version != "v1":
            raise Refused("A sealed value is of a form that this Gatewright does not know.")
        try:
            return kid, self.wrapper.unwrap(kid, _unb64(wrapped), context.encode()), sealed
        except LookupError:
            raise Refused(
                f"GATEWRIGHT_KEYS lacks the key {kid!r} that this installation's secrets are sealed with."
            ) from None
        except (InvalidTag, ValueError):
            raise _wrong_key(kid) from None


def _wrong_key(kid: str) -> Refused:
    return Refused(
        f"The key-encryption key {kid!r} is not the one this installation was sealed with. "
        "Set GATEWRIGHT_KEYS (or the file `keys` in the data directory) to the original."
    )


def ring(config: Config) -> Ring:
    """The ring from the settings; in development it is made once and kept in the data directory."""
    if config.keys_kms:
        return Ring(_kms(config.keys_kms))
    if config.keys:
        return Ring(parse(config.keys))
    file = Path(config.keys_file) if config.keys_file else config.home / "keys"
    if config.keys_file and not file.is_file():
        raise Refused(f"GATEWRIGHT_KEYS_FILE names {file}, which is not there.")
    if config.production and not file.exists():
        raise Refused(
            "Production needs a key-encryption key. Set GATEWRIGHT_KEYS=k1:$(openssl rand -base64 32) and keep it safe: "
            "without it no stored secret can be opened again."
        )
    if not file.exists():
        _create(file)
    if config.production and file.stat().st_mode & 0o077:
        raise Refused(f"Others may read {file}, which opens every secret. Run: chmod 400 {file}")
    return Ring(parse(file.read_text()))


def _kms(name: str) -> Wrapper:
    """What ``package.module:factory`` makes: an object with ``primary``, ``wrap`` and ``unwrap``."""
    module, _, factory = name.partition(":")
    try:
        made = getattr(importlib.import_module(module), factory)()
    except (ImportError, AttributeError) as problem:
        raise Refused(f"GATEWRIGHT_KEYS_KMS is {name!r}, which cannot be loaded: {problem}.") from None
    able = all(callable(getattr(made, verb, None)) for verb in ("wrap", "unwrap"))
    if not able or not str(getattr(made, "primary", "")).isalnum():
        raise Refused(f"What {name} makes needs primary (letters and digits), wrap and unwrap.")
    return made  # type: ignore[no-any-return]


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
