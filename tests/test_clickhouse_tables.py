"""What ClickHouse's tables answer, with numbers that may be equal; and how they come to be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import text

from console.db import now
from console.errors import Refused
from console.logs import clickhouse, clickhouse_tables, search, segments, usage
from console.logs.analytics import Answers, By, Only
from console.logs.days import last_hours
from console.logs.question import Question
from console.logs.store import SEQUENCE_BITS, Store, id_at, moment_of, record
from console.logs.undescribed import undescribed
from console.logs.writer import Writer, insert_rows
from tests.clickhouse import DAY, NOON, everything, needed, put, row

pytestmark = needed


@pytest.fixture
def logs(app: Flask) -> Iterator[Store]:
    with app.app_context():
        yield app.extensions["gatewright"].logs


@pytest.fixture
def writer(app: Flask) -> Writer:
    return app.extensions["gatewright"].writer


class TestNumbers:
    """Nothing there keeps two records from having the same one."""

    @pytest.mark.parametrize("size", [2, 3, 50, 99])
    def test_no_page_ends_between_two_that_are_equal(self, logs: Store, size: int) -> None:
        ids = sorted((id_at(NOON) + number // 2 for number in range(100)), reverse=True)
        with logs.writing() as connection:
            insert_rows(connection, [(number, *row(NOON, f"/{i}")[1:]) for i, number in enumerate(ids)])
        page = search.look(Question(), size=size)
        found = page.rows
        while not page.is_all:
            page = search.look(Question(), before=page.older, size=size)
            found += page.rows
        assert sorted(one.path for one in found) == sorted(f"/{i}" for i in range(100))
        assert [one.id for one in found] == ids
        assert len(list(search.export(Question()))) == 100

    def test_whole_milliseconds_leave_room(self) -> None:
        """Two writers began elsewhere: a million to one that any is equal; the time stays what the sender said."""
        rows = [row(NOON) for _ in range(3000)]
        made = [{one[0] for one in clickhouse.numbered(rows, itertools.count(n))} for n in (0, 1_000_000, 4_000_000)]
        assert len(set.union(*made)) == 9000
        assert {moment_of(one).replace(microsecond=0) for one in set.union(*made)} == {NOON}
        assert all(moment_of(one) - NOON < timedelta(milliseconds=1) for one in set.union(*made))

    def test_others_stay_in_their_microsecond(self) -> None:
        at = NOON + timedelta(microseconds=7)
        made = [one[0] for one in clickhouse.numbered([row(at)] * 5000, itertools.count(9))]
        assert len(set(made)) == 5000
        assert {(one >> SEQUENCE_BITS) - (id_at(at) >> SEQUENCE_BITS) for one in made} == {0, 1}


class TestQuestions:
    def test_one_that_takes_too_long_is_refused(self, logs: Store) -> None:
        with pytest.raises(Refused, match="looked for 0 seconds and gave up"), logs.reading(0.2) as connection:
            connection.execute(text("SELECT count() FROM numbers(1000000000000) WHERE sipHash64(number) = 1"))

    def test_other_errors_stay_what_they_are(self, logs: Store) -> None:
        with pytest.raises(Exception, match="UNKNOWN_IDENTIFIER"), logs.reading() as connection:
            connection.execute(text("SELECT nothing FROM log_record"))

    def test_many_days_are_looked_through_in_a_few_steps(self, logs: Store) -> None:
        put(logs, *(row(NOON - DAY * ago, f"/{ago}") for ago in range(60) if ago % 7))
        with logs.reading() as connection:
            parts = segments.windows(connection, 0, id_at(NOON - DAY))
        assert len(parts) == 6
        assert all(newer[1] >= older[2] for newer, older in itertools.pairwise(parts))
        found = search.look(Question(until=NOON - timedelta(days=30)), size=100).rows
        assert [one.path for one in found] == [f"/{ago}" for ago in range(31, 60) if ago % 7]

    @pytest.mark.parametrize(
        ("question", "index"),
        [
            (Question(request_id="r5"), "ix_request_id"),
            (Question(path="/needle"), "ix_path"),
        ],
    )
    def test_what_is_rare_is_looked_up(self, logs: Store, question: Question, index: str) -> None:
        put(logs, *(row(NOON + timedelta(milliseconds=i), f"/hay/{i}", request_id=f"r{i}") for i in range(30_000)))
        query = str(search._query(question, record).compile(logs.engine, compile_kwargs={"literal_binds": True}))
        with logs.engine.connect() as connection:
            plan = "\n".join(connection.scalars(text(f"EXPLAIN indexes = 1 {query}")))
        skipped = plan.split(f"Name: {index}")[1]
        kept, of = skipped.split("Granules: ")[1].split("\n")[0].split("/")
        assert int(kept) <= 1 < int(of), plan


class TestTables:
    def test_are_made_once(self, logs: Store, writer: Writer) -> None:
        writer.write("one", [row(NOON)])
        logs.prepare()
        assert everything(logs) == (1, 0, 1, 1)

    def test_columns_that_came_later_are_added(
        self, logs: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As by a Gatewright that knew no nodes' sums, no operations and no usage."""
        of = clickhouse_tables.columns_of
        later = ("node_id", "operation", "bytes", "status", "errors", "last_at", "request_id")

        def less(columns: dict[str, str]) -> dict[str, str]:
            return {name: kind for name, kind in columns.items() if name not in later}

        with logs.writing() as connection, monkeypatch.context() as patch:
            for name in ("log_sums", "log_record"):
                connection.execute(text(f"DROP TABLE {name}"))
            patch.setattr(clickhouse_tables, "KEYS", less(clickhouse_tables.KEYS))
            patch.setattr(clickhouse_tables, "SUMS_COLUMNS", less(clickhouse_tables.SUMS_COLUMNS))
            patch.setattr(clickhouse_tables, "columns_of", lambda table: less(of(table)))
            patch.setattr(clickhouse_tables, "_views", lambda: iter(()))
            clickhouse_tables.prepare(connection)
        logs.prepare()
        at = [now() - timedelta(seconds=one) for one in (2, 1, 3)]
        for place, node in enumerate((1, 2, 2)):
            writer.write(f"{place}", [row(at[place], node_id=node, operation="/x", method="GET")])
            writer.write(f"{place}u", [row(at[place], "/1234", node_id=node, request_id=f"{place}", method="GET")])
        with logs.writing() as connection:
            connection.execute(text("OPTIMIZE TABLE log_sums FINAL"))
        with logs.reading() as connection:
            by_node = Answers(connection, last_hours(1, now()), Only()).sums(By.NODE)
        assert {node: sums.requests for node, sums in by_node.items()} == {1: 2, 2: 4}
        called, (other,) = usage.operation_usage(1, 2), undescribed(1, 2)
        assert called["GET", "/x"] == usage.OperationUsage(3, 0, 0, at[1]), "the last call, whichever came last"
        assert (other.path, other.requests, other.last_at, other.request_id) == ("/{id}", 3, at[1], "2")
