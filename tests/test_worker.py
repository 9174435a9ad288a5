"""The worker over real sockets: HTTP/1.1 as clients use and abuse it, both in the main loop and in the threads."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import at_once, publish, subscribed
from programs import PROJECT, call, free_port, wait_until
from sqlalchemy import select
from test_node import certificate

from console import create_app
from console.accounts.models import Person, Role, Team
from console.applications.models import Application
from console.config import Config, load
from console.credentials.actions import create_secret, revoke_secret
from console.credentials.models import ClientSecret
from console.db import db, unit_of_work
from console.gateway.actions import enrol_node
from console.install import prepare
from console.web.worker import Worker
from tests.bench import proc

THREADS = 2
KEYS = b"GET /.well-known/jwks.json HTTP/1.1\r\nHost: a\r\n\r\n"  # answered in the main loop
PAGE = b"GET /login HTTP/1.1\r\nHost: a\r\n\r\n"  # by a thread
ESTABLISHED = "01"  # proc(5)
BOTH = pytest.mark.parametrize("request_", [KEYS, PAGE], ids=["main loop", "thread"])


@dataclass(frozen=True)
class Installed:
    """A home with one published API, and a client of it."""

    config: Config
    client_id: str
    secret: str
    node: str


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    config = load({"GATEWRIGHT_HOME": str(tmp_path_factory.mktemp("worker")), "GATEWRIGHT_LOG_LEVEL": "error"})
    app = create_app(config)
    prepare(app)
    with app.app_context(), unit_of_work():
        alice = Person(email="alice@example.org", name="Alice", role=Role.ADMIN, password_hash="-")
        alice.teams = [Team(name="Platform")]
        db.session.add(alice)
        db.session.flush()
        application = subscribed(publish(alice, ["signed"]), alice, alice)
        secret = create_secret(application, by=alice)[1]
        client_id = application.client_id
        node = enrol_node("gw-1")[1]
    return Installed(config, client_id, secret, node)


@dataclass(frozen=True)
class Server:
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def serving(config: Config, **settings: str) -> Iterator[Server]:
    """One worker with few threads."""
    me = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith("GATEWRIGHT_")} | {"PYTHONPATH": str(PROJECT)}
    env |= {"GATEWRIGHT_HOME": str(config.home), "GATEWRIGHT_PORT": str(me), "GATEWRIGHT_LOG_LEVEL": "error"}
    env |= {"GATEWRIGHT_WORKERS": "1", "GATEWRIGHT_THREADS": str(THREADS)} | settings
    process = subprocess.Popen([sys.executable, "-m", "console", "serve"], env=env, cwd=config.home)
    try:
        wait_until(lambda: answers(me), 20)
        yield Server(me, process)
    finally:
        process.terminate()
        process.wait(20)


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def server(installed: Installed) -> Iterator[Server]:
    with serving(installed.config) as me:
        yield me


def dial(server: Server) -> socket.socket:
    return socket.create_connection(("127.0.0.1", server.port), 10)


@pytest.fixture
def connect(server: Server) -> Iterator[Callable[[], socket.socket]]:
    with ExitStack() as opened:
        yield lambda: opened.enter_context(dial(server))


def answer(sock: socket.socket, body: bool = True) -> SimpleNamespace:
    """The next answer on the connection, and not a byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = sock.recv(1)
        assert byte, f"closed after {head!r}"
        head += byte
    status, *lines = head.decode().strip().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    text = b""
    while body and len(text) < int(headers.get("content-length", 0)):
        text += sock.recv(int(headers["content-length"]) - len(text))
    return SimpleNamespace(status=int(status.split()[1]), headers=headers, text=text.decode())


def ended(sock: socket.socket) -> bool:
    return sock.recv(1) == b""


@BOTH
def test_a_connection_serves_many(connect: Callable[[], socket.socket], request_: bytes) -> None:
    sock = connect()
    for _ in range(3):
        sock.sendall(request_)
        said = answer(sock)
        assert said.status == 200
        assert said.headers["connection"] == "keep-alive"
        assert said.headers["date"]


def test_many_at_once_are_answered_in_order(connect: Callable[[], socket.socket]) -> None:
    sock = connect()
    sock.sendall((KEYS + PAGE + KEYS) * 200)
    texts = [answer(sock).text for _ in range(600)]
    assert ["keys" in t[:10] for t in texts] == [True, False, True] * 200
    sock.sendall(KEYS)
    assert answer(sock).status == 200


def test_those_who_send_many_at_once_take_turns(connect: Callable[[], socket.socket]) -> None:
    def flood(sock: socket.socket) -> int:
        sending = threading.Thread(target=lambda: [sock.sendall(KEYS * 200 + PAGE) for _ in range(8)], daemon=True)
        sending.start()
        return sum(answer(sock).status == 200 for _ in range(8 * 201))

    assert at_once(*(partial(flood, connect()) for _ in range(3))) == [8 * 201] * 3


@BOTH
def test_a_request_may_come_in_pieces(connect: Callable[[], socket.socket], request_: bytes) -> None:
    sock = connect()
    for at in range(len(request_)):
        sock.sendall(request_[at : at + 1])
        time.sleep(0.001)
    assert answer(sock).status == 200


def test_head_has_no_body(connect: Callable[[], socket.socket]) -> None:
    sock = connect()
    for request in (KEYS, PAGE):
        sock.sendall(request.replace(b"GET", b"HEAD") + request)
        assert answer(sock, body=False).status == 200
        assert answer(sock).text


@BOTH
def test_old_clients_and_those_that_close(connect: Callable[[], socket.socket], request_: bytes) -> None:
    for closing in (
        request_.replace(b"HTTP/1.1", b"HTTP/1.0"),
        request_.replace(b"Host", b"Connection: close\r\nHost"),
    ):
        sock = connect()
        sock.sendall(closing)
        assert answer(sock).headers["connection"] == "close"
        assert ended(sock)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\nHost: a\n\n", 400),
        (KEYS.replace(b"Host:", b"Host :"), 400),
        (KEYS.replace(b"Host: a", b"Host: a\r\nHost: b"), 400),
        (KEYS.replace(b"Host: a", b"Content-Length: 1\r\nTransfer-Encoding: chunked"), 400),
        (KEYS.replace(b"Host: a", b"Content-Length: 1\r\nContent-Length: 1"), 400),
        (KEYS.replace(b"Host: a", b"X: " + b"a" * 9000), 431),
        (KEYS.replace(b"json", b"json" + b"a" * 9000), 414),
        (KEYS.replace(b"Host: a", b"Expect: a miracle"), 417),
    ],
)
def test_what_is_wrong_is_refused_and_ends_the_connection(
    connect: Callable[[], socket.socket], data: bytes, status: int
) -> None:
    sock = connect()
    sock.sendall(data + KEYS)
    assert answer(sock).status == status
    assert ended(sock)


def form(to: Installed, secret: str, extra: str = "", body: str = "grant_type=client_credentials") -> bytes:
    basic = base64.b64encode(f"{to.client_id}:{secret}".encode()).decode()
    head = f"POST /oauth/token HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {basic}\r\n"
    head += "Content-Type: application/x-www-form-urlencoded\r\n"
    return f"{head}{extra or f'Content-Length: {len(body)}'}\r\n\r\n{'' if extra else body}".encode()


def test_tokens_over_every_kind_of_body(connect: Callable[[], socket.socket], installed: Installed) -> None:
    sock = connect()
    for _ in range(2):
        sock.sendall(form(installed, installed.secret))
        assert json.loads(answer(sock).text)["access_token"]
    sock.sendall(
        form(installed, installed.secret, "Transfer-Encoding: chunked")
        + b"5\r\ngrant\r\n18\r\n_type=client_credentials\r\n0\r\n\r\n"
    )
    assert json.loads(answer(sock).text)["access_token"]
    sock.sendall(form(installed, installed.secret, "Expect: 100-continue\r\nContent-Length: 29"))
    assert answer(sock).status == 100
    sock.sendall(b"grant_type=client_credentials")
    assert json.loads(answer(sock).text)["access_token"]
    sock.sendall(form(installed, "wrong"))
    assert answer(sock).status == 401


def posting(path: str, length: int | str, credential: str = "gwn_none") -> bytes:
    """A head, whose body is still to come."""
    framing = f"Content-Length: {length}" if isinstance(length, int) else f"Transfer-Encoding: {length}"
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {credential}\r\n"
    return f"{head}Content-Type: application/json\r\n{framing}\r\n\r\n".encode()


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (posting("/v1/logs", 200_000), 401),
        (posting("/ingest/json", "chunked"), 401),
        (posting("/oauth/token", 70_000), 413),
    ],
)
@pytest.mark.parametrize("sent", [b"", b"8\r\n" + b"a" * 8])
def test_an_answer_before_the_body_says_that_the_connection_ends(
    connect: Callable[[], socket.socket], head: bytes, status: int, sent: bytes
) -> None:
    sock = connect()
    sock.sendall(head + sent)
    said = answer(sock)
    assert (said.status, said.headers["connection"]) == (status, "close")
    sock.shutdown(socket.SHUT_WR)
    assert ended(sock)


def test_so_does_one_that_tells_to_come_back(connect: Callable[[], socket.socket], installed: Installed) -> None:
    waiting, sock = connect(), connect()
    waiting.sendall(posting("/ingest/json", 100_000, installed.node))  # the only one that may be taken in at a time
    time.sleep(0.3)
    sock.sendall(posting("/ingest/json", 100_000, installed.node))
    said = answer(sock)
    assert (said.status, said.headers["retry-after"], said.headers["connection"]) == (503, "1", "close")
    waiting.sendall(b"[]".ljust(100_000))
    said = answer(waiting)
    assert (said.status, said.headers["connection"]) == (200, "keep-alive")


def test_what_is_little_is_read_and_the_connection_goes_on(connect: Callable[[], socket.socket]) -> None:
    sock = connect()
    for _ in range(3):
        sock.sendall(posting("/v1/logs", 5000) + b"x" * 5000)
        said = answer(sock)
        assert (said.status, said.headers["connection"]) == (401, "keep-alive")


def test_a_revoked_secret_is_refused_soon(connect: Callable[[], socket.socket], installed: Installed) -> None:
    with create_app(installed.config).app_context():
        with unit_of_work():
            secret, text = create_secret(db.session.scalars(select(Application)).one(), by=None)
        sock = connect()

        def status() -> int:
            sock.sendall(form(installed, text))
            return answer(sock).status

        wait_until(lambda: status() == 200, 2)
        with unit_of_work():
            revoke_secret(db.session.get_one(ClientSecret, secret.id), by=db.session.scalars(select(Person)).one())
        assert wait_until(lambda: status() == 401, 2, every=0.01) < 0.6


def test_slow_and_silent_clients_hold_nobody_up(connect: Callable[[], socket.socket], server: Server) -> None:
    slow = [connect() for _ in range(40)]
    for sock in slow[:20]:
        sock.sendall(PAGE[:30])
    for sock in slow[20:30]:
        sock.sendall(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 5000\r\n\r\nemail=")
    for path in ("/login", "/.well-known/jwks.json"):
        started = time.monotonic()
        assert call(server.url + path).status == 200
        assert time.monotonic() - started < 2
    slow[0].sendall(PAGE[30:])
    assert answer(slow[0]).status == 200


def test_threads_that_all_wait_do_not_hold_up_machines(connect: Callable[[], socket.socket], server: Server) -> None:
    for half in (KEYS, PAGE):  # a request, and some of the next one
        for sock in [connect() for _ in range(THREADS + 1)]:
            sock.sendall(half + half[:20])
            assert answer(sock).status == 200
    assert call(server.url + "/login").status == 200
    for sock in [connect() for _ in range(THREADS + 1)]:
        sock.sendall(b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\nemail=")
    time.sleep(0.4)  # longer than anything is remembered unasked
    started, sock = time.monotonic(), connect()
    for _ in range(3):
        sock.sendall(KEYS)
        assert answer(sock).status == 200
    assert time.monotonic() - started < 2


def test_what_does_not_fit_now_is_sent_by_a_thread() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        handed: list[object] = []
        worker = SimpleNamespace(_hand_over=lambda conn, _: handed.append(conn), tpool=None)
        conn = SimpleNamespace(sock=ours, received=b"", unsent=b"", set_timeout=bool)
        said = b""
        while not handed:
            Worker._send(worker, conn, piece := b"%06d" % len(said) * 1000)
            said += piece
        assert conn.unsent
        got = bytearray()

        def read() -> None:
            while len(got) < len(said):
                got.extend(theirs.recv(2**20))

        reading = threading.Thread(target=read, daemon=True)
        reading.start()
        conn.init, conn.parser = lambda: ours.settimeout(5), SimpleNamespace(unreader=SimpleNamespace(unread=bool))
        assert Worker._begin(worker, conn) is True
        reading.join(5)
        assert got == said


def test_a_stop_lets_go_of_idle_connections(installed: Installed) -> None:
    with serving(installed.config) as me, dial(me) as idle, dial(me) as used:
        used.sendall(KEYS)
        assert answer(used).status == 200
        me.process.terminate()
        started = time.monotonic()
        time.sleep(0.3)
        used.sendall(KEYS)  # it may have been under way already
        assert answer(used).headers["connection"] == "close"
        assert me.process.wait(10) == 0
        assert time.monotonic() - started < 6
        assert ended(idle)


def test_tls_in_the_main_loop_and_in_threads(installed: Installed, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    context = ssl.create_default_context(cafile=str(cert))
    with ExitStack() as opened:
        files = {"GATEWRIGHT_TLS_CERT": str(cert), "GATEWRIGHT_TLS_KEY": str(key)}
        me = opened.enter_context(serving(installed.config, **files))
        for _ in range(THREADS + 1):
            opened.enter_context(dial(me))  # and says nothing
        sock = opened.enter_context(context.wrap_socket(dial(me), server_hostname="127.0.0.1"))
        for request in (KEYS, PAGE, KEYS, KEYS, PAGE):
            sock.sendall(request)
            assert answer(sock).status == 200
        sock.sendall((KEYS + PAGE) * 100)  # in one record, larger than what gunicorn reads at once
        assert [answer(sock).status for _ in range(200)] == [200] * 200


def connections_of(pid: int, port: int) -> int:
    """That it has open on this port, as the system tells."""
    with open("/proc/net/tcp") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    open_here = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(f":{port:04X}") and row[3] == ESTABLISHED}
    return sum(os.readlink(f"/proc/{pid}/fd/{fd}") in open_here for fd in os.listdir(f"/proc/{pid}/fd"))


def test_workers_share_the_connections(installed: Installed) -> None:
    """A browser keeps those that it has, and what it asks for at once shall not wait for one worker."""
    with serving(installed.config, GATEWRIGHT_WORKERS="2") as server, ExitStack() as opened:
        wait_until(lambda: len(proc.children(server.process.pid)) == 2, 10)
        for _ in range(40):
            sock = opened.enter_context(dial(server))
            sock.sendall(KEYS)
            assert answer(sock).status == 200
        found = [connections_of(worker, server.port) for worker in proc.children(server.process.pid)]
    assert sum(found) == 40
    assert max(found) - min(found) <= 10, found
