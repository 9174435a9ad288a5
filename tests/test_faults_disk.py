"""The disk of the request log is full: senders are told to come back, people read on, and with room it goes on by itself."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, build_opener

import pytest

from console.config import Config
from tests.conftest import PASSWORD, Cast
from tests.faults import Console, assert_kept_once, load, prepare, serving
from tests.homes import SERVER

pytestmark = pytest.mark.skipif(bool(SERVER), reason="fills the disk of a SQLite database")
SENDERS = 4
ROOM = 6 << 20
CAP_SYS_ADMIN = 21
PAGES = {"/": "Overview", "/logs": "/orders/v1/", "/logs/rejected": "rejected", "/analytics": "Analytics"}
Full = tuple[Console, Callable[[], None]]


def may_mount() -> bool:
    """Not everybody who is root may: a container's often may not."""
    status = Path("/proc/self/status").read_text()
    return bool(int(status.split("CapEff:")[1].split()[0], 16) >> CAP_SYS_ADMIN & 1)


@contextmanager
def small_disk(config: Config, home: Path) -> Iterator[Full]:
    """A real one, most of which something takes that can be removed."""
    home.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={8 * ROOM}", "tmpfs", str(home)], check=True)
    try:
        other = home / "other"
        other.write_bytes(bytes(7 * ROOM))
        config = replace(config, logs_url=f"sqlite:///{home}/logs.db")
        prepare(config)
        with serving(config) as console:
            yield console, other.unlink
    finally:
        subprocess.run(["umount", str(home)], check=True)


@contextmanager
def small_files(config: Config, home: Path) -> Iterator[Full]:
    """No file may grow past a size, which anybody may say of his own processes."""

    def limit(size: int) -> None:
        for pid in (*console.workers, *console.intakes):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    with serving(config) as console:
        limit(ROOM)
        yield console, lambda: limit(resource.RLIM_INFINITY)


WAYS = {"a limit of file sizes": small_files} | ({"a full disk": small_disk} if may_mount() else {})


@pytest.mark.parametrize("way", WAYS)
def test_no_room_for_more_records(config: Config, cast: Cast, tmp_path: Path, way: str) -> None:
    with WAYS[way](config, tmp_path / "disk") as (console, make_room):
        with load(console, SENDERS) as senders:
            senders.get_more(503)
            taken = senders.acknowledged
            assert taken
            assert_kept_once(console.config, taken)
            alice = sign_in(console)
            for path, said in PAGES.items():
                with alice.open(console.url + path) as page:
                    assert (page.status, said in page.read().decode()) == (200, True), path
            make_room()
            senders.get_more(200)
        assert set(senders.answers) == {200, 503}
        assert senders.unhelpful == []
        assert senders.acknowledged > taken
        assert_kept_once(console.config, senders.acknowledged)


def sign_in(console: Console) -> OpenerDirector:
    browser = build_opener(HTTPCookieProcessor())
    browser.addheaders = [("Sec-Fetch-Site", "same-origin")]
    form = urlencode({"email": "alice@example.org", "password": PASSWORD}).encode()
    with browser.open(console.url + "/login", form) as page:
        assert page.url == console.url + "/", "she is on the overview"
    return browser
