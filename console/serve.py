"""The console under gunicorn: threads, several workers, one process group for pages and machines."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from gunicorn.app.base import BaseApplication

from . import create_app
from .beside import Beside
from .config import Config
from .credentials.signing import ensure_signing_keys
from .db import db, unit_of_work
from .install import check_keys
from .runtime import Runtime, runtime


class Server(BaseApplication):  # type: ignore[misc]
    def __init__(self, config: Config) -> None:
        self.settings = config
        super().__init__()

    def load_config(self) -> None:
        config = self.settings
        options: dict[str, Any] = {
            "bind": f"[{config.host}]:{config.port}" if ":" in config.host else f"{config.host}:{config.port}",
            "workers": config.workers,
            "worker_class": "console.web.worker.Worker",
            "threads": config.threads,
            "preload_app": True,  # memory that never changes is shared between the workers
            "timeout": 60,
            "graceful_timeout": 2,  # the nodes' long polls would hold it open
            "keepalive": 75,
            "limit_request_line": 8190,
            "forwarded_allow_ips": "",  # web.proxies decides whom to believe
            "loglevel": "warning",
            "control_socket_disable": True,
            "certfile": config.tls_cert or None,
            "keyfile": config.tls_key or None,
            "child_exit": _forget,
            "post_worker_init": self.begin,
            "worker_exit": self.end,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def begin(self, worker: Any) -> None:
        """In each worker."""
        me: Runtime = self.flask_app.extensions["gatewright"]
        me.beside = Beside(self.flask_app, me.writer.at_once, worker.sockets)  # while nothing else runs

    def end(self, _server: Any, _worker: Any) -> None:
        me: Runtime = self.flask_app.extensions["gatewright"]
        if me.beside:
            me.beside.stop()

    def load(self) -> Callable[..., Any]:
        self.flask_app = app = create_app(self.settings)
        with app.app_context():
            with unit_of_work():
                check_keys()
            with unit_of_work():
                ensure_signing_keys()
            # connections must not cross the fork
            db.engine.dispose()
            runtime().logs.dispose()
        settle()
        return app.wsgi_app


def settle() -> None:
    """All that there is now stays: the garbage collector need not look at it again and again, which holds up every thread,
    and took half of the time of decoding records."""
    gc.collect()
    gc.freeze()


def _forget(_server: Any, worker: Any) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    from .web.worker import CONNECTIONS, PLACES

    CONNECTIONS[worker.age % PLACES] = -1
    mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]


def serve(config: Config) -> None:
    Server(config).run()
