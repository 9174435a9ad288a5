"""Start, measure and stop the servers of a benchmark, workers included (Linux: it reads /proc)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
POLL_S = 0.05

# places in /proc/<pid>/stat counted after the command name
STATE, PARENT, ENDED = 0, 1, "Z"
CPU_TIMES = slice(11, 15)  # utime, stime, and the same of children that were waited for


class Unready(RuntimeError):
    """The server did not come up, so there is nothing to measure."""


@contextmanager
def serving(
    argv: Sequence[str], *, port: int, env: Mapping[str, str], cwd: Path | None = None, errors: Path | None = None
) -> Iterator[int]:
    """The pid of a server that listens; none of its processes is left behind. ``errors``: where it says what went wrong."""
    server = start(argv, port=port, env=env, cwd=cwd, errors=errors)
    try:
        wait_for_port(port, server)
        yield server.pid
    finally:
        stop(server)


def start(
    argv: Sequence[str], *, port: int, env: Mapping[str, str], cwd: Path | None = None, errors: Path | None = None
) -> subprocess.Popen[bytes]:
    """A server in a process group of its own."""
    if is_listening(port):
        raise Unready(f"port {port} is taken already")  # or we would measure what another run left there
    with open(errors, "ab") if errors else nullcontext() as stderr:
        return subprocess.Popen(
            argv, env=dict(env), cwd=cwd, stdout=subprocess.DEVNULL, stderr=stderr, start_new_session=True
        )


def wait_for_port(port: int, server: subprocess.Popen[bytes], within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not is_listening(port):
        if server.poll() is not None:
            raise Unready(f"the server ended with {server.returncode}")
        if time.monotonic() > deadline:
            raise Unready(f"nothing listens on port {port} after {within_s} s")
        time.sleep(POLL_S)


def is_listening(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def stop(server: subprocess.Popen[bytes], within_s: float = 20) -> None:
    """End the server, then whatever is left of what it had started (`up` gives its children groups of their own)."""
    family = descendants(server.pid)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
    if _are_gone(server, family, within_s):
        return
    for pid in filter(_is_alive, family):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not _are_gone(server, family, within_s):
        raise RuntimeError(f"processes {family} cannot be stopped")


def _are_gone(server: subprocess.Popen[bytes], family: list[int], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        server.poll()  # reaps it, else it stays a zombie
        if not any(_is_alive(pid) for pid in family):
            return True
        time.sleep(POLL_S)
    return False


def _is_alive(pid: int) -> bool:
    # not kill(pid, 0): an orphan that init has yet to reap would still answer it
    with suppress(FileNotFoundError, ProcessLookupError):
        return _stat(pid)[STATE] != "Z"
    return False


def descendants(pid: int) -> list[int]:
    """A process and everything below it, itself first."""
    children: dict[int, list[int]] = {}
    for child, stat in _all_stats():
        children.setdefault(int(stat[PARENT]), []).append(child)
    family = [pid]
    for member in family:  # grows while it is walked: breadth first
        family.extend(children.get(member, ()))
    return family


def children(pid: int) -> list[int]:
    """Those that run."""
    return [child for child, stat in _all_stats() if int(stat[PARENT]) == pid and stat[STATE] != ENDED]


def running(pids: Iterable[int]) -> set[int]:
    """Those of them that do; who ended and was not asked for does not."""
    return {pid for pid, stat in _all_stats() if stat[STATE] != ENDED} & set(pids)


def cpu_seconds(root: int) -> float:
    """CPU time of a process and all below it.

    Children that were waited for count with their parent, so the difference of two readings stays right when a worker
    ends or is replaced in between.
    """
    return sum(_ticks(pid) for pid in descendants(root)) / TICKS_PER_SECOND


def pss_mb(pids: Iterable[int]) -> float:
    """The proportional set sizes: pages that forked workers share count once, unlike RSS."""
    return sum(_pss_kb(pid) for pid in pids) / 1024


def _ticks(pid: int) -> int:
    return sum(int(ticks) for ticks in _stat(pid)[CPU_TIMES])


def _pss_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    raise ValueError(f"no Pss for process {pid}")


def _all_stats() -> Iterator[tuple[int, list[str]]]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(FileNotFoundError, ProcessLookupError):  # ended since it was listed
                yield int(entry.name), _stat(int(entry.name))


def _stat(pid: int) -> list[str]:
    # the command name is in brackets and may hold spaces and brackets itself
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
