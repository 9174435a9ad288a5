"""The examples of the RFCs: those that jwcrypto brings along, and those of RFC 7638 and RFC 9449."""

from __future__ import annotations

import importlib.util
import json
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import jwcrypto
import jwt
import pytest
from flask import Flask
from jwcrypto import tests as examples

from console.credentials.algorithms import PUBLISHED_SIGNING, check_public_jwk
from console.errors import Refused
from console.tokens import dpop
from console.tokens.compact import json_object, split
from console.tokens.dpop import InvalidProof, check_proof, thumbprint_of
from console.tokens.keys import Verifier, load
from console.tokens.verify import is_signature

from .clients import KeyPair
from .forge import b64


def cookbook() -> ModuleType:
    """RFC 7520; its file's name is none that can be imported."""
    spec = importlib.util.spec_from_file_location("cookbook", Path(jwcrypto.__file__).with_name("tests-cookbook.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


COOKBOOK = cookbook()


def compact(example: dict[str, Any]) -> str:
    return f"{b64(example['protected'])}.{b64(example['payload'])}.{b64(example['signature'])}"


SIGNED: dict[str, tuple[dict[str, Any], str, str]] = {
    "RFC 7515 A.1": (examples.A1_example["key"], "HS256", compact(examples.A1_example)),
    "RFC 7515 A.2": (examples.A2_example["key"], "RS256", compact(examples.A2_example)),
    "RFC 7515 A.3": (examples.A3_example["key"], "ES256", compact(examples.A3_example)),
    "RFC 7520 4.1": (COOKBOOK.RSA_Public_Key_3_3, "RS256", COOKBOOK.JWS_compact_4_1_3),
    "RFC 7520 4.4": (COOKBOOK.Symmetric_Key_MAC_3_5, "HS256", COOKBOOK.JWS_compact_4_4_3),
    "RFC 8037 A.4": (
        examples.PublicKeys_EdDsa["keys"][0],
        "EdDSA",
        "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc."
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
    ),
}


@pytest.mark.parametrize("name", SIGNED)
def test_signatures(name: str) -> None:
    key, alg, text = SIGNED[name]
    public = {k: v for k, v in key.items() if k not in ("d", "p", "q", "dp", "dq", "qi")}
    verifier = Verifier("", alg, jwt.get_algorithm_by_name(alg), load(alg, json.dumps(public)))
    head, _, signature = split(text, 3)
    assert json_object(head)["alg"] == alg
    assert is_signature(text, signature, verifier)
    assert not is_signature("e" + text, signature, verifier)


def test_keys_of_curves_that_we_do_not_use() -> None:
    for key in (COOKBOOK.EC_Public_Key_3_1, examples.ECPublicJWK | {"crv": "P-384"}):
        with pytest.raises(Refused):
            check_public_jwk(key, "sig", PUBLISHED_SIGNING)


THUMBPRINTS = [
    *zip(examples.PublicKeys["keys"], examples.PublicKeys["thumbprints"], strict=True),  # the second: RFC 7638 3.1
    *zip(examples.PublicKeys_EdDsa["keys"], examples.PublicKeys_EdDsa["thumbprints"], strict=True),  # RFC 8037 A.3
]


@pytest.mark.parametrize(("key", "thumbprint"), THUMBPRINTS)
def test_thumbprints(key: dict[str, str], thumbprint: str) -> None:
    assert thumbprint_of(key) == thumbprint
    use, algorithms = ("enc", ["ECDH-ES"]) if key.get("use") == "enc" else ("sig", PUBLISHED_SIGNING)
    nameless = {k: v for k, v in key.items() if k not in ("kid", "alg")}
    assert check_public_jwk(nameless, use, algorithms)["kid"] == thumbprint


def test_the_thumbprint_of_rfc_7638() -> None:
    assert "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" in [thumbprint for _, thumbprint in THUMBPRINTS]


class TestRfc9449:
    """Sections 4.1, 6.1 and 7.1."""

    PROOF = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoR"
        "jQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdG"
        "kiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYy"
        "MjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
    )
    AT_THE_API = (
        "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoR"
        "jQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdG"
        "kiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJj"
        "ZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtN"
        "P86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
    )
    TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
    JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

    @pytest.fixture(autouse=True)
    def then(self, app: Flask, monkeypatch: pytest.MonkeyPatch) -> Any:
        with app.app_context():
            monkeypatch.setattr(time, "time", lambda: 1562262617.0)
            yield

    def test_the_proof_for_a_token(self) -> None:
        assert check_proof(self.PROOF, "POST", "https://server.example.com/token") == self.JKT

    def test_the_proof_for_a_call(self) -> None:
        url = "https://resource.example.org/protectedresource"
        assert check_proof(self.AT_THE_API, "GET", url, token=self.TOKEN) == self.JKT

    @pytest.mark.parametrize(
        ("method", "url", "token"),
        [
            ("GET", "https://resource.example.org/protectedresource", TOKEN + "x"),
            ("POST", "https://resource.example.org/protectedresource", TOKEN),
            ("GET", "https://resource.example.org/other", TOKEN),
        ],
    )
    def test_it_is_for_that_call_only(self, method: str, url: str, token: str) -> None:
        with pytest.raises(InvalidProof):
            check_proof(self.AT_THE_API, method, url, token=token)

    @pytest.mark.parametrize(
        ("htu", "url"),
        [
            ("https://server.example.com:443/token", "https://server.example.com/token"),
            ("HTTPS://Server.Example.Com/token", "https://server.example.com/token"),
            ("https://server.example.com/token?a=b#c", "https://server.example.com/token"),
            ("https://server.example.com", "https://server.example.com/"),
        ],
    )
    def test_addresses_are_compared_as_section_4_3_says(self, htu: str, url: str) -> None:
        pair = KeyPair.of("EdDSA")
        assert check_proof(pair.proof(htu, "GET"), "GET", url) == thumbprint_of(pair.public)
        assert dpop.PROOF_S <= 60
