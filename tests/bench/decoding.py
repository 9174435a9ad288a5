"""What a record costs to decode, in each format that carries the same rows: one thread, CPU time, taking turns."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import orjson
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from .options import Options
from .records import make_batch
from .report import Report, median, ratio, spread
from .verifier import _application
from .world import PATH, installed, make_world

SIZE, BATCHES = 4096, 4  # a round
MOST_TO_PARSE, LEAST_TO_OTLP = 12, 10
PARSE, OTLP, JSON = "ParseFromString only", "OTLP", "JSON array"


def run(options: Options) -> Report:
    with ExitStack() as stack:
        where = stack.enter_context(installed(options.checkouts["ours"]))
        make_world(where)
        stack.enter_context(_application(where.env))
        us = _compare(options.rounds)
    report = Report(f"Decoding: CPU of one record in a batch of {SIZE:,}, median of the rounds")
    for name, found in us.items():
        report.rows.append(
            {
                "decoder": name,
                "us/record": median(found),
                "records/cpu-s": 1e6 / median(found),
                "rounds": spread([1e6 / one for one in found]),
                "to ParseFromString": ratio(found, us[PARSE]),
                "OTLP's to this": ratio(us[OTLP], found),
            }
        )
    report.bar("CPU of an OTLP record to ParseFromString", ratio(us[OTLP], us[PARSE]), at_most=MOST_TO_PARSE)
    report.bar("OTLP's CPU to a JSON array's", ratio(us[OTLP], us[JSON]), at_least=LEAST_TO_OTLP)
    return report


def _compare(rounds: int) -> dict[str, list[float]]:
    from console.apis.operations import operation_finder
    from console.apis.queries import version_finder
    from console.logs import flat, otlp
    from console.logs.countries import country_finder
    from console.logs.fields import Normaliser
    from console.serve import settle

    settle()  # as the server does

    def make() -> Normaliser:
        return Normaliser(1, version_finder(), operation_finder(), country_finder())

    ways: dict[str, Callable[[Any], object]] = {
        PARSE: lambda bodies: ExportLogsServiceRequest().ParseFromString(bodies["otlp"]),
        OTLP: lambda bodies: otlp.decode(bodies["otlp"], "application/x-protobuf", make()).rows,
        "orjson.loads only": lambda bodies: orjson.loads(bodies["json"]),
        JSON: lambda bodies: flat.decode(bodies["json"], make()).rows,
        "NDJSON": lambda bodies: flat.decode(bodies["ndjson"], make()).rows,
    }
    us: dict[str, list[float]] = {name: [] for name in ways}
    chance = random.Random(4)
    for turn in range(-1, rounds):
        batches = [make_batch(chance, SIZE, PATH.format(kind="signed")) for _ in range(BATCHES)]
        bodies = [{"otlp": one.body, "json": one.json, "ndjson": one.ndjson} for one in batches]
        for name, way in ways.items():
            began = time.process_time()
            for body in bodies:
                way(body)
            if turn >= 0:  # the first is for warming up
                us[name].append((time.process_time() - began) / (SIZE * BATCHES) * 1e6)
    return us
