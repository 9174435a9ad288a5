"""Documents of public APIs that we did not write: imported, compared with themselves and with what they were before."""

from __future__ import annotations

import copy
import json
import random
import resource
import subprocess
import sys
import time
from dataclasses import asdict
from functools import cache
from typing import Any

import orjson
import pytest

from console.apis import openapi
from console.apis.diff import RULES, Change, Comparison, compare
from console.apis.openapi import Unacceptable
from console.errors import Refused
from tests.programs import PROJECT
from tests.test_diff import mutated, turned
from tests.wellknown import DOCUMENTS, PAIRS, REFUSED, folder_of, text_of

pytestmark = pytest.mark.wellknown
PATIENCE_S = 15.0  # of CPU: the largest take a second or two on a quiet machine
MOST_MB = 700


@cache
def parsed(name: str) -> dict[str, Any]:
    return openapi.parse(text_of(name))


@cache
def compared(name: str) -> Comparison:
    return compare(parsed(f"{name}, before"), parsed(name))


def changes_of(name: str, operation: str) -> list[Change]:
    return compared(name).by_operation().get(operation, [])


@pytest.mark.parametrize("name", DOCUMENTS)
def test_it_is_imported_in_seconds(name: str) -> None:
    text = text_of(name)
    began = time.process_time()
    document = openapi.parse(text)
    assert time.process_time() - began < PATIENCE_S
    assert len(openapi.operations(document)) == DOCUMENTS[name].operations


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if "before" not in name])
def test_it_is_equal_to_itself_in_whatever_order(name: str) -> None:
    document = parsed(name)
    began = time.process_time()
    assert compare(document, copy.deepcopy(document)).changes == []
    assert compare(document, turned(document)).changes == []
    assert time.process_time() - began < PATIENCE_S


@pytest.mark.parametrize("name", PAIRS)
def test_two_editions_are_compared_in_seconds(name: str) -> None:
    old, new = parsed(f"{name}, before"), parsed(name)
    began = time.process_time()
    found = compare(old, new)
    assert time.process_time() - began < PATIENCE_S
    assert found.changes
    assert not found.incomplete
    assert len(found.changes) <= 2_000
    assert {change.rule for change in found.changes} <= RULES.keys()
    known = {(o.method.upper(), o.path) for document in (old, new) for o in openapi.operations(document)}
    assert {(change.method, change.path) for change in found.changes if change.path} <= known
    assert set(found.breaking_operations) <= known
    orjson.dumps([asdict(change) for change in found.changes])


def test_operations_that_came_and_went_are_all_told_of() -> None:
    for name in PAIRS:
        before, after = (
            {(o.method.upper(), o.path) for o in openapi.operations(parsed(n))} for n in (f"{name}, before", name)
        )
        told = compared(name).changes
        gone = {(c.method, c.path) for c in told if c.rule.startswith("api-removed")}
        assert gone <= before - after
        assert len(before) - len(gone) <= len(after)
        if not compared(name).more:
            assert {(c.method, c.path) for c in told if c.rule == "api-added"} <= after - before


def test_kubernetes_asks_for_another_property_of_a_container() -> None:
    """`policy` became `restartPolicy`: looked up in the documents themselves."""
    old, new = (
        parsed(n)["components"]["schemas"]["io.k8s.api.core.v1.ContainerResizePolicy"]["required"]
        for n in ("Kubernetes, before", "Kubernetes")
    )
    assert (old, new) == (["resourceName", "policy"], ["resourceName", "restartPolicy"])
    path = "spec.template.spec.containers[].resizePolicy[]"
    said = {
        c.sentence: c.severity
        for c in changes_of("Kubernetes", "PUT /apis/apps/v1/namespaces/{namespace}/deployments/{name}")
    }
    assert said[f"the request body has the new required property `{path}.restartPolicy`"] == "breaking"
    assert said[f"the request body lost property `{path}.policy`"] == "risky"
    assert said[f"response 201 lost property `{path}.policy`"] == "breaking"


def test_plaid_takes_smaller_amounts() -> None:
    old, new = (
        parsed(n)["components"]["schemas"]["WalletTransactionAmount"]["properties"]["value"]["minimum"]
        for n in ("Plaid, before", "Plaid")
    )
    assert (old, new) == (1, 0.01)
    [change] = [
        c for c in changes_of("Plaid", "POST /wallet/transaction/execute") if c.rule == "request-property-min-decreased"
    ]
    assert change.sentence == "the smallest value of property `amount.value` of the request body is 0.01 now, not 1"
    assert (change.severity, change.before, change.after) == ("safe", "1", "0.01")


def test_spotify_answers_with_another_status() -> None:
    old, new = (
        next(iter(parsed(n)["paths"]["/playlists/{playlist_id}/images"]["put"]["responses"]))
        for n in ("Spotify, before", "Spotify")
    )
    assert (old, new) == ("200", "202")
    said = {c.rule: c.where for c in changes_of("Spotify", "PUT /playlists/{playlist_id}/images")}
    assert said["response-success-status-removed"] == "response 200"
    assert said["response-success-status-added"] == "response 202"


def test_github_is_refused_with_its_indentation_alone() -> None:
    text = (folder_of("octokit") / "api.github.com.json").read_text()
    assert len(text) > 13_000_000 > 7_000_000 > len(text_of("GitHub"))
    with pytest.raises(Refused, match="larger than 10 MB"):
        openapi.parse(text)


REASONS = {
    "DigitalOcean": "the discriminator leads out of the document (models/volume_action_post_attach.yml)",
    "Anthropic": 'info: "version" is a required property',
    "Cohere": "$ref leads out of the document (./snippets/node/",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why(name: str) -> None:
    with pytest.raises(Unacceptable) as refused:
        openapi.parse(text_of(name))
    assert REASONS[name] in refused.value.problems[0]


@pytest.mark.parametrize("name", ["Spotify", "Asana", "Vercel", "OpenAI"])
def test_no_value_in_it_makes_the_comparison_raise(name: str) -> None:
    chance = random.Random(name)
    old, text = parsed(name), orjson.dumps(parsed(name))
    for _ in range(12):
        new = orjson.loads(text)
        for _ in range(chance.choice((1, 30, 300))):
            mutated(chance, new)
        assert all(asdict(change)["text"] for one in (compare(old, new), compare(new, old)) for change in one.changes)


MEASURE = """
import json, resource, sys
from console.apis import openapi
from console.apis.diff import compare
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
old, new = (openapi.parse(open(file).read()) for file in sys.argv[1:])
found = compare(old, new)
print(json.dumps([len(found.changes), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024]))
"""


def test_the_largest_stay_within_bounded_memory(tmp_path: Any) -> None:
    files = [tmp_path / "old.json", tmp_path / "new.json"]
    for file, name in zip(files, ("GitHub, before", "GitHub"), strict=True):
        file.write_text(text_of(name))
    began = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *map(str, files)], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    changes, megabytes = json.loads(done.stdout)
    assert changes == 2_000
    assert megabytes < MOST_MB
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - began < PATIENCE_S
