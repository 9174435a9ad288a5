"""gunicorn's threaded worker, with a short way for requests that need no thread.

The worker's main loop reads requests itself, so a slow sender costs a buffer and not a thread. A plain request (see
`plain`) is offered to the application as one to be answered from memory: then it is answered on the spot, because handing
it from thread to thread takes longer than signing a token. Everything else goes to the threads, from its first byte, and
through gunicorn's own parser.
"""

from __future__ import annotations

import socket
import ssl
import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from errno import ECONNRESET
from functools import partial
from mmap import mmap
from selectors import EVENT_READ
from typing import Any

from gunicorn import sock as tls
from gunicorn import util
from gunicorn.http.body import ChunkedReader
from gunicorn.http.parser import RequestParser
from gunicorn.http.unreader import SocketUnreader
from gunicorn.http.wsgi import base_environ
from gunicorn.workers.gthread import TConn, ThreadWorker

from ..runtime import NotInMemory
from . import plain
from .machine import MEMORY_ONLY

READ_AT_ONCE = 16 * 1024  # the most that one TLS record holds: nothing is left where no poller sees it
ARRIVE_WITHIN_S = 20.0  # a head, a small body, a TLS handshake
BYTES_PER_S = 10_000  # what a larger body must make on the average after that
MACHINE_THREADS = 2  # for what memory lacks; pages, long polls and slow senders, which may hold all others, have none
STALL_S = 60.0  # one read or write of a thread
MOST_DRAINED = 64 * 1024  # of a body that nobody read: gunicorn reads that much, and closes the connection after more
COMES_WITHIN_S = 0.002
PLACES = 64
# of each worker, seen by all of them; -1: there is none
CONNECTIONS = memoryview(mmap(-1, 4 * PLACES)).cast("i")
CONNECTIONS[:] = array("i", [-1] * PLACES)
NOT_NOW = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class Patience(SocketUnreader):  # type: ignore[misc]
    """Reads for a thread, and not for ever: a sender that trickles is cut off."""

    began, count = 0.0, 0

    def chunk(self, size_hint: int | None = None) -> bytes:
        if time.monotonic() - self.began > ARRIVE_WITHIN_S + self.count / BYTES_PER_S:
            raise ConnectionResetError(ECONNRESET, "the request arrives too slowly")
        data: bytes = super().chunk(size_hint)
        self.count += len(data)
        return data


class Connection(TConn):  # type: ignore[misc]
    sock: Any
    initialized: bool

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.received = b""  # of the next request
        self.unsent = b""  # of the last answer
        self.queued = False  # more was received than the request that was answered
        self.here = True  # in the main loop's hands, not in a thread's
        self.timeout = time.monotonic() + ARRIVE_WITHIN_S
        self.about = {
            "SERVER_NAME": self.server[0], "SERVER_PORT": str(self.server[1]), "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.client[0], "REMOTE_PORT": str(self.client[1]),
            "SCRIPT_NAME": "", "QUERY_STRING": "", "wsgi.url_scheme": "https" if self.cfg.is_ssl else "http",
            "wsgi.multithread": True, MEMORY_ONLY: True,
        }  # fmt: skip

    def init(self) -> None:
        """Called for each request that a thread takes."""
        if not self.initialized:
            self.initialized = True
            if self.cfg.is_ssl:
                self.sock.settimeout(ARRIVE_WITHIN_S)
                self.sock = tls.ssl_wrap_socket(self.sock, self.cfg)
                self.sock.do_handshake()
            self.parser = RequestParser(self.cfg, self.sock, self.client)
            self.parser.unreader = Patience(self.sock)
        self.sock.settimeout(STALL_S)
        self.parser.unreader.began, self.parser.unreader.count = time.monotonic(), 0

    def close(self, graceful: bool = False) -> None:
        if self.sock.fileno() >= 0:
            super().close(graceful)


class Worker(ThreadWorker):  # type: ignore[misc]
    def init_process(self) -> None:
        self.waits_since = 0.0
        self.looked_at = self.noticed_at = 0.0
        self.second, self.date = 0, ""
        self.base = base_environ(self.cfg)
        self.machines = ThreadPoolExecutor(MACHINE_THREADS, "machines")
        super().init_process()

    def accept(self, listener: socket.socket) -> None:
        if self._leaves_it():
            return
        try:
            client, address = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        self.nr_conns += 1
        CONNECTIONS[self.age % PLACES] = self.nr_conns
        conn = Connection(self.cfg, client, address, listener.getsockname())
        self.keepalived_conns.append(conn)
        self.poller.register(client, EVENT_READ, partial(self.on_client_socket_readable, conn))

    def _leaves_it(self) -> bool:
        """To a worker with fewer connections, if one comes for it: a browser keeps those that it has, and the pages that it
        asks for at once would wait for each other."""
        mine = self.age % PLACES
        if self.nr_conns <= min((n for i, n in enumerate(CONNECTIONS) if n >= 0 and i != mine), default=self.nr_conns):
            self.waits_since = 0.0
            return False
        now = time.monotonic()
        self.waits_since = self.waits_since or now
        if now - self.waits_since < COMES_WITHIN_S:
            return True
        self.waits_since = 0.0
        return False

    def on_client_socket_readable(self, conn: Connection, client: socket.socket) -> None:
        if conn.queued or not conn.here:
            return  # what was received comes first; or a thread took it, since the poller said this
        if self.cfg.is_ssl and not conn.initialized:
            self._hand_over(conn, self.tpool)
            return
        try:
            data = client.recv(READ_AT_ONCE)
        except NOT_NOW:
            return
        except OSError:
            data = b""
        if not data:
            self._drop(conn)
            return
        if not conn.received:
            conn.timeout = time.monotonic() + ARRIVE_WITHIN_S
        conn.received += data
        self._serve(conn)

    def _serve(self, conn: Connection) -> None:
        """Answer the first request of what was received; nothing while it is incomplete."""
        environ = self.base | conn.about
        try:
            rest = plain.read(conn.received, environ)
            if rest is None:
                return
            if not self.alive:
                raise plain.Odd  # gunicorn says "Connection: close"
            answer = self._ask(environ)
        except NotInMemory:
            self._hand_over(conn, self.machines)
            return
        except Exception:  # odd, or a page, or broken, which gunicorn reports
            self._hand_over(conn, self.tpool)
            return
        conn.received = rest
        self._send(conn, answer)

    def _ask(self, environ: plain.Environ) -> bytes:
        said: list[tuple[str, list[tuple[str, str]]]] = []
        body = b"".join(self.wsgi(environ, lambda status, headers: said.append((status, headers))))
        second = int(time.time())
        if self.second != second:
            self.second, self.date = second, util.http_date(second)
        return plain.head(*said[0], self.date) + body

    def _send(self, conn: Connection, answer: bytes) -> None:
        try:
            sent = conn.sock.send(answer)
        except NOT_NOW:
            sent = 0
        except OSError:
            self._drop(conn)
            return
        conn.unsent = answer[sent:]
        if conn.unsent:
            self._hand_over(conn, self.tpool)
            return
        conn.set_timeout()
        if conn.received and not conn.queued:  # one at a time: who sends many at once holds up nobody else
            conn.queued = True
            self.method_queue.defer(self._serve_next, conn)

    def _serve_next(self, conn: Connection) -> None:
        """What was received with the request before; unless the connection has gone, or gone to a thread, meanwhile."""
        conn.queued = False
        if conn.received and conn.here:
            conn.timeout = time.monotonic() + ARRIVE_WITHIN_S
            self._serve(conn)

    def _hand_over(self, conn: Connection, threads: ThreadPoolExecutor) -> None:
        """To a thread, with all that was received."""
        self._release(conn)
        done = threads.submit(self.handle, conn)
        done.add_done_callback(lambda _: self.method_queue.defer(self.finish_request, conn, done))

    def handle(self, conn: Connection) -> Any:
        """In a thread."""
        again = self._begin(conn)
        if again is None:
            again = super().handle(conn)
        if again is False:
            conn.close(graceful=True)  # it waits for the client to close, which the main loop must not
        else:
            conn.received = conn.parser.unreader.take_buffered() + _decrypted(conn.sock)
        return again

    def handle_request(self, req: Any, conn: Connection) -> Any:
        req.should_close = partial(_ends_with, req)  # which is asked when the answer's head is written
        return super().handle_request(req, conn)

    def _begin(self, conn: Connection) -> bool | None:
        """What comes before the next request: whether the connection is good, if that is all there is to do."""
        unsent, received = conn.unsent, conn.received
        conn.unsent = conn.received = b""
        try:
            conn.init()
            if unsent:
                conn.sock.sendall(unsent)
        except OSError as problem:
            self.log.debug("The connection ended: %s", problem)
            return False
        conn.parser.unreader.unread(received)
        return True if unsent and not received else None

    def finish_request(self, conn: Connection, done: Any) -> None:
        super().finish_request(conn, done)
        conn.here = bool(self.keepalived_conns) and self.keepalived_conns[-1] is conn
        self._serve_next(conn)

    def _drop(self, conn: Connection) -> None:
        self._release(conn)
        self.nr_conns -= 1
        conn.close()

    def _release(self, conn: Connection) -> None:
        conn.here = False
        self.keepalived_conns.remove(conn)
        with suppress(OSError, KeyError, ValueError):
            self.poller.unregister(conn.sock)

    def murder_keepalived(self, force: bool = False) -> None:
        """All are looked at, because those that are answered in the main loop keep their places in the queue."""
        now = time.monotonic()
        if self.alive and now - self.looked_at < 1:
            return
        self.looked_at = now
        for conn in [c for c in self.keepalived_conns if force or c.timeout <= now]:
            self._drop(conn)

    def notify(self) -> None:
        """Once a second is enough, and it takes a system call."""
        CONNECTIONS[self.age % PLACES] = self.nr_conns
        now = time.monotonic()
        if now - self.noticed_at > 1:
            self.noticed_at = now
            super().notify()


def _ends_with(req: Any) -> bool:
    """Whether the connection ends with this request: a sender that is told so does not lose the next one on it."""
    body = req.body.reader
    unread = body.parser is not None if isinstance(body, ChunkedReader) else body.length >= MOST_DRAINED
    return unread or bool(type(req).should_close(req))


def _decrypted(sock: Any) -> bytes:
    """What TLS holds of a record that was read in part: no poller sees it."""
    waiting = sock.pending() if isinstance(sock, ssl.SSLSocket) else 0
    return sock.recv(waiting) if waiting else b""
