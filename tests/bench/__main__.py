"""Run the benchmarks that are named, or all of them."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from . import (
    catalog,
    decoding,
    diffing,
    gateway,
    history,
    ingest,
    introspection,
    linting,
    logs,
    pages,
    start,
    tokens,
    verifier,
)
from .options import CHECKOUT, Options, Skipped
from .report import Report

BENCHES: dict[str, Callable[[Options], Report]] = {
    "tokens": tokens.run,
    "introspection": introspection.run,
    "verifier": verifier.run,
    "gateway": gateway.run,
    "logs": logs.run,
    "ingest": ingest.run,
    "decoding": decoding.run,
    "diffing": diffing.run,
    "start": start.run,
    "pages": pages.run,
    "history": history.run,
    "linting": linting.run,
    "catalog": catalog.run,
}


def main() -> int:
    names, options = _asked()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # or it would end without stopping its servers
    for name in names:
        try:
            report = BENCHES[name](options)
        except Skipped as why:
            print(f"\n{name}: skipped. {why}", flush=True)
            continue
        report.show()
        report.save(CHECKOUT / "var" / "bench" / f"{name}.json")
    return 0


def _asked() -> tuple[list[str], Options]:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHES))
    parser.add_argument("--rounds", type=int, default=Options.rounds)
    parser.add_argument("--seconds", type=int, default=Options.seconds, help="of load in each round")
    parser.add_argument("--against", type=Path, help="another checkout, to take turns with (tokens, logs)")
    parser.add_argument("--rows", type=int, default=Options.rows, help="in the log (history)")
    parser.add_argument("--cache", type=Path, help="folder in which these rows are kept for the next time (history)")
    given = parser.parse_args()
    if unknown := set(given.names) - set(BENCHES):
        parser.error(f"there is no bench named {', '.join(sorted(unknown))}")
    return given.names or list(BENCHES), Options(given.rounds, given.seconds, given.against, given.rows, given.cache)


if __name__ == "__main__":
    sys.exit(main())
