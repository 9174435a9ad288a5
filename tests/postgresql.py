"""A PostgreSQL server of a test's own, on loopback, that may be stopped and started; thrown away at the end."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from tests.programs import free_port, lack


def programs() -> Path:
    """Where its programs are (the newest of them); skips the test when there are none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    path = str(found[-1]) if found else shutil.which("initdb")
    if path is None:
        lack("needs PostgreSQL's initdb: apt-get install postgresql")
    return Path(path).parent


@dataclass(frozen=True)
class Server:
    programs: Path
    home: Path
    port: int

    def create(self, name: str) -> str:
        """A database of that name; its URL."""
        url = f"postgresql+psycopg://postgres@127.0.0.1:{self.port}"
        engine = create_engine(f"{url}/postgres", isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        engine.dispose()
        return f"{url}/{name}"

    def run(self, program: str, *arguments: str) -> None:
        as_postgres = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []  # it refuses to run as root
        command = [*as_postgres, str(self.programs / program), "-D", str(self.home / "data"), *arguments]
        subprocess.run(command, check=True, cwd=self.home, timeout=60, stdout=subprocess.DEVNULL)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.home} -c fsync=off"
        self.run("pg_ctl", "-l", str(self.home / "log"), "-w", "-o", options, "start")

    def stop(self) -> None:
        """As a power cut would: nobody is told, and the next start recovers from the write-ahead log."""
        self.run("pg_ctl", "-m", "immediate", "stop")


@contextmanager
def postgresql() -> Iterator[Server]:
    me = Server(programs(), Path(tempfile.mkdtemp(prefix="gw-postgresql-")), free_port())
    if os.geteuid() == 0:
        shutil.chown(me.home, "postgres")
    try:
        me.run("initdb", "-A", "trust", "-U", "postgres", "-N")
        me.start()
        yield me
    finally:
        if (me.home / "data" / "postmaster.pid").exists():
            me.stop()
        shutil.rmtree(me.home)
