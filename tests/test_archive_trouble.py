"""Where records cannot be archived they stay, as far as the disk allows; people are told, and it is tried again."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from flask import Flask

from console.config import Config
from console.logs import formats, upkeep
from console.logs.store import Store
from tests.conftest import SignIn, World, trail
from tests.ingested import stored
from tests.test_archive import rows, settings, shelf, stem
from tests.test_faults_disk import may_mount
from tests.test_retention import entries, keep, kept, of
from tests.test_segments import logs, names, put

__all__ = ["logs", "settings", "shelf"]


class TestTrouble:
    def test_without_the_directory_nothing_goes(
        self, app: Flask, logs: Store, shelf: Path, world: World, sign_in: SignIn
    ) -> None:
        alice = sign_in("alice")
        shelf.rmdir()
        keep(app, 7)
        put(logs, of(world.version_id, 8), of(0, 8, 1), of(0, 95))
        for _ in range(2):
            assert upkeep.drop_old_records() == []
        assert kept(app).total() == 3
        assert trail(app).count("logs.not_archived") == 1, "once, when it begins"
        page = alice.get("/").text
        assert "Old request records cannot be archived" in page
        assert "No such file or directory" in page
        shelf.mkdir()
        upkeep.drop_old_records()
        assert kept(app) == {(0, 8): 1}
        assert len(rows(shelf)) == 2
        assert "cannot be archived" not in alice.get("/").text

    @pytest.mark.skipif(not may_mount(), reason="needs a disk of its own")
    def test_on_a_full_disk(self, app: Flask, logs: Store, shelf: Path, sign_in: SignIn) -> None:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(shelf)], check=True)
        try:
            chance = random.Random(1)
            made = [(*of(0, 95, n)[:7], f"/{chance.randbytes(60).hex()}", *of(0, 95)[8:]) for n in range(3000)]
            put(logs, *made)
            assert upkeep.drop_old_records() == []
            assert (len(stored(app)), list(shelf.iterdir())) == (3000, []), "what was begun leaves its room to others"
            assert "No space left on device" in sign_in("alice").get("/").text
            subprocess.run(["mount", "-o", "remount,size=8m", str(shelf)], check=True)
            upkeep.drop_old_records()
            assert (stored(app), rows(shelf)) == ([], made)
        finally:
            subprocess.run(["umount", str(shelf)], check=True)

    def test_a_file_that_somebody_broke(self, app: Flask, logs: Store, shelf: Path, config: Config) -> None:
        """Whether a record is in it cannot be said, so none goes."""
        broken = shelf / f"{stem(95)}{formats.SUFFIXES[config.logs_archive_format]}"
        broken.write_bytes(b"PAR1" + bytes(40))
        put(logs, of(0, 95))
        assert upkeep.drop_old_records() == []
        broken.unlink()
        upkeep.drop_old_records()
        assert rows(shelf) == [of(0, 95)]


class TestBudget:
    @pytest.fixture
    def settings(self, shelf: Path) -> dict[str, str]:
        said = {"GATEWRIGHT_LOGS_BUDGET_MB": "6", "GATEWRIGHT_LOGS_DAYS": "0"}
        return said | {"GATEWRIGHT_LOGS_ARCHIVE": str(shelf)}

    @staticmethod
    def fill(logs: Store, more_than: int) -> None:
        """Day by day, backwards from yesterday or from what there is."""
        day = len(names(logs))
        while upkeep.used_bytes() <= more_than:
            day += 1
            put(logs, *((*of(0, day, n)[:7], "/" + "x" * 400, *of(0, day)[8:]) for n in range(800)))

    def test_what_goes_for_it_is_archived(self, app: Flask, logs: Store, shelf: Path) -> None:
        self.fill(logs, 7_000_000)
        gone = upkeep.drop_old_records()
        assert {one.why for one in gone} == {"budget"}
        assert upkeep.used_bytes() <= 6_000_000
        assert len(rows(shelf)) == sum(one.archived for one in gone) == sum(one.records for one in gone)

    def test_what_cannot_be_archived_may_take_a_quarter_more(self, app: Flask, logs: Store, shelf: Path) -> None:
        shelf.rmdir()
        self.fill(logs, 6_000_000)
        assert upkeep.drop_old_records() == []
        self.fill(logs, 8_000_000)
        gone = upkeep.drop_old_records()
        assert {(one.why, one.archived) for one in gone} == {("budget", 0)}
        assert 6_800_000 < upkeep.used_bytes() <= 7_500_000, "no more than must be"
        assert entries(app)[-1]["archived"] == 0
