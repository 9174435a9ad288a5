"""Gatewright: a web console for running APIs. This file only wires."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

    from .config import Config

__version__ = "0.1.0"


def resource(name: str) -> Path:
    """``templates``, ``static`` or ``migrations``: at the top of a checkout, inside the package in a wheel."""
    inside = Path(__file__).parent / f"_{name}"
    return inside if inside.is_dir() else Path(__file__).parent.parent / name


def create_app(config: Config | None = None) -> Flask:
    """The Flask application; its ``wsgi_app`` answers the machine endpoints, too."""
    from flask import Flask
    from flask_migrate import Migrate
    from jinja2 import StrictUndefined
    from whitenoise import WhiteNoise

    from . import config as settings
    from . import jobs as jobs  # its table belongs to the schema
    from . import outbox as outbox  # and its
    from .apis import review_models as review_models
    from .credentials.seal import ring
    from .db import db, prepare_engine
    from .logs.countries import open_database
    from .logs.store import Store
    from .logs.writer import Writer
    from .runtime import Runtime
    from .web import access, charts, code, errors, filters, htmx, logging, markdown, pages, proxies, requests, zones
    from .web.machine import Front

    config = config or settings.load()
    config.home.mkdir(parents=True, exist_ok=True)
    logging.install(config)
    app = Flask("console", template_folder=str(resource("templates")), static_folder=None)
    app.config.update(
        SQLALCHEMY_DATABASE_URI=config.database_url,
        SQLALCHEMY_ENGINE_OPTIONS=_engine_options(config.database_url),
        MAX_CONTENT_LENGTH=12 * 1024 * 1024,
        MAX_FORM_MEMORY_SIZE=12 * 1024 * 1024,
        SECRET_KEY=None,  # nothing is signed: sessions are random numbers kept on the server
    )
    app.jinja_environment = pages.Templates
    app.jinja_env.undefined = StrictUndefined
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    store = Store(config.logs_url)
    if config.geoip_file:
        open_database(config.geoip_file).close()  # what is wrong with it is said now
    app.extensions["gatewright"] = Runtime(config, ring(config), store, Writer(store, max(1, config.threads - 2)))
    db.init_app(app)
    with app.app_context():
        prepare_engine(db.engine)
    Migrate(app, db, directory=str(resource("migrations")))
    for part in (requests, access, errors, filters, zones, htmx, pages, charts, markdown, code):
        part.install(app)
    _register(app)
    static = WhiteNoise(app.wsgi_app, root=str(resource("static")), prefix="static/", max_age=3600)
    app.wsgi_app = proxies.Trusting(Front(app, static, machine_routes()), config.trusted_proxies)  # type: ignore[method-assign]
    return app


def machine_routes() -> list[Any]:
    from .audit import endpoints as audit
    from .credentials import endpoints as credentials
    from .gateway import endpoints as gateway
    from .gateway import mocks
    from .logs import endpoints as logs
    from .tokens import endpoints as tokens

    return [*tokens.ROUTES, *credentials.ROUTES, *gateway.ROUTES, *mocks.ROUTES, *logs.ROUTES, *audit.ROUTES]


# every page, by domain
PAGES = {
    "home": ("views",),
    "accounts": ("views", "registration_views", "people", "profile", "access_token_views"),
    "apis": (
        "views", "lifecycle", "editor_views", "design_views", "lint_views", "review_views", "revision_views", "usage_views",
        "sunset_views", "switch_views",
    ),
    "catalog": ("views", "reference_views", "try_views"),
    "applications": ("views", "approvals", "plan_views", "subscription_views"),
    "credentials": ("views", "keyring", "client_key_views", "certificate_views", "version_keys", "leaks"),
    "tokens": ("views", "inspector"),
    "gateway": ("views",),
    "logs": ("views", "analytics_views", "rejected", "exports", "tail", "why_views"),
    "alerts": ("views",),
    "audit": ("views",),
    "rest": ("views",),
}  # fmt: skip


def _register(app: Flask) -> None:
    from importlib import import_module

    for domain, names in PAGES.items():
        for name in names:
            app.register_blueprint(import_module(f".{domain}.{name}", __name__).blueprint)


def _engine_options(url: str) -> dict[str, Any]:
    if url.startswith("sqlite"):
        return {"pool_size": 20, "max_overflow": 20, "hide_parameters": True}
    return {"pool_size": 10, "max_overflow": 20, "pool_pre_ping": True, "hide_parameters": True}
