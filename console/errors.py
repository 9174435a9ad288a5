"""The one base for what the domain refuses."""


class Refused(Exception):
    """A change that the rules do not allow. The text is for the person: what is wrong and what to do.

    ``field`` names the form field that it belongs to, when there is one.
    """

    status = 409

    def __init__(self, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.field = field


class NotFound(Refused):
    """It does not exist, or not for this person; the answer is the same."""

    status = 404


class Denied(Refused):
    """Signed in, but without the permission."""

    status = 403
