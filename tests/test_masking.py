"""No secret is left in a body that is kept, whatever kind of text it is, and wherever it was cut."""

from __future__ import annotations

import random
import time
from typing import Any

import orjson
import pytest

from console.apis.operations import BodyRules
from console.apis.sensitive import Sensitive
from console.logs import cut_json
from console.logs.call_bodies import Body, Sent, from_gateway, kept
from console.logs.masking import Mask

MASK = Mask(frozenset({"ssn"}))
RULES = BodyRules(100, Sensitive(frozenset({"ssn"})))
S = "s3cr3t"
JSON = [
    {"token": S}, {"a": {"Client_Secret": S}}, [{"password": [S, {"x": S}]}], {"ssn": S}, {"SSN": 1234567}, {"pin": 123},
    {"name": "ssn", "value": S}, {"key": "api_key", "value": {"a": S}}, {"headers": [{"name": "Cookie", "value": S}]},
    {"text": f'{{"ssn":"{S}"}}'}, {"note": f"login(password: \"{S}\")"}, {f"ssn={S}": 1},
    f"Authorization: {S}", {"code": S}, {"a": [[[{"card": 1, "jwt": S}]]]},
]  # fmt: skip
FORMS = [
    f"ssn={S}", f"a=b&ssn={S}&c=d", f"pass%77ord={S}", f"user%5Bssn%5D=1&user[token]={S}", f"payload=%7B%22ssn%22%3A%22{S}%22%7D",
    f"payload={{\"ssn\":\"{S}\"}}", f"a=Bearer+{S}", f"a=1&ssn={S}", f"code={S}",
]  # fmt: skip
XML = [
    f"<a><ssn>{S}</ssn></a>", f"<ns:Ssn id='1'>{S}<b>{S}</b></ns:Ssn>", f"<ssn>{S}", f"<a ssn='{S}'/>", f'<a><b password="{S}">x</b></a>',
    f'<entry key="token">{S}</entry>', f'<input name="ssn" value="{S}"/>', f"<ssn><![CDATA[{S}]]></ssn>", f'<a ssn="{S}',
    f'<i name="ssn" value="{S}', f"<a>Bearer {S}</a>", f"<password\n>{S}</password >",
]  # fmt: skip
TEXTS = [
    f"ssn: {S}", f"ssn={S}", f'"ssn" : "{S}"', f"x\nssn: {S}\ny", f"password: '{S}'", f'password = "a\\"{S}"',
    f'data: {{"ssn":"{S}"}}\n\n', f'{{"a":1}}\n{{"ssn":"{S}"}}\n', f"Cookie: a={S}; b={S}", f"https://u:{S}@h/?ssn={S}",
    f'mutation {{ login(ssn: "{S}") {{ id }} }}', f"Authorization: Basic {S}",
]  # fmt: skip


@pytest.mark.parametrize("body", [*JSON, {"text": f"Bearer {S}"}, {"value": S, "id": "session"}])
def test_json(body: Any) -> None:
    masked = MASK.body(orjson.dumps(body).decode(), "json")
    assert S not in masked
    assert "123" not in masked
    assert type(orjson.loads(masked)) is type(body)
    assert S not in MASK.body(orjson.dumps(body).decode(), "form"), "as curl calls it"


@pytest.mark.parametrize("body", JSON)
def test_json_that_was_cut_anywhere(body: Any) -> None:
    text = orjson.dumps({"first": 1, "then": body, "last": "x"}).decode()
    for end in range(1, len(text)):
        masked = MASK.body(text[:end], "json")
        assert "s3c" not in masked, text[:end]
        assert orjson.loads(masked) is not None


@pytest.mark.parametrize(("kind", "text"), [("form", t) for t in FORMS] + [("xml", t) for t in XML] + [("text", t) for t in TEXTS])  # fmt: skip
def test_other_kinds(kind: str, text: str) -> None:
    assert S not in MASK.body(text, kind)
    assert S not in MASK.body(text, "json"), "also when the sender calls it JSON"
    assert S not in MASK.body(text, "text"), "or anything"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("json", '{"id":17,"code":404,"title":"Not Found","n":[1,2.5,null,true],"name":"Ann","value":"b"}'),
        ("form", "a=b&name=Ann%20B&page=2&=&x"),
        ("xml", '<?xml version="1.0"?><a b="c"><d>text</d><e/></a>'),
        ("text", "Dear Ann,\n\n17 apples, as ordered.\n{not json}\n"),
    ],
)
def test_what_is_no_secret_stays_as_it_is(kind: str, text: str) -> None:
    assert MASK.body(text, kind) == text


def test_json_is_closed_wherever_it_is_cut() -> None:
    chance = random.Random(5)
    for _ in range(150):
        text = orjson.dumps(_made_up(chance)).decode()
        for end in range(1, len(text) + 1):
            cut_json.read(text[:end])
        assert cut_json.closed(text) == text


def _made_up(chance: random.Random, level: int = 0) -> Any:
    kind = chance.randrange(3 + (level < 4) * 3) if level else 5
    if kind == 0:
        return chance.choice([1, -2.5, None, True, 12345678901])
    if kind < 3:
        return "".join(chance.choice('ab"\\\n\t{}[],:é\N{GRINNING FACE}\x01') for _ in range(chance.randrange(8)))
    parts = [_made_up(chance, level + 1) for _ in range(chance.randrange(1, 4))]
    return parts if kind == 3 else {f'"{i}\\': part for i, part in enumerate(parts)}


@pytest.mark.parametrize(
    "text",
    ["[", '{"a":', '"', '"\\', "<a>", "<key>", "<key ", '<a b="', "<key></key>", "a=1&", '{"a":[],', "\n{", '{"k":"{', "key", " key:", "\\",
     '"key":"\\', "key = ", "eyJ", "://", "%3F"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["json", "form", "xml", "text"])
def test_the_longest_takes_no_time(kind: str, text: str) -> None:
    started = time.process_time()
    MASK.body((text * 16384)[:16384], kind)
    assert time.process_time() - started < 0.25


class TestKept:
    @pytest.mark.parametrize(
        ("sent", "note", "text"),
        [
            (Sent('{"a":1}', "application/json"), "application/json", '{"a":1}'),
            (Sent({"a": [1]}), "JSON", '{"a":[1]}'),
            (Sent("a=1&ssn=2"), "application/x-www-form-urlencoded", "a=1&ssn=[scrubbed]"),
            (Sent("hello"), "text", "hello"),
            (Sent("<a>1</a>"), "XML", "<a>1</a>"),
            (Sent("\x89PNG", "image/png", size=1234), "binary, 1,234 bytes, image/png", ""),
            (Sent(None, "", size=3), "binary, 3 bytes, of no type", ""),
            (Sent("x", "multipart/form-data", size=9), "binary, 9 bytes, multipart/form-data", ""),
            (Sent("PK", "application/vnd.openxmlformats-officedocument.wordprocessingml.document", size=2),
             "binary, 2 bytes, application/vnd.openxmlformats-officedocument.wordprocessingml.document", ""),
            (Sent(None, "text/plain", size=5), "text/plain, 5 bytes: not kept", ""),
            (Sent("xx", "text/plain", "gzip", 77), "gzip, 77 bytes: not kept", ""),
            (Sent("a" * 101, "text/plain"), "text/plain, the first 100 of 101 bytes", "a" * 100),
            (Sent("é" * 60, "text/plain"), "text/plain, the first 100 of 120 bytes", "é" * 50),
            (Sent("a" * 99 + "é", "text/plain"), "text/plain, the first 99 of 101 bytes", "a" * 99),
            (Sent("ab\x00\ud800", "text/plain"), "text/plain", "ab\ufffd?"),
            (Sent("", "text/plain"), "", ""),
            (None, "", ""),
        ],
    )  # fmt: skip
    def test_as_much_as_there_may_be(self, sent: Sent | None, note: str, text: str) -> None:
        assert kept(sent, RULES, is_whole_sensitive=False) == Body(note, text)

    def test_masking_makes_nothing_longer_than_that(self) -> None:
        said = {f"key{i}": 1 for i in range(20)}
        assert len(kept(Sent(said), RULES, is_whole_sensitive=False).text) <= RULES.most_bytes

    def test_nothing_of_a_body_that_is_marked_as_a_whole(self) -> None:
        assert kept(Sent("anything", "text/plain"), RULES, is_whole_sensitive=True) == Body("text/plain", "[scrubbed]")

    @pytest.mark.parametrize(
        ("said", "sent"),
        [
            ("data:text/plain;base64,aGVsbG8=", Sent("hello", "text/plain", "", 9)),
            ("data:text/plain;base64,w6k=", Sent("é", "text/plain", "", 9)),
            ("data:text/plain;base64,YcM=", Sent("a", "text/plain", "", 9)),  # cut in the middle of a letter
            ("data:application/json;encoding=br,", Sent(None, "application/json", "br", 9)),
            ("data:,", Sent(None, "", "", 9)),
            ("data:text/plain;base64,a", None), ("-", None), ("", None), ("hello", None),
        ],
    )  # fmt: skip
    def test_as_a_node_of_ours_says_it(self, said: str, sent: Sent | None) -> None:
        assert from_gateway(said, 9) == sent
