"""Mail: by SMTP when it is set up, else printed, so that a newcomer can go on."""

from __future__ import annotations

import smtplib
import ssl
import sys
import threading
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

import structlog

from .config import Config

log = structlog.get_logger("mail")
TIMEOUT_S = 10


def send(config: Config, to: str, subject: str, text: str) -> bool:
    """Whether it went out. Without SMTP it is printed instead and does not count as sent."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = config.mail_from, to, subject
    message.set_content(text)
    if not config.smtp_url and config.production:  # a link in the log would be a way in for whoever reads logs
        log.error("mail.not_sent", to=to, reason="GATEWRIGHT_SMTP_URL is not set")
        return False
    if not config.smtp_url:
        print(f"\n--- mail to {to} (no SMTP is set up) ---\n{subject}\n\n{text}\n---\n", file=sys.stderr, flush=True)
        return False
    try:
        _deliver(config.smtp_url, message)
    except (OSError, smtplib.SMTPException) as problem:
        log.error("mail.failed", to=to, error=type(problem).__name__)
        return False
    return True


def send_soon(config: Config, to: str, subject: str, text: str) -> None:
    """In the background: the answer must not tell by its time whether there was anybody to write to."""
    threading.Thread(target=send, args=(config, to, subject, text), daemon=True).start()


def _deliver(url: str, message: EmailMessage) -> None:
    parts = urlsplit(url)
    host = parts.hostname or "localhost"
    if parts.scheme == "smtps":
        server: smtplib.SMTP = smtplib.SMTP_SSL(
            host, parts.port or 465, timeout=TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        server = smtplib.SMTP(host, parts.port or 25, timeout=TIMEOUT_S)
    with server:
        server.ehlo_or_helo_if_needed()  # the server says what it can only when greeted
        if parts.scheme != "smtps" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
        if parts.username:
            server.login(unquote(parts.username), unquote(parts.password or ""))
        server.send_message(message)
