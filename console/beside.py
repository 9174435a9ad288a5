"""A process beside each worker, which takes records in and does the jobs.

Decoding and summing up keep an interpreter busy for tenths of a second, in which no page, token or gateway of the same
process is answered. This one is forked from the worker and gives way to it, ends when the worker has ended, however that
was, and finishes the records that it was at. When it ends by itself the worker ends, too: another pair takes their place.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from dataclasses import astuple
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

import orjson
import structlog
from flask import Flask

from .jobs import keep_running
from .logs.bodies import TooLarge, Undecodable
from .logs.intake import Pushed, Taken, take
from .logs.writer import WAIT_S, NotNow, Unavailable
from .runtime import runtime

ANSWERS_WITHIN_S = WAIT_S + 60
NICE = 10  # a tenth of the weight of a worker that wants the same core
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGABRT)
REFUSALS = {kind.status: kind for kind in (Undecodable, TooLarge)}
log = structlog.get_logger("logs")


class Beside:
    """Called in a worker that has neither threads nor connections yet."""

    def __init__(self, app: Flask, at_once: int, listeners: list[Any]) -> None:
        """``at_once``: batches, each with a pipe and a thread there. ``listeners``: sockets that are the worker's alone."""
        pipes = [Pipe() for _ in range(at_once)]
        self.pipes = [here for here, _ in pipes]
        self.free: queue.LifoQueue[Connection] = queue.LifoQueue()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                for one in (*self.pipes, *listeners):
                    one.close()
                _serve(app, [there for _, there in pipes])
            except Exception:
                log.exception("logs.intake_failed")
            finally:
                os._exit(0)
        for here, there in pipes:
            there.close()
            self.free.put(here)
        self.is_stopping = False
        self.watch = threading.Thread(target=self._watch, name="intake-watch", daemon=True)
        self.watch.start()

    def _watch(self) -> None:
        os.waitpid(self.pid, 0)
        if not self.is_stopping:
            log.error("logs.intake_ended")
            os.kill(os.getpid(), signal.SIGTERM)

    def take(self, pushed: Pushed, body: bytes) -> Taken:
        """As `intake.take`."""
        try:
            pipe = self.free.get_nowait()
            pipe.send_bytes(orjson.dumps(astuple(pushed)))
            pipe.send_bytes(body)
            if not pipe.poll(ANSWERS_WITHIN_S):
                os.kill(self.pid, signal.SIGKILL)
            kind, *said = orjson.loads(pipe.recv_bytes())
        except (queue.Empty, EOFError, OSError) as problem:  # it has ended; the sender comes again, to another worker
            raise Unavailable from problem
        self.free.put(pipe)
        return _understood(kind, said)

    def stop(self) -> None:
        """Returns when it has finished what it was at."""
        self.is_stopping = True
        for pipe in self.pipes:
            pipe.close()
        self.watch.join()


def _understood(kind: str, said: list[Any]) -> Taken:
    if kind == "taken":
        return Taken(*said)
    if kind == "not now":
        raise NotNow
    if kind == "refused":
        raise REFUSALS[said[0]](said[1])
    raise RuntimeError("A batch could not be taken in; the process that tried has logged why.")


def _serve(app: Flask, pipes: list[Connection]) -> None:
    for number in IGNORED:  # what ends the worker ends its pipes, in whichever order the signals come
        signal.signal(number, signal.SIG_IGN)
    os.nice(NICE)
    keep_running(app)
    threads = [threading.Thread(target=_serve_one, args=(app, pipe), name="intake") for pipe in pipes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _serve_one(app: Flask, pipe: Connection) -> None:
    try:
        while True:
            pushed = Pushed(*orjson.loads(pipe.recv_bytes()))
            pipe.send_bytes(orjson.dumps(_answer(app, pushed, pipe.recv_bytes())))
    except (EOFError, OSError):
        return


def _answer(app: Flask, pushed: Pushed, body: bytes) -> list[Any]:
    try:
        with app.app_context(), runtime().writer.place():
            return ["taken", *astuple(take(pushed, body))]
    except NotNow:
        return ["not now"]
    except (Undecodable, TooLarge) as refused:
        return ["refused", refused.status, refused.message]
    except Exception as problem:
        log.exception("logs.intake_failed", form=pushed.form, error=type(problem).__name__)
        return ["broken"]
