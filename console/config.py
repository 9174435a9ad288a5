"""Every setting: its name, default and meaning, read once from the environment.

``docs/settings.md`` is held to this table by a test.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from .errors import Refused


@dataclass(frozen=True)
class Setting:
    name: str
    default: str
    help: str
    secret: bool = False

    @property
    def variable(self) -> str:
        return f"GATEWRIGHT_{self.name.upper()}"


SETTINGS = (
    Setting("env", "development", "`development` or `production`. Production refuses unsafe defaults."),
    Setting("home", "./var", "Data directory: databases, keys, node state."),
    Setting("database_url", "", "Main database. Empty: SQLite in the data directory. PostgreSQL by URL.", secret=True),
    Setting(
        "logs_url",
        "",
        "Logs database. Empty: SQLite in the data directory. PostgreSQL or ClickHouse by URL.",
        secret=True,
    ),
    Setting("logs_days", "90", "Request records are kept for so many days, then dropped day by day. 0: for ever."),
    Setting(
        "logs_budget_mb",
        "0",
        "Disk space for request records, in MB; past it the oldest days are dropped. 0: no limit.",
    ),
    Setting(
        "logs_archive",
        "",
        "Directory that request records are written to before they are dropped. Empty: they are not. See logs.md.",
    ),
    Setting("logs_archive_format", "ndjson", "`ndjson` (gzip) or `parquet`, which needs `gatewright[parquet]`."),
    Setting(
        "geoip_file",
        "",
        "Country database in MaxMind's format (MMDB); with it analytics know where callers are. Empty: none.",
    ),
    Setting("public_url", "", "Address that people and gateways use for the console; also the token issuer."),
    Setting("host", "127.0.0.1", "Address the console listens on."),
    Setting("port", "8000", "Port the console listens on."),
    Setting("workers", "2", "Worker processes of the console."),
    Setting("threads", "8", "Threads in each worker."),
    Setting("gateway_url", "", "Address that callers use for the gateway. Empty: loopback and the gateway port."),
    Setting("gateway_host", "127.0.0.1", "Address the local gateway node listens on."),
    Setting("gateway_port", "8080", "Port the local gateway node listens on."),
    Setting("gateway_tls_cert", "", "Certificate chain (PEM file) for the local gateway node to serve HTTPS with."),
    Setting("gateway_tls_key", "", "Private key (PEM file) of that certificate."),
    Setting("sample_port", "8090", "Port of the sample backend that `up` starts. 0: do not start it."),
    Setting(
        "keys", "", "Key-encryption keys, `id:base64` of 32 bytes each, comma-separated, first in use.", secret=True
    ),
    Setting("keys_file", "", "File with those pairs instead (mode 0400; a secret of systemd, Docker or Kubernetes)."),
    Setting(
        "keys_kms",
        "",
        "`package.module:factory` of your own that wraps data keys with a KMS instead. See production.md.",
    ),
    Setting("signing_key_days", "30", "A signing key signs for so many days. 0: rotate by hand only."),
    Setting("encryption_key_days", "90", "An encryption key of ours is used for so many days. 0: rotate by hand only."),
    Setting("tls_cert", "", "Certificate chain (PEM file) to serve HTTPS with."),
    Setting("tls_key", "", "Private key (PEM file) of that certificate."),
    Setting("trusted_proxies", "", "Networks (CIDR, comma-separated) whose X-Forwarded-* headers are believed."),
    Setting("fetch_allow", "", "host:port pairs (comma-separated) that imports may fetch although they are private."),
    Setting("smtp_url", "", "smtp[s]://user:password@host:port. Empty: mail is printed to the console.", secret=True),
    Setting("mail_from", "gatewright@localhost", "Sender of mail."),
    Setting("session_hours", "12", "A session ends this many hours after sign-in."),
    Setting("metrics_token", "", "Bearer token for /metrics. Empty: loopback callers only.", secret=True),
    Setting("admin_email", "", "`up` creates the first admin with this address instead of printing a link."),
    Setting("admin_password", "", "Password of that first admin.", secret=True),
    Setting("log_level", "info", "debug, info, warning or error."),
)


@dataclass(frozen=True)
class Config:
    """The settings as typed values. Build it with `load`."""

    env: str
    home: Path
    database_url: str
    logs_url: str
    logs_days: int
    logs_budget_mb: int
    logs_archive: Path | None
    logs_archive_format: str
    geoip_file: str
    public_url: str
    host: str
    port: int
    workers: int
    threads: int
    gateway_url: str
    gateway_host: str
    gateway_port: int
    gateway_tls_cert: str
    gateway_tls_key: str
    sample_port: int
    keys: str
    keys_file: str
    keys_kms: str
    signing_key_days: int
    encryption_key_days: int
    tls_cert: str
    tls_key: str
    trusted_proxies: tuple[str, ...]
    fetch_allow: tuple[str, ...]
    smtp_url: str
    mail_from: str
    session_hours: int
    metrics_token: str
    admin_email: str
    admin_password: str
    log_level: str

    @property
    def production(self) -> bool:
        return self.env == "production"

    @property
    def https(self) -> bool:
        return self.public_url.startswith("https://")


def load(environ: Mapping[str, str] | None = None) -> Config:
    """Read the settings; an unknown or impossible one is refused with its name (`Refused`)."""
    environ = os.environ if environ is None else environ
    _refuse_unknown(environ)
    raw = {s.name: environ.get(s.variable, "") or s.default for s in SETTINGS}
    values = {f.name: _typed(f.name, str(f.type), raw[f.name]) for f in fields(Config)}
    home = Path(raw["home"]).absolute()
    scheme = "https" if raw["tls_cert"] else "http"
    values |= {
        "home": home,
        "database_url": _database(raw["database_url"]) or f"sqlite:///{home}/gatewright.db",
        "logs_url": _database(raw["logs_url"]) or f"sqlite:///{home}/logs.db",
        "logs_archive": Path(raw["logs_archive"]).absolute() if raw["logs_archive"] else None,
        "public_url": (raw["public_url"] or f"{scheme}://{_loopback(raw['host'])}:{raw['port']}").rstrip("/"),
        "gateway_url": (raw["gateway_url"] or _gateway(raw)).rstrip("/"),
    }
    if raw["env"] not in ("development", "production"):
        raise Refused(f"GATEWRIGHT_ENV is {raw['env']!r}; it must be development or production.")
    _refuse_format(raw["logs_archive_format"])
    _refuse_plain_http(raw["env"], str(values["public_url"]))
    for of in ("TLS", "GATEWAY_TLS"):
        if bool(raw[f"{of}_cert".lower()]) != bool(raw[f"{of}_key".lower()]):
            raise Refused(f"Set both GATEWRIGHT_{of}_CERT and GATEWRIGHT_{of}_KEY, or neither.")
    return Config(**values)  # type: ignore[arg-type]


def _typed(name: str, kind: str, text: str) -> object:
    if kind == "int":
        if not (text.isascii() and text.isdigit() and len(text) < 10):
            raise Refused(f"GATEWRIGHT_{name.upper()} is {text!r}; it must be a whole number.")
        return int(text)
    if kind.startswith("tuple"):
        return tuple(part.strip() for part in text.split(",") if part.strip())
    return text


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    known = {s.variable for s in SETTINGS}
    for name in environ:
        if name.startswith("GATEWRIGHT_") and name not in known and not name.startswith("GATEWRIGHT_TEST_"):
            raise Refused(f"{name} is not a setting. `gatewright settings` lists them.")


def _refuse_plain_http(env: str, public_url: str) -> None:
    """The address decides whether cookies are `Secure`; in production they are, unless all of it is on this machine."""
    host = urlsplit(public_url).hostname or ""
    if env == "production" and not public_url.startswith("https://") and host not in ("127.0.0.1", "localhost", "::1"):
        raise Refused(
            f"GATEWRIGHT_PUBLIC_URL is {public_url}. In production it must be https://, with a certificate of the console's "
            "own (GATEWRIGHT_TLS_CERT, GATEWRIGHT_TLS_KEY) or a proxy's (GATEWRIGHT_TRUSTED_PROXIES)."
        )


def _refuse_format(name: str) -> None:
    if name not in ("ndjson", "parquet"):
        raise Refused(f"GATEWRIGHT_LOGS_ARCHIVE_FORMAT is {name!r}; it must be ndjson or parquet.")
    if name == "parquet" and find_spec("pyarrow") is None:
        raise Refused("GATEWRIGHT_LOGS_ARCHIVE_FORMAT is parquet, which needs: pip install 'gatewright[parquet]'.")


def _database(url: str) -> str:
    """PostgreSQL is always spoken through psycopg 3, whatever the URL calls it; ClickHouse through its own driver."""
    scheme, separator, rest = url.partition("://")
    names = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "clickhouse": "clickhousedb"}
    return names.get(scheme, scheme) + separator + rest


def _gateway(raw: Mapping[str, str]) -> str:
    scheme = "https" if raw["gateway_tls_cert"] else "http"
    return f"{scheme}://{_loopback(raw['gateway_host'])}:{raw['gateway_port']}"


def _loopback(host: str) -> str:
    """What a browser on this machine writes for the address that is listened on."""
    if host in ("0.0.0.0", "::", ""):  # noqa: S104
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
