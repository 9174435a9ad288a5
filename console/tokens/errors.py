"""What the authorization server refuses, in the words of the RFCs."""

from __future__ import annotations

from ..errors import Refused


class OAuthError(Refused):
    """``code`` and ``status`` as the RFC that names the code says; ``headers`` beside them."""

    def __init__(self, code: str, description: str, status: int = 400, *headers: tuple[str, str]) -> None:
        super().__init__(description)
        self.code, self.status, self.headers = code, status, headers


def invalid_client(description: str) -> OAuthError:
    """401 with a challenge (RFC 6749 section 5.2)."""
    challenge = ("WWW-Authenticate", 'Basic realm="gatewright", charset="UTF-8"')
    return OAuthError("invalid_client", description, 401, challenge)
