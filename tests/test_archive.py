"""Records are in a file, whole and once, before they go."""

from __future__ import annotations

import gzip
import os
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
from flask import Flask
from pyarrow import parquet

from console.config import Config, load
from console.db import now
from console.errors import Refused
from console.logs import archive, formats, retention, segments, sweep, upkeep
from console.logs.store import COLUMNS, Store, moment_of
from tests.conftest import World
from tests.homes import SERVER
from tests.ingested import stored
from tests.programs import PROJECT
from tests.test_retention import DAY, MIDNIGHT, entries, keep, kept, of
from tests.test_segments import check, logs, put

__all__ = ["logs"]
Row = tuple[Any, ...]
KILLED = """
import os
from console import create_app
from console.logs import retention, sweep, upkeep
{what} = lambda *a, **b: os.kill(os.getpid(), 9)
with create_app().app_context():
    upkeep.drop_old_records()
"""


@pytest.fixture
def shelf(tmp_path: Path) -> Path:
    made = tmp_path / "archive"
    made.mkdir()
    return made


@pytest.fixture(params=["ndjson", "parquet"])
def settings(request: pytest.FixtureRequest, shelf: Path) -> dict[str, str]:
    return {"GATEWRIGHT_LOGS_ARCHIVE": str(shelf), "GATEWRIGHT_LOGS_ARCHIVE_FORMAT": request.param}


def read(file: Path) -> list[dict[str, Any]]:
    """As its reader would, without anything of ours."""
    if file.name.endswith(".parquet"):
        return parquet.read_table(file).to_pylist()
    assert file.name.endswith(".ndjson.gz")
    lines = [orjson.loads(line) for line in gzip.decompress(file.read_bytes()).splitlines()]
    return [line | {"id": int(line["id"]), "time": datetime.fromisoformat(line["time"])} for line in lines]


def rows(shelf: Path) -> list[Row]:
    """What all files hold, in the order of their names."""
    return [
        tuple(said[name] for name in COLUMNS)
        for file in sorted(shelf.iterdir(), key=lambda f: f.name.split(".")[0])
        for said in read(file)
    ]


def stems(shelf: Path) -> list[str]:
    return sorted(path.name.removesuffix(".ndjson.gz").removesuffix(".parquet") for path in shelf.iterdir())


def stem(days_ago: int) -> str:
    return f"requests-{MIDNIGHT - DAY * days_ago:%Y-%m-%d}"


def die(config: Config, what: str) -> None:
    """A process that is killed where it would have gone on with ``what``."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("GATEWRIGHT_")} | {"PYTHONPATH": str(PROJECT)}
    names = ("home", "database_url", "logs_url", "logs_archive", "logs_archive_format")
    env |= {f"GATEWRIGHT_{name.upper()}": str(getattr(config, name)) for name in names}
    done = subprocess.run([sys.executable, "-c", KILLED.format(what=what)], env=env, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL


class TestFiles:
    def test_a_day_that_goes_is_in_a_file(
        self, app: Flask, logs: Store, shelf: Path, world: World, node: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Across pages; with whatever a column can hold."""
        monkeypatch.setattr(archive, "PAGE", 7)
        monkeypatch.setattr(formats, "ROW_GROUP", 20)
        chance = random.Random(3)
        made = []
        for n in range(100):
            one = of(chance.choice((world.version_id, 0, 99)), 95, n * 4096 * 1_000_000 + chance.randrange(4096))
            text = "".join(chr(chance.choice((9, 34, 44, 92, 127, 233, 8364, 128512))) for _ in range(9))
            client = chance.choice((world.client_id, "unknown", ""))
            made.append((*one[:3], client, *one[4:7], "/" + text, 599, 2**31 - 1, -1, 2**40, 0, *one[13:]))
        put(logs, *made)
        upkeep.drop_old_records()
        assert stored(app) == []
        assert stems(shelf) == [stem(95)]
        assert rows(shelf) == sorted(made), "equal, and by time"
        calls = {0: "", world.version_id: "Orders 1.0.0", 99: ""}, {world.client_id: "Shop"}
        for said in read(next(shelf.iterdir())):
            assert list(said) == list(formats.NAMES)
            assert (said["api"], said["node"]) == (calls[0][said["version_id"]], "gw-1")
            assert said["application"] == calls[1].get(said["client_id"], "")
            assert said["time"] == moment_of(said["id"]).astimezone(UTC)
        assert [(one["records"], one["archived"]) for one in entries(app)] == [(100, 100)]

    def test_of_an_api_that_keeps_its_records_for_a_shorter_time(
        self, app: Flask, logs: Store, shelf: Path, world: World
    ) -> None:
        keep(app, 7)
        put(logs, *(of(v, days, n) for n, v in enumerate((world.version_id, 0)) for days in (1, 8, 9)))
        upkeep.drop_old_records()
        assert stems(shelf) == [stem(9), stem(8)]
        assert [one[2] for one in rows(shelf)] == [world.version_id] * 2
        assert kept(app) == {(0, 1): 1, (0, 8): 1, (0, 9): 1, (world.version_id, 1): 1}

    def test_the_same_day_in_parts(self, app: Flask, logs: Store, shelf: Path, world: World) -> None:
        """Its API's records, what came late, and the rest: nothing twice."""
        made = [of(world.version_id, 95, 5), of(0, 95, 6), of(world.version_id, 95, 4), of(0, 95, 1)]
        keep(app, 7)
        policy = retention.Retention(now(), 200, {world.version_id: 7})
        for batch in (made[:2], made[2:3], made[3:]):
            put(logs, *batch)
            part = sweep.Sweep(logs, archive.archive_of(app.extensions["gatewright"].config))
            for one in part.drop_days(policy):
                part.delete(one)
        assert kept(app) == {(0, 95): 2}
        upkeep.drop_old_records()
        assert stems(shelf) == [stem(95), f"{stem(95)}-2", f"{stem(95)}-3"]
        assert sorted(rows(shelf)) == sorted(made)

    @pytest.mark.skipif(bool(SERVER), reason="on PostgreSQL a day is one partition")
    def test_a_busy_day_has_several(
        self, app: Flask, logs: Store, shelf: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(segments, "MOST_ROWS", 10)
        made = [of(0, 95, n) for n in range(25)]
        for i in range(0, 25, 5):
            put(logs, *made[i : i + 5])
        upkeep.drop_old_records()
        assert stems(shelf) == [stem(95), f"{stem(95)}_2", f"{stem(95)}_3"]
        assert rows(shelf) == made

    def test_another_record_with_a_number_that_was_used_before(self, app: Flask, logs: Store, shelf: Path) -> None:
        first, second = of(0, 95), (*of(0, 95)[:7], "/other", *of(0, 95)[8:])
        for one in (first, second):
            put(logs, one)
            upkeep.drop_old_records()
        assert rows(shelf) == [first, second]

    def test_files_of_others_are_left_alone(self, app: Flask, logs: Store, shelf: Path) -> None:
        for name in ("requests-2020-01-01.ndjson.gz", "notes.txt", f"{stem(95)}.csv", f"{stem(95)}-x.parquet"):
            (shelf / name).write_text("mine")
        put(logs, of(0, 95))
        upkeep.drop_old_records()
        assert [path.name for path in shelf.iterdir() if path.read_bytes() != b"mine"] == [
            f"{stem(95)}{formats.SUFFIXES[app.extensions['gatewright'].config.logs_archive_format]}"
        ]


class TestKilled:
    def test_between_writing_and_dropping(
        self, app: Flask, config: Config, logs: Store, shelf: Path, world: World
    ) -> None:
        made = [of(0, 95, n) for n in range(50)]
        put(logs, *made)
        die(config, "sweep.drop_whole")
        assert (len(stored(app)), rows(shelf)) == (50, made)
        late = of(world.version_id, 95, 7 << 12)
        put(logs, late)
        upkeep.drop_old_records()
        assert stored(app) == []
        assert stems(shelf) == [stem(95), f"{stem(95)}-2"]
        assert rows(shelf) == [*made, late]
        assert [(one["records"], one["archived"]) for one in entries(app)] == [(51, 51)]

    def test_while_rows_are_deleted(self, app: Flask, config: Config, logs: Store, shelf: Path, world: World) -> None:
        keep(app, 7)
        made = [of(world.version_id, 8, n) for n in range(2500)]
        put(logs, *made, of(0, 8, 2500))
        die(config, "retention.time.sleep")
        assert 1 < len(stored(app)) < 2501
        upkeep.drop_old_records()
        assert kept(app) == {(0, 8): 1}
        assert (stems(shelf), rows(shelf)) == ([stem(8)], made)
        assert [(one["records"], one["archived"]) for one in entries(app)] == [(2500, 2500)]

    def test_while_it_writes(self, app: Flask, config: Config, logs: Store, shelf: Path) -> None:
        put(logs, *(of(0, 95, n) for n in range(50)))
        die(config, "os.fsync")
        assert stems(shelf) == [f"{stem(95)}{archive.BEGUN}"]
        assert len(stored(app)) == 50
        upkeep.drop_old_records()
        assert (stems(shelf), len(rows(shelf)), stored(app)) == ([stem(95)], 50, [])


@pytest.mark.parametrize("days", [8, 95])
def test_what_comes_between_writing_and_dropping_is_in_the_next_file(
    app: Flask, logs: Store, shelf: Path, world: World, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    """Of a day that others keep, and of one that goes whole."""
    keep(app, 7)
    made, late = [of(world.version_id, days, n) for n in range(3)], of(world.version_id, days, 9 << 12)
    put(logs, *made, of(0, 8, 10))
    keep_elsewhere, coming = archive.Archive.keep, [late]

    def comes_late(*a: Any) -> Any:
        name = keep_elsewhere(*a)
        if coming:
            put(logs, coming.pop())
        return name

    monkeypatch.setattr(archive.Archive, "keep", comes_late)
    upkeep.drop_old_records()
    assert kept(app)[world.version_id, days] == 4, "nobody dropped what is in no file"
    upkeep.drop_old_records()
    assert kept(app) == {(0, 8): 1}
    assert rows(shelf) == [*made, late]
    with logs.engine.connect() as connection:
        assert check(connection) == 1


class TestFresh:
    def test_against_sets(self) -> None:
        chance = random.Random(5)
        for _ in range(300):
            known = sorted((chance.randrange(12), chance.choice("ab")) for _ in range(chance.randrange(15)))
            mine = [(i, chance.choice("ab")) for i in range(12) if chance.random() < 0.6]
            assert list(formats.fresh(mine, iter(known))) == [one for one in mine if one not in known]


class TestSettings:
    def test_a_format_that_is_none(self) -> None:
        with pytest.raises(Refused, match="it must be ndjson or parquet"):
            load({"GATEWRIGHT_LOGS_ARCHIVE_FORMAT": "csv"})

    def test_parquet_without_its_library(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        with pytest.raises(Refused, match=r"needs: pip install 'gatewright\[parquet\]'"):
            load({"GATEWRIGHT_LOGS_ARCHIVE_FORMAT": "parquet"})
        assert load({}).logs_archive is None
