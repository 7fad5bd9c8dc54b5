"""Tokens of an identity provider: which get in, which do not, and where keys come from."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from flight_server.access.login.authenticator import Authenticator
from flight_server.access.login.idp import IdentityProvider, check_settings
from flight_server.access.login.jwks import REFRESH_SECONDS_MIN, STALE_SECONDS_MAX, Jwks
from flight_server.access.login.login_audit import LoginAudit
from flight_server.access.login.tokens import Tokens
from flight_server.access.settings import AccessSettings
from storage.catalog.audit_record import AuditRecord
from storage.catalog.users import UserRecord
from storage.clock import ManualClock
from storage.errors import InvalidRequest, Unauthenticated
from tests.access.provider import AUDIENCE, ISSUER, ec_key, ed_key, jwk, rsa_key, token, web
from tests.wire.conftest import QUICK

OWN_KEY = b"k" * 32


def settings(source: str, **more) -> AccessSettings:
    return AccessSettings(idp_issuer=ISSUER, idp_audience=AUDIENCE, idp_jwks=source, **more)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [jwk("one", rsa_key("one")), jwk("two", ec_key()), jwk("three", ed_key())]}))
    return file


@pytest.fixture
def now(clock: ManualClock) -> int:
    return clock.wall_ms() // 1000


class Door:
    """An authenticator with users, and what it wrote into the audit log."""

    def __init__(self, clock: ManualClock, access: AccessSettings) -> None:
        self.users = {
            name: UserRecord(name=name, role=role, password_hash="", dropped_ms=dropped)
            for name, role, dropped in (("ann", "user", 0), ("root", "system", 0), ("gone", "user", 5))
        }
        self.audit: list[AuditRecord] = []
        self._authenticator = Authenticator(
            lambda: self.users,
            QUICK,
            Tokens(OWN_KEY, clock, 60),
            clock,
            access,
            LoginAudit(self.audit.append, clock),
            provider=IdentityProvider(access, clock),
        )

    def caller(self, bearer: str):
        return self._authenticator.caller({"authorization": [f"Bearer {bearer}"]})

    def refusal(self, bearer: str) -> str:
        with pytest.raises(Unauthenticated) as refused:
            self.caller(bearer)
        return refused.value.message


def test_a_good_token_is_the_user_it_names_with_our_role(clock, source, now):
    door = Door(clock, settings(str(source)))
    caller = door.caller(token(now, role="system", groups=["dba"]))
    assert (caller.principal.name, caller.principal.role) == ("ann", "user")
    assert caller.session_expires_ms == (now + 600) * 1000
    assert door.caller(token(now, role="system", groups=["dba"])).session_id == caller.session_id
    assert door.caller(token(now, jti="other")).session_id != caller.session_id


@pytest.mark.parametrize(("kid", "key", "algorithm"), [("two", ec_key, "ES256"), ("three", ed_key, "EdDSA")])
def test_every_allowed_algorithm_works_with_its_kind_of_key(clock, source, now, kid, key, algorithm):
    access = settings(str(source), idp_algorithms=("RS256", algorithm))
    good = token(now, key(), algorithm, {"kid": kid})
    assert Door(clock, access).caller(good).principal.name == "ann"
    assert Door(clock, settings(str(source))).refusal(good)  # not on the list
    assert Door(clock, access).refusal(token(now, key(), algorithm, {"kid": "one"}))  # a key of another kind


def test_another_claim_can_name_the_user(clock, source, now):
    access = settings(str(source), idp_user_claim="preferred_username")
    door = Door(clock, access)
    assert door.caller(token(now, sub="f3a1", preferred_username="ann")).principal.name == "ann"
    assert door.refusal(token(now, sub="ann"))
    assert door.refusal(token(now, preferred_username=["ann"]))


def unsigned(now: int, algorithm: str) -> str:
    """A token without a signature."""
    parts = [
        {"alg": algorithm, "kid": "one"},
        {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 9},
    ]
    return ".".join([*(base64.urlsafe_b64encode(json.dumps(p).encode()).decode().rstrip("=") for p in parts), ""])


def confused(now: int) -> str:
    """HS256 with the provider's public key as the secret: what a careless server takes for RS256."""
    secret = rsa_key("one").public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body = (part for part in token(now).split(".")[:2])
    header = json.loads(base64.urlsafe_b64decode(head + "=="))
    text = base64.urlsafe_b64encode(json.dumps({**header, "alg": "HS256"}).encode()).rstrip(b"=") + b"." + body.encode()
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(text, secret)
    return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def own(now: int, **claims) -> str:
    """Signed with the key of this server, and said to be the provider's."""
    return token(now, OWN_KEY, "HS256", **claims)


BAD = {
    "alg none": lambda now: unsigned(now, "none"),
    "alg None": lambda now: unsigned(now, "None"),
    "alg RS256 and no signature": lambda now: unsigned(now, "RS256"),
    "HS256 with the public key": confused,
    "HS256 with our own key": own,
    "another key": lambda now: token(now, rsa_key("other")),
    "an unknown key's name": lambda now: token(now, headers={"kid": "nine"}),
    "no key's name": lambda now: token(now, headers={"kid": None}),
    "another algorithm of the same key": lambda now: token(now, algorithm="RS512"),
    "jku": lambda now: token(now, headers={"jku": "https://evil.example.com/jwks"}),
    "x5u": lambda now: token(now, headers={"x5u": "https://evil.example.com/cert"}),
    "jwk": lambda now: token(now, rsa_key("other"), headers={"jwk": jwk("one", rsa_key("other"))}),
    "crit": lambda now: token(now, headers={"crit": ["exp"]}),
    "another audience": lambda now: token(now, aud="other"),
    "no audience": lambda now: token(now, aud=None),
    "no expiry": lambda now: token(now, exp=None),
    "no issue time": lambda now: token(now, iat=None),
    "no subject": lambda now: token(now, sub=None),
    "expiry that is not a number": lambda now: token(now, exp=float("nan")),
    "endless": lambda now: token(now, exp=float("inf")),
    "issued in the future": lambda now: token(now, iat=now + 3600, exp=now + 7200),
    "not valid yet": lambda now: token(now, nbf=now + 3600),
    "a user who is not there": lambda now: token(now, sub="nobody"),
    "a dropped user": lambda now: token(now, sub="gone"),
    "the role system": lambda now: token(now, sub="root"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_token_is_refused_in_the_same_words(clock, source, now, name):
    door = Door(clock, settings(str(source), idp_algorithms=("RS256", "ES256")))
    assert door.refusal(BAD[name](now)) == "the token is not valid; log in again"
    assert [record.action for record in door.audit] == ["LOGIN FAILED"]
    assert all(part not in repr(door.audit) for part in BAD[name](now).split(".") if part)


def test_an_expired_token_is_told_so(clock, source, now):
    assert "expired" in Door(clock, settings(str(source))).refusal(token(now, iat=now - 20, exp=now - 10))


def test_tokens_of_another_issuer_are_ours_or_nobodys(clock, source, now):
    door = Door(clock, settings(str(source)))
    assert door.refusal(token(now, iss="https://other.example.com"))
    assert door.refusal("garbage")
    ours = Tokens(OWN_KEY, clock, 60)
    principal = door.caller(token(now)).principal
    assert door.caller(ours.issue(principal)).principal == principal


def test_a_dropped_user_is_out_although_the_token_is_good(clock, source, now):
    door = Door(clock, settings(str(source)))
    assert door.caller(token(now))
    del door.users["ann"]
    assert door.refusal(token(now))


# --- settings --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["HS256", "none", "HS512", "RS1", ""])
def test_no_algorithm_with_a_shared_secret_can_be_set(source, algorithm):
    with pytest.raises(InvalidRequest, match="idp_algorithms"):
        check_settings(settings(str(source), idp_algorithms=("RS256", algorithm)))


def test_half_a_provider_is_refused_by_name(source):
    with pytest.raises(InvalidRequest, match=r"needs access\.idp_audience and access\.idp_jwks too"):
        check_settings(AccessSettings(idp_issuer=ISSUER))
    with pytest.raises(InvalidRequest, match="idp_algorithms"):
        check_settings(settings(str(source), idp_algorithms=()))


def test_keys_come_over_https_or_from_this_machine(clock):
    with pytest.raises(InvalidRequest, match="https://"):
        Jwks("http://id.example.com/jwks", clock, 300)
    with pytest.raises(InvalidRequest, match="can't hold a user or password") as refused:
        Jwks("https://frostline:hunter2@id.example.com/jwks", clock, 300)
    assert "hunter2" not in refused.value.message


# --- keys ------------------------------------------------------------------------------------------------------


def test_keys_that_can_not_be_used_are_left_out(clock, tmp_path):
    file = tmp_path / "jwks.json"
    good = jwk("good", rsa_key("one"))
    bad = [
        {**good, "kid": "enc", "use": "enc"},
        {**good, "kid": 5},
        {"kty": "oct", "kid": "secret", "k": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"},
        {"kty": "RSA", "kid": "empty"},
        {"kty": "RSA", "kid": "odd", "n": "!", "e": "AQAB"},
        jwk("short", rsa_key("short", 1024)),
        {**good, "kid": "private", "d": "x"},
        "text",
    ]
    file.write_text(json.dumps({"keys": [*bad, good]}))
    keys = Jwks(str(file), clock, 300)
    assert keys.key("good") is not None
    assert {item["kid"]: keys.key(item["kid"]) for item in bad if isinstance(item, dict) and item["kid"] != 5} == (
        dict.fromkeys(("enc", "secret", "empty", "odd", "short", "private"))
    )


def test_keys_are_remembered_and_an_unknown_name_is_worth_one_look(clock):
    with web(jwk("one", rsa_key("one"))) as provider:
        keys = Jwks(provider.address, clock, 300)
        for _ in range(5):
            assert keys.key("one") is not None
            assert keys.key("nine") is None
        assert provider.asked == 1
        provider.answer = json.dumps({"keys": [jwk("nine", rsa_key("other"))]}).encode()
        clock.advance(REFRESH_SECONDS_MIN)
        assert keys.key("nine") is not None  # rotated
        assert keys.key("one") is None
        assert provider.asked == 2
        clock.advance(301)
        keys.key("nine")
        assert provider.asked == 3


def test_a_key_that_was_taken_back_is_gone_after_a_while(clock, tmp_path, now):
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps({"keys": [jwk("one", rsa_key("one"))]}))
    door = Door(clock, settings(str(file)))
    good = token(now)
    assert door.caller(good)
    file.write_text(json.dumps({"keys": []}))
    clock.advance(300)
    assert door.refusal(good)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (b"not json", 200),
        (b"[]", 200),
        (b"{}", 200),
        (b"", 500),
        (b"x" * (1 << 20) + b"xx", 200),
        (b"[" * 100_000, 200),
    ],
)
def test_a_provider_that_fails_keeps_its_keys_for_a_day(clock, answer, status):
    with web(jwk("one", rsa_key("one"))) as provider:
        keys = Jwks(provider.address, clock, 300)
        assert keys.key("one") is not None
        provider.answer, provider.status = answer, status
        clock.advance(301)
        assert keys.key("one") is not None
        clock.advance(STALE_SECONDS_MAX)
        assert keys.key("one") is None


def test_a_provider_that_points_elsewhere_is_not_followed(clock):
    with web(jwk("one", rsa_key("one"))) as real, web() as pointing:
        pointing.status, pointing.headers = 302, {"Location": real.address}
        assert Jwks(pointing.address, clock, 300).key("one") is None
        assert real.asked == 0


def test_a_provider_that_is_not_there_lets_nobody_in(clock, tmp_path, now):
    assert Door(clock, settings(str(tmp_path / "nothing.json"))).refusal(token(now))
