"""The catalog's search: what is found, in which order, what it says matched, and that it is up to date."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import event, insert

from console.accounts.models import Person
from console.apis.models import ApiVersion
from console.apis.sunset import deprecate_version, retire_version
from console.catalog.hits import hits, marked
from console.catalog.indexing import forget_all, index_all, index_stale
from console.catalog.models import CatalogTerm
from console.catalog.search import FEW, Filters, Found, search
from console.catalog.words import words
from console.db import db, now, unit_of_work
from console.logs.store import hour
from console.logs.traffic import health, month_and_day, traffic
from tests.conftest import Cast, SignIn, counts, publish, subscribed

DOCUMENT = """
openapi: 3.1.0
info: {{title: {title}, version: 1.0.0, description: "{about}"}}
tags: [{{name: {tag}}}]
paths:
  /{path}/{{id}}:
    parameters: [{{name: id, in: path, required: true, schema: {{type: string}}}}]
    get: {{operationId: get{op}, tags: [{tag}], summary: Look at one, responses: {{'200': {{description: ok}}}}}}
"""
WORLD = (  # title, tag, path, operation, about
    ("Petstore", "shop", "animals", "Animal", "Everything for four legs."),
    ("Zoo", "Pets", "cages", "Cage", "Where they live."),
    ("Kennel", "dogs", "pets", "Pet", "Beds and bowls."),
    ("Vet", "care", "visits", "Visit", "For your pet, day and night."),
    ("Émile Café", "food", "menus", "DailyMenu", "No animals here. 100% vegan_friendly."),
)


@pytest.fixture
def shelf(app: Flask, cast: Cast) -> dict[str, int]:
    """Versions by title; each has the word in another place."""
    with app.app_context(), unit_of_work():
        alice = db.session.get_one(Person, cast.alice)
        made = {}
        for title, tag, path, op, about in WORLD:
            text = DOCUMENT.format(title=title, tag=tag, path=path, op=op, about=about)
            made[title] = publish(alice, ["signed"], text, f"/{path}/v1").id
        return made


Ask = Callable[..., list[str]]


@pytest.fixture
def ask(app: Flask, cast: Cast, shelf: dict[str, int]) -> Ask:
    """Titles as they are found by Bob."""

    def titles(text: str, **filters: object) -> list[str]:
        with app.app_context():
            found = search(text, by=db.session.get_one(Person, cast.bob), filters=Filters(**filters))  # type: ignore[arg-type]
            return [h.row.api for h in hits(found, text)]

    return titles


@pytest.mark.parametrize("text", ["p", "pe", "pet", "PET"])
def test_a_name_comes_before_a_tag_before_an_operation_before_a_description(ask: Ask, text: str) -> None:
    found = ask(text)
    assert [title for title in found if title in ("Petstore", "Zoo", "Kennel", "Vet")] == [
        "Petstore",
        "Zoo",
        "Kennel",
        "Vet",
    ]


@pytest.mark.parametrize(
    ("text", "titles"),
    [
        ("pets", ["Petstore", "Zoo", "Kennel"]),
        ("getPet", ["Kennel"]),
        ("daily", ["Émile Café"]),
        ("cafe emile", ["Émile Café"]),
        ("GET /cages", ["Zoo"]),
        ("four legs", ["Petstore"]),
        ("pet day", ["Vet"]),
        ("vegan_fr", ["Émile Café"]),
        ("platform", ["Petstore", "Zoo", "Kennel", "Vet", "Émile Café"]),
        ("unicorn", []),
        ("pet unicorn", []),
        ("...", []),
        ("%", []),
        ("", ["Petstore", "Zoo", "Kennel", "Vet", "Émile Café"]),
    ],
)
def test_all_the_words_must_begin_so(ask: Ask, text: str, titles: list[str]) -> None:
    assert ask(text) == titles


def test_filters_narrow_it_down(ask: Ask, shelf: dict[str, int]) -> None:
    assert ask("", tag="Pets") == ask("pet", tag="PETS") == ["Zoo"]
    assert ask("", tag="pet") == []
    assert ask("pet", among=frozenset({shelf["Vet"], shelf["Émile Café"]})) == ["Vet"]
    assert ask("", state="deprecated") == []
    assert ask("pet", team=999) == []


def test_a_hit_says_what_matched(app: Flask, cast: Cast, shelf: dict[str, int]) -> None:
    with app.app_context():
        found = search("pet", by=db.session.get_one(Person, cast.bob))
        said = {h.row.api: h for h in hits(found, "pet")}
        assert str(said["Petstore"].name) == "<mark>Pet</mark>store"
        assert [str(t) for t in said["Zoo"].tags] == ["<mark>Pet</mark>s"]
        assert [(o.method, o.path, o.anchor) for o in said["Kennel"].operations] == [
            ("get", "/pets/{id}", "get-pets-id")
        ]
        assert "your <mark>pet</mark>, day" in said["Vet"].excerpt


def test_deprecated_ones_come_later_and_retired_ones_never(
    app: Flask, cast: Cast, ask: Ask, shelf: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    with app.app_context(), unit_of_work():
        alice = db.session.get_one(Person, cast.alice)
        team = alice.teams[0].id
        petstore, zoo = (db.session.get_one(ApiVersion, shelf[t]) for t in ("Petstore", "Zoo"))
        deprecate_version(petstore, sunset_at=now() + timedelta(days=9), successor=None, note="", by=alice)
        retire_version(zoo, by=alice)
    assert ask("") == ["Kennel", "Vet", "Émile Café", "Petstore"]
    assert ask("", state="deprecated") == ["Petstore"]
    assert ask("cages") == []
    for few in (FEW, -1):  # looked at one by one; as the index has them, where they stand behind all others
        monkeypatch.setattr("console.catalog.search.FEW", few)
        assert ask("", team=team, state="deprecated") == ["Petstore"]
        assert ask("", team=team, state="published") == ["Kennel", "Vet", "Émile Café"]


def test_pages_show_every_version_once(app: Flask, cast: Cast, shelf: dict[str, int]) -> None:
    """Of two words with the same beginning a version counts with the better one, on whichever page that is."""
    with app.app_context():
        bob = db.session.get_one(Person, cast.bob)
        for text in ("", "p", "pet", "animal", "lo"):
            whole, after, seen = [i for i, _ in search(text, by=bob).ids], "", list[int]()
            while True:
                page = search(text, by=bob, after=after, size=1)
                seen += [i for i, _ in page.ids]
                after = page.more
                if not after:
                    break
            assert seen == whole, text


def test_common_words_are_merged_as_rare_ones_are(
    app: Flask, cast: Cast, shelf: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the index gives in its order is what looking at each version one by one gives."""

    def order(text: str) -> list[int]:
        return [i for i, _ in search(text, by=bob).ids]

    with app.app_context():
        bob = db.session.get_one(Person, cast.bob)
        texts = ("anim", "look", "pets", "plat", "look pets", "one look at", "")
        few = [order(text) for text in texts]
        monkeypatch.setattr("console.catalog.search.FEW", -1)
        assert [order(text) for text in texts] == few
        monkeypatch.setattr("console.catalog.search.MOST_VARIANTS", 0)
        assert [sorted(order(text)) for text in texts] == [sorted(ids) for ids in few]
    assert FEW > 100


def test_whatever_was_missed_is_indexed_later(app: Flask, ask: Ask, shelf: dict[str, int]) -> None:
    before = counts(app)["catalog_term"]
    with app.app_context(), unit_of_work():
        assert index_stale() == 0
        db.session.get_one(ApiVersion, shelf["Vet"]).deprecation_note = "changed by somebody who indexes nothing"
    with app.app_context(), unit_of_work():
        assert index_stale() == 1
        forget_all()
    assert ask("pet") == []
    with app.app_context():
        index_all()
    assert ask("pets") == ["Petstore", "Zoo", "Kennel"]
    assert counts(app)["catalog_term"] == before


def test_developers_search_as_they_type(sign_in: SignIn, shelf: dict[str, int]) -> None:
    bob = sign_in("bob")
    part = {"HX-Request": "true", "HX-Request-Type": "partial"}
    answer = bob.get("/catalog?q=pet", headers=part)
    assert "<html" not in answer.text
    assert re.findall(r'class="row-link" href="([^"]+)"', answer.text)[0] == "/catalog/petstore/1.0.0"
    assert 'href="/catalog/kennel/1.0.0/operations/get-pets-id"' in answer.text
    assert bob.get("/catalog/kennel/1.0.0/operations/get-pets-id").status_code == 200


def test_nothing_found_says_what_can_be_left_out(sign_in: SignIn, shelf: dict[str, int]) -> None:
    answer = sign_in("bob").get("/catalog?q=unicorn&tag=pets")
    assert 'href="/catalog?tag=pets&amp;"' in answer.text
    assert 'href="/catalog?q=unicorn&amp;"' in answer.text


def test_mine_are_those_of_my_applications(app: Flask, cast: Cast, sign_in: SignIn, shelf: dict[str, int]) -> None:
    with app.app_context(), unit_of_work():
        alice, bob = db.session.get_one(Person, cast.alice), db.session.get_one(Person, cast.bob)
        subscribed(db.session.get_one(ApiVersion, shelf["Vet"]), bob, alice)

    def names(browser: FlaskClient) -> list[str]:
        return re.findall(r'class="row-link" href="/catalog/(\w+)', browser.get("/catalog?only=mine").text)

    assert names(sign_in("bob")) == ["vet"]
    assert names(sign_in("carol")) == []


def test_names_are_marked_without_their_markup() -> None:
    assert str(marked("<b>listPets & pets", ["pet"])) == "&lt;b&gt;list<mark>Pet</mark>s &amp; <mark>pet</mark>s"
    assert words("listOrders HTTPServer v2") == ["list", "orders", "listorders", "http", "server", "httpserver", "v2"]


def test_a_cursor_that_is_none_is_the_beginning(app: Flask, cast: Cast, shelf: dict[str, int]) -> None:
    with app.app_context():
        bob = db.session.get_one(Person, cast.bob)
        whole = search("", by=bob)
        assert all(search("", by=bob, after=odd) == whole for odd in ("x", "1", "-1.2", "9" * 30 + ".1", "1.x"))
        assert search("", by=bob, after="99.1") == Found([])


def test_words_are_in_the_order_of_their_letters(app: Flask, shelf: dict[str, int]) -> None:
    """In a locale's order a range of words has others in it."""
    with app.app_context():
        terms = list(db.session.scalars(db.select(CatalogTerm.term).distinct().order_by(CatalogTerm.term)))
    assert terms == sorted(terms)


CATALOG = (
    "/catalog",
    "/catalog?q=pet",
    "/catalog?q=get pets",
    "/catalog?q=animals&only=mine&tag=pets",
    "/catalog/kennel/1.0.0",
    "/catalog/kennel/1.0.0/operations",
    "/catalog/kennel/1.0.0/operations/get-pets-id",
    "/catalog/kennel/1.0.0/schemas",
)


@pytest.mark.parametrize("name", ["alice", "bob"])
def test_no_page_of_the_catalog_asks_ten_questions(
    app: Flask, sign_in: SignIn, shelf: dict[str, int], name: str
) -> None:
    browser, asked = sign_in(name), list[str]()

    def note(_c: object, _cursor: object, statement: str, *_: object) -> None:
        if not statement.startswith(("BEGIN", "PRAGMA", "SET LOCAL")):
            asked.append(statement)

    with app.app_context():
        engines = [db.engine, app.extensions["gatewright"].logs.engine]
    for path in CATALOG:
        browser.get(path)  # what is read once in a process
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    for path in CATALOG:
        asked.clear()
        assert browser.get(path).status_code == 200
        assert len(asked) < 10, (path, [" ".join(s.split())[:90] for s in asked])


def test_cards_have_the_calls_of_thirty_days_and_of_each_of_24_hours(app: Flask, shelf: dict[str, int]) -> None:
    this, store, ids = int(now().timestamp()) // 3600, app.extensions["gatewright"].logs, {shelf["Vet"], shelf["Zoo"]}
    rows = [
        {"hour": this - ago, "version_id": v, "status_class": c, "requests": 3 + ago, "duration_us": 5}
        for v in shelf.values()
        for ago in (0, 1, 23, 24, 719, 720, 721)
        for c in (2, 4, 5)
    ]
    with store.writing() as connection:
        connection.execute(insert(hour), rows)
    with app.app_context():
        assert month_and_day(ids) == (traffic(30 * 24, ids), health(24, ids))
        assert month_and_day(ids)[0][shelf["Vet"]].requests == 3 * (3 + 4 + 26 + 27 + 722)
        assert month_and_day(set()) == ({}, {})
