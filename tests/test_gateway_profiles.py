"""Every token profile through a real Envoy: what passes, what the backend sees, and what is refused with which word."""

from __future__ import annotations

import stat
from collections.abc import Iterator

import joserfc.jwe
import jwt
import pytest
from joserfc.jwk import ECKey
from profiled import ENCRYPTION, SIGNING, Echo, Holder, Installed, answering, bearer, fill, head_of, reason, seen
from programs import Reply, installation, wait_until
from sqlalchemy import select

from console.credentials.encryption import active_key, revoke_encryption_key
from console.credentials.models import ApiKey, KeyState, SigningKey
from console.credentials.signing import (
    make_shared_secret,
    published_keys,
    revoke_signing_key,
    rotate_signing_key,
    secret_jwk,
    shared_secrets,
    use_shared_secret,
)
from console.db import db
from console.tokens.issue import Profile, issue_token
from console.tokens.verify import verify

pytestmark = pytest.mark.envoy

NOTICED_S = 2  # a revocation is known to every node


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    home = tmp_path_factory.mktemp("profiles") / "home"
    with installation(home) as me, answering(Echo) as backend:
        yield fill(me, backend)


def tampered(token: str) -> str:
    """Another first character in the last segment: never a mere other spelling of the same bits."""
    head, _, last = token.rpartition(".")
    return f"{head}.{'A' if last[0] != 'A' else 'B'}{last[1:]}"


def signed(world: Installed, api: str) -> str:
    """A plain one, although the token endpoint encrypts wherever an API takes that."""
    with world.acting():
        version = world.version(api)
        return issue_token(
            client_id=world.client_id,
            audience=version.audience,
            scope="read",
            lifetime_s=60,
            profile=Profile(version.id),
        ).text


def kid(token: str) -> str:
    return str(head_of(token)["kid"])


def jti(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["jti"])


class TestSigned:
    @pytest.mark.parametrize("alg", SIGNING)
    def test_a_token_passes_and_the_backend_sees_it(self, world: Installed, alg: str) -> None:
        token = world.token(alg.lower())
        assert head_of(token)["alg"] == alg
        headers = seen(world.ask(alg.lower(), bearer(token)))
        assert headers["authorization"] == f"Bearer {token}"
        assert (headers["x-client-id"], headers["x-token-jti"]) == (world.client_id, jti(token))

    @pytest.mark.parametrize("alg", SIGNING)
    def test_a_tampered_token_is_refused(self, world: Installed, alg: str) -> None:
        reply = world.ask(alg.lower(), bearer(tampered(world.token(alg.lower()))))
        assert reason(reply) == (401, "bad_signature")
        assert reply.headers["www-authenticate"].startswith('Bearer realm="gatewright", error="invalid_token"')

    @pytest.mark.parametrize("alg", SIGNING[:-1])
    def test_a_token_for_another_api_is_refused(self, world: Installed, alg: str) -> None:
        assert reason(world.ask(alg.lower(), bearer(world.token("optional")))) == (401, "wrong_audience")

    @pytest.mark.parametrize("api", ["es256", "optional", "any"])
    @pytest.mark.parametrize(
        "spelling", ["{}==", "Basic x Bearer {}", "DPoP x Bearer {}", "Basic eDp5,Bearer {}", "{}, Basic eDp5"]
    )
    def test_the_backend_gets_one_token_and_nothing_else(self, world: Installed, api: str, spelling: str) -> None:
        good = bearer(signed(world, api))["Authorization"]
        assert world.ask(api, {"Authorization": good}).status == 200
        sent = spelling.format(good if spelling.startswith("{") else good.removeprefix("Bearer "))
        assert world.ask(api, {"Authorization": sent}).status == 401
        assert seen(world.ask(api, {"Authorization": good.replace("Bearer", "bearer ")}))

    @pytest.mark.parametrize("alg", SIGNING)
    def test_an_operation_needs_its_scope(self, world: Installed, alg: str) -> None:
        assert reason(world.ask(alg.lower(), bearer(world.token(alg.lower())), "/admin")) == (403, "insufficient_scope")
        assert world.ask(alg.lower(), bearer(world.token(alg.lower(), "admin")), "/admin").status == 200


class TestSharedSecret:
    """An API with HS256 and its own secret trusts nothing else, and can make nothing for another API."""

    def test_a_published_key_cannot_sign_for_it(self, world: Installed) -> None:
        assert reason(world.ask("hs256", bearer(signed(world, "hs256")))) == (401, "unknown_key")

    @pytest.mark.parametrize("api", ["es256", "hs256b", "optional", "any"])
    def test_its_secret_cannot_sign_for_another(self, world: Installed, api: str) -> None:
        forged = forge(world, {"aud": world.url(api, "")}, secret(world, "hs256"))
        assert reason(world.ask(api, bearer(forged))) == (401, "unknown_key")

    def test_its_secret_under_the_name_of_another_key_is_refused(self, world: Installed) -> None:
        shared = secret(world, "hs256")
        for api in ("es256", "hs256b"):
            forged = forge(world, {"aud": world.url(api, "")}, shared | {"kid": kid(world.token(api))})
            assert world.ask(api, bearer(forged)).status == 401

    def test_a_published_key_is_no_secret(self, world: Installed) -> None:
        """The classic: HMAC with the text of a public key."""
        with world.acting():
            public = next(k.public_jwk for k in published_keys() if k.alg == "RS256")
        forged = forge(world, {"aud": world.url("rs256", "")}, {"k": public["n"], "kid": public["kid"]})
        assert reason(world.ask("rs256", bearer(forged))) == (401, "unknown_key")

    def test_a_token_for_another_api_is_refused(self, world: Installed) -> None:
        forged = forge(world, {"aud": world.url("es256", "")}, secret(world, "hs256"))
        assert reason(world.ask("hs256", bearer(forged))) == (401, "wrong_audience")

    def test_a_node_is_not_told_one_that_it_has_no_use_for(self, world: Installed) -> None:
        assert secret(world, "open")["k"] not in (world.me.home / "node" / "bundle.json").read_text()

    def test_only_the_node_may_read_it(self, world: Installed) -> None:
        shared = secret(world, "hs256")["k"]
        files = [f for f in (world.me.home / "node").rglob("*") if f.is_file() and shared in f.read_text("latin-1")]
        assert {f.name for f in files} == {"lds.json", "bundle.json"}
        assert {stat.S_IMODE(f.stat().st_mode) for f in files} == {0o600}


def secret(world: Installed, api: str) -> dict[str, str]:
    with world.acting():
        keys = [k for k in shared_secrets(world.version(api).id) if k.state == KeyState.ACTIVE]
        return secret_jwk(keys[0])


def forge(world: Installed, claims: dict[str, str], shared: dict[str, str]) -> str:
    """What the holder of a shared secret could sign: all claims of a good token, and some of its own."""
    good = jwt.decode(world.token("hs256"), options={"verify_signature": False})
    key = jwt.get_algorithm_by_name("HS256").from_jwk({"kty": "oct"} | shared)
    return jwt.encode(good | claims, key, "HS256", headers={"kid": shared["kid"], "typ": "at+jwt"})


class TestEncrypted:
    @pytest.mark.parametrize("api", ENCRYPTION)
    def test_a_token_passes_and_the_backend_sees_the_signed_one_inside(self, world: Installed, api: str) -> None:
        alg, curve, enc = ENCRYPTION[api]
        token = world.token(api)
        head = head_of(token)
        assert (head["alg"], head["enc"]) == (alg, enc)
        assert head.get("epk", {"crv": curve})["crv"] == curve
        for _ in range(3):  # asked of the console, then remembered by each worker of Envoy
            headers = seen(world.ask(api, bearer(token)))
            inner = headers["authorization"].removeprefix("Bearer ")
            assert head_of(inner)["alg"] == "ES256"
            assert headers["x-token-jti"] == jti(inner)

    @pytest.mark.parametrize("api", ENCRYPTION)
    def test_a_plain_one_is_refused(self, world: Installed, api: str) -> None:
        assert reason(world.ask(api, bearer(signed(world, api)))) == (401, "encryption_required")

    @pytest.mark.parametrize("api", ENCRYPTION)
    def test_a_tampered_one_and_one_for_another_api_are_refused(self, world: Installed, api: str) -> None:
        other = "rsa" if api != "rsa" else "aes"
        for token in (tampered(world.token(api)), world.token(other)):
            reply = world.ask(api, bearer(token))
            assert reply.status == 401
            assert reply.headers["www-authenticate"].startswith('Bearer error="invalid_token"')

    def test_one_that_was_shown_to_the_wrong_api_is_good_at_the_right_one(self, world: Installed) -> None:
        token = world.token("any")
        for _ in range(4):  # whichever worker of Envoy remembers the refusal
            assert world.ask("rsa", bearer(token)).status == 401
            assert world.ask("any", bearer(token)).status == 200

    def test_a_revoked_one_is_refused_although_it_is_remembered(self, world: Installed) -> None:
        token = world.token("any")
        assert world.ask("any", bearer(token)).status == 200
        assert world.oauth("revoke", {"token": token}).status == 200
        wait_until(lambda: world.ask("any", bearer(token)).status == 401, NOTICED_S)


class TestKeyOfTheApi:
    """`own`: only the API can open its tokens."""

    def test_the_backend_gets_what_was_sent_and_can_open_it(self, world: Installed) -> None:
        token = world.token("own")
        for _ in range(3):
            headers = seen(world.ask("own", bearer(token)))
            assert headers["authorization"] == f"Bearer {token}"
        inner = (joserfc.jwe.decrypt_compact(token, world.own).plaintext or b"").decode()
        claims = jwt.decode(inner, options={"verify_signature": False})
        assert (claims["client_id"], claims["aud"]) == (world.client_id, world.url("own", ""))
        assert headers["x-token-jti"] == claims["jti"]

    def test_a_long_one_arrives_whole(self, world: Installed) -> None:
        with world.acting():
            version = world.version("own")
            profile, scope = Profile(version.id, "HS256", encrypted=True), "read " + "x" * 3500
            token = issue_token(
                client_id=world.client_id, audience=version.audience, scope=scope, lifetime_s=60, profile=profile
            ).text
        assert len(token) > 6500
        assert seen(world.ask("own", bearer(token)))["authorization"] == f"Bearer {token}"

    def test_its_operations_need_their_scope(self, world: Installed) -> None:
        assert reason(world.ask("own", bearer(world.token("own")), "/admin")) == (403, "insufficient_scope")
        assert world.ask("own", bearer(world.token("own", "admin")), "/admin").status == 200

    def test_a_bound_one_arrives_as_it_was_sent(self, world: Installed) -> None:
        alice = Holder.new()
        token = world.bound_token("own", alice)
        headers = seen(world.ask("own", world.show("own", token, alice)))
        assert headers["authorization"] == f"DPoP {token}"
        assert "dpop" not in headers
        assert reason(world.ask("own", bearer(token))) == (401, "proof_missing")

    def test_a_key_arrives_as_the_token_that_stands_for_it(self, world: Installed) -> None:
        headers = seen(world.ask("own", {"X-API-Key": world.key()}))
        assert headers["authorization"].startswith("Bearer ")
        assert "x-api-key" not in headers

    def test_a_revoked_one_is_refused(self, world: Installed) -> None:
        token = world.token("own")
        with world.calling("own", bearer(token)) as statuses:
            wait_until(lambda: statuses, 5)
            assert world.oauth("revoke", {"token": token}).status == 200
            wait_until(lambda: statuses[-1] == 401, NOTICED_S)
        assert set(statuses) == {200, 401}

    def test_what_anybody_encrypts_to_its_key_is_refused(self, world: Installed) -> None:
        inner = (joserfc.jwe.decrypt_compact(world.token("own"), world.own).plaintext or b"").decode()
        head = head_of(world.token("own"))
        head = {name: head[name] for name in ("alg", "enc", "kid", "typ", "cty")}
        public = ECKey.import_key(world.own.as_dict(private=False))
        for text in (inner, "x.y.z"):  # even around a token that is good
            forged = joserfc.jwe.encrypt_compact(head, text.encode(), public)
            assert world.ask("own", bearer(forged)).status == 401
        assert reason(world.ask("own", bearer(inner)))[0] == 401

    def test_what_stands_for_it_is_never_shown(self, world: Installed) -> None:
        """The token behind the gateway that says the same: nobody can learn it from an answer."""
        token = world.token("own")
        reply = world.ask("own", bearer(token))
        assert seen(reply)["authorization"].count(".") == 4
        assert "eyJ" not in str(reply.headers)


class TestBound:
    def test_who_sends_nothing_learns_what_is_taken(self, world: Installed) -> None:
        for api, scheme in (("required", "DPoP"), ("optional", "Bearer")):
            reply = world.ask(api, {})
            assert reason(reply) == (401, "token_missing")
            assert reply.headers["www-authenticate"] == f'{scheme} realm="gatewright"'

    def test_a_good_proof_passes(self, world: Installed) -> None:
        alice = Holder.new()
        for api in ("optional", "required", "any"):
            token = world.bound_token(api, alice)
            headers = seen(world.ask(api, world.show(api, token, alice)))
            assert headers["authorization"].startswith("Bearer ")
            assert headers["authorization"].count(".") == 2
            assert "dpop" not in headers
        assert headers["authorization"] != f"Bearer {token}"  # `any` encrypts: the backend sees the signed one

    def test_each_proof_is_good_once(self, world: Installed) -> None:
        alice = Holder.new()
        token = world.bound_token("optional", alice)
        shown = world.show("optional", token, alice)
        assert world.ask("optional", shown).status == 200
        for _ in range(3):
            assert refused_proof(world.ask("optional", shown))

    @pytest.mark.parametrize(
        "wrong",
        [
            {"htm": "POST"},
            {"htm": "get"},
            {"htu": "http://example.org/optional/v1/things"},
            {"htu": "http://example.org/things"},
            {"ath": "x"},
            {"ath": None},
            {"iat": 1},
            {"iat": 9999999999},
            {"jti": ""},
        ],
        ids=str,
    )
    def test_a_proof_for_something_else_is_refused(self, world: Installed, wrong: dict[str, str]) -> None:
        alice = Holder.new()
        token = world.bound_token("optional", alice)
        proof = alice.proof("GET", world.url("optional"), token, **wrong)
        reply = world.ask("optional", {"Authorization": f"DPoP {token}", "DPoP": proof})
        assert refused_proof(reply)

    def test_a_proof_for_another_path_is_refused(self, world: Installed) -> None:
        alice = Holder.new()
        token = world.bound_token("optional", alice)
        assert refused_proof(world.ask("optional", world.show("optional", token, alice), "/things/7"))

    def test_the_proof_of_another_key_is_refused(self, world: Installed) -> None:
        alice, mallory = Holder.new(), Holder.new()
        token = world.bound_token("optional", alice)
        assert refused_proof(world.ask("optional", world.show("optional", token, mallory)))

    @pytest.mark.parametrize("api", ["optional", "required", "any"])
    def test_a_bound_token_needs_its_proof(self, world: Installed, api: str) -> None:
        alice = Holder.new()
        token = world.bound_token(api, alice)
        shown = world.show(api, token, alice)
        for headers in (bearer(token), bearer(token) | {"DPoP": shown["DPoP"]}):
            reply = world.ask(api, headers)
            assert reply.status == 401
            assert reply.headers["www-authenticate"].startswith("DPoP ")
        assert refused_proof(world.ask(api, {"Authorization": f"DPoP {token}"}))

    def test_a_token_that_is_not_bound_needs_none(self, world: Installed) -> None:
        alice, token = Holder.new(), world.token("optional")
        reply = world.ask("optional", world.show("optional", token, alice))
        assert reply.status == 401
        assert reply.headers["www-authenticate"].startswith('DPoP error="invalid_token"')

    def test_required_takes_no_other_token_but_keys(self, world: Installed) -> None:
        reply = world.ask("required", bearer(signed(world, "required")))
        assert reason(reply) == (401, "dpop_required")
        assert reply.headers["www-authenticate"].startswith("DPoP ")
        assert world.ask("required", {"X-API-Key": world.key()}).status == 200

    def test_off_takes_none(self, world: Installed) -> None:
        alice = Holder.new()
        with world.acting():
            bound = issue_token(
                client_id=world.client_id, audience=world.version("es256").audience, scope="read", lifetime_s=60,
                jkt=alice.key.thumbprint(),
            ).text  # fmt: skip
        assert world.ask("es256", world.show("es256", bound, alice)).status == 401
        assert reason(world.ask("es256", bearer(bound))) == (401, "proof_missing")
        plain = world.token("es256")
        headers = seen(world.ask("es256", bearer(plain) | {"DPoP": alice.proof("GET", world.url("es256"), plain)}))
        assert "dpop" not in headers

    def test_two_proofs_are_refused(self, world: Installed) -> None:
        alice = Holder.new()
        token = world.bound_token("optional", alice)
        proofs = [("DPoP", alice.proof("GET", world.url("optional"), token)) for _ in range(2)]
        shown = [("authorization", f"dpop {token}")]
        assert refused_proof(world.ask_raw("optional", shown + proofs))
        assert world.ask_raw("optional", shown + proofs[:1]).status == 200

    def test_two_ways_at_once_are_refused(self, world: Installed) -> None:
        alice, token = Holder.new(), world.token("optional")
        shown = world.show("optional", world.bound_token("optional", alice), alice)
        ways = [("Authorization", shown["Authorization"]), ("Authorization", f"Bearer {token}")]
        for both in (ways, ways[::-1], [("Authorization", f"{ways[0][1]}, {ways[1][1]}")]):
            for api in ("optional", "required"):
                assert world.ask_raw(api, [*both, ("DPoP", shown["DPoP"])]).status == 401

    def test_a_long_query_is_no_part_of_it(self, world: Installed) -> None:
        """The console reads no header of more than 8 KB."""
        alice = Holder.new()
        token = world.bound_token("optional", alice)
        for path in ("/things?page=2", "/things?q=" + "x" * 20_000):
            assert world.ask("optional", world.show("optional", token, alice), path).status == 200

    def test_a_path_cannot_break_out_of_the_challenge(self, world: Installed) -> None:
        alice = Holder.new()
        token = world.bound_token("optional", alice)
        shown = list(world.show("optional", token, alice).items())
        reply = world.ask_raw("optional", shown, '/things",error="x')
        assert refused_proof(reply)
        assert reply.headers["www-authenticate"].count('"') == 6

    def test_a_revoked_one_is_refused(self, world: Installed) -> None:
        alice = Holder.new()
        token = world.bound_token("optional", alice)
        assert world.ask("optional", world.show("optional", token, alice)).status == 200
        assert world.oauth("revoke", {"token": token}).status == 200
        wait_until(lambda: world.ask("optional", world.show("optional", token, alice)).status == 401, NOTICED_S)


def refused_proof(reply: Reply) -> bool:
    assert reply.status == 401, reply
    assert reply.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"'), reply.headers
    return True


class TestKeys:
    """API keys."""

    def test_limited_to_networks(self, world: Installed) -> None:
        allowed, elsewhere = world.key(networks=("127.0.0.0/8",)), world.key(networks=("10.0.0.0/8",))
        for _ in range(3):
            assert world.ask("any", {"X-API-Key": allowed}).status == 200
            reply = world.ask("any", {"X-API-Key": elsewhere})
            assert reply.status == 403
            assert world.record(reply)["reason"] == "network_refused"

    def test_what_one_address_may_is_not_remembered_for_another(self, world: Installed) -> None:
        key = ("X-API-Key", world.key(networks=("127.0.0.1",)))
        for _ in range(3):
            assert world.ask_raw("any", [key], source="127.0.0.1").status == 200
            assert world.ask_raw("any", [key], source="127.0.0.2").status == 403

    def test_an_address_that_a_caller_makes_up_changes_nothing(self, world: Installed) -> None:
        elsewhere = world.key(networks=("10.0.0.0/8",))
        names = ("X-Forwarded-For", "X-Real-IP", "X-Gatewright-Address", "Forwarded", "X-Envoy-External-Address")
        assert world.ask("any", {"X-API-Key": elsewhere} | dict.fromkeys(names, "10.0.0.1")).status == 403

    def test_limited_to_scopes(self, world: Installed) -> None:
        key = world.key(scopes=("read",))
        assert world.ask("any", {"X-API-Key": key}).status == 200
        reply = world.ask("any", {"X-API-Key": key}, "/admin")
        assert reason(reply) == (403, "insufficient_scope")
        assert world.ask("any", {"X-API-Key": world.key()}, "/admin").status == 200


class TestRotation:
    @pytest.mark.parametrize("alg", SIGNING[:-1])
    def test_no_call_notices_a_rotation(self, world: Installed, alg: str) -> None:
        before = world.token(alg.lower())
        with world.calling(alg.lower(), bearer(before)) as statuses:
            with world.acting() as alice:
                rotate_signing_key(alg, by=alice, at_once=True)
            after = another(world, alg.lower(), before)
            assert world.ask(alg.lower(), bearer(after)).status == 200  # its key was on the nodes before it signed
            world.settle()
            assert [world.ask(alg.lower(), bearer(t)).status for t in (before, after)] == [200, 200]
        assert set(statuses) == {200}

    def test_a_shared_secret_too(self, world: Installed) -> None:
        before = world.token("hs256b")
        with world.calling("hs256b", bearer(before)) as statuses:
            with world.acting() as alice:
                make_shared_secret(world.version("hs256b").id, by=alice)
            world.settle()
            with world.acting() as alice:
                use_shared_secret(world.version("hs256b").id, by=alice, at_once=True)
            after = another(world, "hs256b", before)
            assert world.ask("hs256b", bearer(after)).status == 200  # it was on the nodes before it signed
            world.settle()
            assert [world.ask("hs256b", bearer(t)).status for t in (before, after)] == [200, 200]
        assert set(statuses) == {200}

    @pytest.mark.parametrize("alg", SIGNING)
    def test_what_a_revoked_key_signed_is_refused(self, world: Installed, alg: str) -> None:
        token = world.token(alg.lower())
        assert world.ask(alg.lower(), bearer(token)).status == 200
        with world.acting() as alice:
            key = db.session.get_one(SigningKey, kid(token))
            revoke_signing_key(key, by=alice)
        wait_until(lambda: world.ask(alg.lower(), bearer(token)).status == 401, NOTICED_S)
        world.settle()
        assert world.ask(alg.lower(), bearer(another(world, alg.lower(), token))).status == 200

    def test_without_its_secret_an_api_does_not_fall_back_on_published_keys(self, world: Installed) -> None:
        with world.acting() as alice:
            for key in shared_secrets(world.version("hs256b").id):
                revoke_signing_key(key, by=alice)
        world.settle()
        assert world.ask("hs256b", bearer(signed(world, "hs256b"))).status == 401

    @pytest.mark.parametrize("api", ["lost", "ecdh-x"])
    def test_what_is_encrypted_to_a_revoked_key_is_refused_although_it_is_remembered(
        self, world: Installed, api: str
    ) -> None:
        token, other = world.token(api), world.token("rsa")
        with world.calling("rsa", bearer(other)) as statuses:
            assert world.ask(api, bearer(token)).status == 200
            with world.acting() as alice:
                version = world.version(api)
                key = active_key(version.id)
                assert key is not None
                revoke_encryption_key(key, version, by=alice)
            wait_until(lambda: {world.ask(api, bearer(token)).status for _ in range(8)} == {401}, NOTICED_S)
        assert set(statuses) == {200}


def another(world: Installed, api: str, before: str) -> str:
    """A token that is signed with the new key already."""
    wait_until(lambda: kid(world.token(api)) != kid(before), 5)
    return world.token(api)


class TestRecords:
    def test_each_call_says_how_it_was_let_in(self, world: Installed) -> None:
        alice = Holder.new()
        signed, encrypted, sealed = world.token("optional"), world.token("any"), world.token("own")
        bound, key = world.bound_token("required", alice), world.key()
        with world.acting():
            row = db.session.scalars(select(ApiKey).order_by(ApiKey.id.desc())).first()
            key_jti, encrypted_jti = row.jti, verify(encrypted).jti
            sealed_jti = verify(sealed).jti
        for api, credential, headers, number in (
            ("optional", "jws", bearer(signed), jti(signed)),
            ("any", "jwe", bearer(encrypted), encrypted_jti),
            ("own", "jwe", bearer(sealed), sealed_jti),
            ("required", "dpop", world.show("required", bound, alice), jti(bound)),
            ("any", "key", {"X-API-Key": key}, key_jti),
        ):
            row = world.record(world.ask(api, headers))
            assert (row["credential"], row["client_id"], row["jti"]) == (credential, world.client_id, number)

    def test_and_why_it_was_not(self, world: Installed) -> None:
        alice = Holder.new()
        token = world.bound_token("optional", alice)
        shown = world.show("optional", token, alice)
        world.ask("optional", shown)
        for headers, credential, word in (
            (shown, "dpop", "invalid_dpop_proof"),
            (bearer(token), "jws", "proof_missing"),
            ({"Authorization": f"DPoP {token}"}, "dpop", "malformed_proof"),
        ):
            row = world.record(world.ask("optional", headers))
            assert (row["status"], row["credential"]) == (401, credential)
            assert word in row["reason"]
