"""Passwords, tokens, sessions and their options, without a server."""

from __future__ import annotations

import pyarrow as pa
import pytest
from argon2 import PasswordHasher

from flight_server.access.login.authenticator import Authenticator
from flight_server.access.login.lockout import Lockout
from flight_server.access.login.login_audit import BURST_MAX, LoginAudit
from flight_server.access.login.passwords import Passwords, prepare_root
from flight_server.access.login.tokens import Tokens, stored_key
from flight_server.access.principal import Principal
from flight_server.access.sessions.session import PreparedStatement, Session
from flight_server.access.sessions.session_options import session_options, set_session_option
from flight_server.access.sessions.sessions import Sessions
from flight_server.access.settings import AccessSettings
from flight_server.flight.listen_address import is_local_peer
from storage.catalog.audit_record import AuditRecord
from storage.catalog.catalog import Catalog
from storage.catalog.users import UserRecord
from storage.clock import ManualClock
from storage.errors import InvalidRequest, LimitExceeded, NotFound, StorageUnavailable, Unauthenticated
from storage.shares import ShareLimits, Shares
from tests.access.log_in_headers import basic

ROOT = Principal("root", "system")


@pytest.fixture(scope="module")
def passwords() -> Passwords:
    return Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


class Transaction:
    def __init__(self, id_: bytes = b"t", did_something_at: float = 0.0) -> None:
        self.id = id_
        self.did_something_at = did_something_at
        self.rolled_back = False

    def ends_idle(self, oldest_seconds: float) -> bool:
        return self.did_something_at <= oldest_seconds

    def rollback(self) -> None:
        self.rolled_back = True


# --- root ------------------------------------------------------------------------------------------------------


def test_a_first_start_without_a_password_makes_one_up(passwords):
    setup = prepare_root(Catalog(), None, passwords, 5)
    assert len(setup.generated_password) >= 20
    assert passwords.matches(setup.record, setup.generated_password)
    assert (setup.record.name, setup.record.role, setup.record.created_ms) == ("root", "system", 5)
    assert setup.record.password_hash.startswith("$argon2id$")


def test_a_first_start_takes_the_chosen_password_and_shows_none(passwords):
    setup = prepare_root(Catalog(), "chosen", passwords, 0)
    assert setup.generated_password is None
    assert passwords.matches(setup.record, "chosen")


def test_a_later_start_changes_the_password_only_when_it_differs(passwords):
    catalog = Catalog().with_user(prepare_root(Catalog(), "old", passwords, 0).record)
    assert prepare_root(catalog, None, passwords, 0).record is None
    assert prepare_root(catalog, "", passwords, 0).record is None
    assert prepare_root(catalog, "old", passwords, 0).record is None
    changed = prepare_root(catalog, "new", passwords, 0)
    assert passwords.matches(changed.record, "new")
    assert not passwords.matches(changed.record, "old")
    assert changed.generated_password is None


def test_a_password_that_is_too_long_is_refused(passwords):
    with pytest.raises(InvalidRequest, match="1 to 1024 bytes"):
        passwords.hash("x" * 1025)
    assert not passwords.matches(None, "x" * 1025)


def test_an_unknown_user_never_matches(passwords):
    assert not passwords.matches(None, "anything")


# --- tokens, lockout -------------------------------------------------------------------------------------------


def test_a_token_tells_who_and_which_session(clock):
    tokens = Tokens(b"k" * 32, clock, 60)
    one, two = (tokens.check(tokens.issue(ROOT)) for _ in range(2))
    assert one.principal == ROOT
    assert one.session_id != two.session_id


def test_a_token_survives_a_clock_set_back_a_little_but_not_much(clock):
    tokens = Tokens(b"k" * 32, clock, 3600)
    token = tokens.issue(ROOT)
    clock.set_wall_ms(clock.wall_ms() - 30_000)
    assert tokens.check(token).principal == ROOT
    clock.set_wall_ms(clock.wall_ms() - 600_000)
    with pytest.raises(Unauthenticated):
        tokens.check(token)


def test_a_short_key_is_refused(clock):
    with pytest.raises(ValueError, match="too short"):
        Tokens(b"short", clock, 60)


def test_the_stored_key_is_made_once_and_only_for_its_owner(tmp_path):
    file = tmp_path / "token.key"
    key = stored_key(file)
    assert (len(key), file.stat().st_mode & 0o777) == (32, 0o600)
    file.chmod(0o644)
    assert stored_key(file) == key
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["token.key"]


def test_a_damaged_key_is_said_so(tmp_path):
    (tmp_path / "token.key").write_bytes(b"half")
    with pytest.raises(StorageUnavailable, match="damaged"):
        stored_key(tmp_path / "token.key")


def test_failures_lock_a_name_for_a_while_and_success_forgets_them(clock):
    lockout = Lockout(clock, failures_max=2, lockout_seconds=30)
    lockout.failed("a")
    lockout.succeeded("a")
    lockout.failed("a")
    assert not lockout.is_locked("a")
    lockout.failed("a")
    assert lockout.is_locked("a")
    assert not lockout.is_locked("b")
    clock.advance(30)
    assert not lockout.is_locked("a")


# --- sessions --------------------------------------------------------------------------------------------------


@pytest.fixture
def sessions(clock: ManualClock) -> Sessions:
    return Sessions(clock, idle_seconds_max=100)


def test_a_session_lives_on_between_calls(sessions):
    first = sessions.enter("s", ROOT)
    sessions.leave(first)
    assert sessions.enter("s", ROOT) is first


def test_an_idle_session_ends_with_all_it_holds(sessions, clock):
    session = sessions.enter("s", ROOT)
    transaction = Transaction()
    session.transactions.add(transaction, by_statement=True)
    sessions.leave(session)
    clock.advance(99)
    assert sessions.expire_idle() == 0
    clock.advance(1)
    assert sessions.expire_idle() == 1
    assert transaction.rolled_back
    assert (len(session.transactions), session.prepared, len(session.temporary)) == (0, {}, 0)


def test_a_session_with_a_running_call_is_not_idle(sessions, clock):
    sessions.enter("s", ROOT)
    clock.advance(1000)
    assert sessions.expire_idle() == 0


def test_only_idle_transactions_are_rolled_back(sessions, clock):
    session = sessions.enter("s", ROOT)
    now = clock.monotonic_seconds()
    first, second = Transaction(b"first", now + 1), Transaction(b"second", now)
    for transaction in (first, second):
        session.transactions.add(transaction, by_statement=False)
    clock.advance(50)
    assert sessions.end_idle_transactions(50) == 1
    assert (first.rolled_back, second.rolled_back) == (False, True)
    assert list(session.transactions) == [first]


def test_a_closed_session_is_refused_until_its_token_would_be_anyway(sessions, clock):
    sessions.leave(sessions.enter("s", ROOT))
    sessions.close("s", clock.wall_ms() + 10_000)
    with pytest.raises(Unauthenticated):
        sessions.enter("s", ROOT)
    clock.advance(11)
    sessions.expire_idle()
    assert not sessions.is_closed("s")


def test_prepared_statements_are_limited(sessions):
    session = sessions.enter("s", ROOT)
    statement = PreparedStatement("SELECT 1", None, False, pa.schema([]), pa.schema([]))
    shares = Shares(ShareLimits("prepared statements", 1000, "all", 1000, "each"))
    session.add_prepared(b"1", statement, 1, shares)
    with pytest.raises(LimitExceeded, match="close some"):
        session.add_prepared(b"2", statement, 1, shares)


def test_binding_to_a_closed_statement_does_not_bring_it_back(sessions):
    session = sessions.enter("s", ROOT)
    session.bind(b"1", None)
    assert session.prepared == {}


# --- options ---------------------------------------------------------------------------------------------------


@pytest.fixture
def session() -> Session:
    return Session("s", ROOT)


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("schema", "sales", "sales"),
        ("SCHEMA", "sales", "sales"),
        ("durability", "Relaxed", "relaxed"),
        ("compression", "LZ4", "lz4"),
        ("time_zone", "Europe/Berlin", "Europe/Berlin"),
        ("time_zone", "utc", "+00:00"),
        ("time_zone", "-03:30", "-03:30"),
        ("statement_timeout_seconds", "2.5", 2.5),
        ("statement_timeout_seconds", 10, 10.0),
        ("catalog", "frostline", "frostline"),
    ],
)
def test_an_option_is_set_and_reset(session, name, value, read):
    before = session_options(session)
    set_session_option(session, name, value, {"sales", "public"})
    assert session_options(session)[name.lower()] == read
    set_session_option(session, name, None, {"sales", "public"})
    assert session_options(session) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("schema", "nowhere"),
        ("durability", "never"),
        ("compression", "rar"),
        ("time_zone", "../../etc/passwd"),
        ("time_zone", "Mars/Olympus"),
        ("time_zone", ""),
        ("time_zone", "+99:00"),
        ("statement_timeout_seconds", "soon"),
        ("statement_timeout_seconds", -1),
        ("statement_timeout_seconds", float("nan")),
        ("statement_timeout_seconds", ("1",)),
        ("catalog", "other"),
    ],
)
def test_a_bad_value_is_refused_and_changes_nothing(session, name, value):
    before = session_options(session)
    with pytest.raises(InvalidRequest):
        set_session_option(session, name, value, {"public"})
    assert session_options(session) == before


def test_an_unknown_option_names_those_that_exist(session):
    known = "catalog, compression, durability, exact_types, schema, statement_timeout_seconds, time_zone"
    with pytest.raises(NotFound, match=f"known are {known}"):
        set_session_option(session, "colour", "blue", ())


# --- the same for the unknown ----------------------------------------------------------------------------------


class Counting(PasswordHasher):
    """Says how often it worked, which is what a log-in takes time for."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.checks: list[str] = []

    def verify(self, hash, password):
        self.checks.append(hash)
        return super().verify(hash, password)


def test_unknown_wrong_dropped_and_passwordless_users_cost_the_same_and_are_told_the_same(clock):
    hasher = Counting()
    passwords = Passwords(hasher)
    passwords.warm()
    good = passwords.hash("right")
    users = {
        "known": UserRecord(name="known", role="user", password_hash=good),
        "dropped": UserRecord(name="dropped", role="user", password_hash=good, dropped_ms=1),
        "silent": UserRecord(name="silent", role="user", password_hash=""),
    }
    settings = AccessSettings(login_failures_max=2)
    door = Authenticator(lambda: users, passwords, Tokens(b"k" * 32, clock, 60), clock, settings)

    def refusal(name: str, password: str) -> str:
        hasher.checks.clear()
        with pytest.raises(Unauthenticated) as refused:
            door.caller(basic(name, password))
        return f"{refused.value.message}, {len(hasher.checks)} check"

    names = ("known", "dropped", "silent", "nobody")
    told = [[refusal(name, "wrong") for name in names] for _ in range(4)]
    assert (
        told
        == [[f"wrong user name or password, {1} check"] * 4] * 2
        + [["too many failed log-ins; wait a while and try again, 0 check"] * 4] * 2
    )
    clock.advance(settings.lockout_seconds)
    assert [refusal(name, "right") for name in names[1:]] == ["wrong user name or password, 1 check"] * 3
    assert door.caller(basic("known", "right")).principal == Principal("known", "user")
    parameters = {hash_.rpartition("$")[0].rpartition("$")[0] for hash_ in (good, passwords._nobody)}
    assert len(parameters) == 1  # as many rounds for one who is not there


# --- failed log-ins in the audit log ---------------------------------------------------------------------------


def test_a_guesser_fills_the_audit_log_at_a_bounded_rate(clock):
    written: list[AuditRecord] = []
    audit = LoginAudit(written.append, clock)
    for _ in range(1000):
        audit.failed(None, "unknown user")
    assert len(written) == BURST_MAX
    clock.advance(1)
    audit.failed("ann", "wrong password")
    assert (written[-1].user, written[-1].action) == ("ann", "LOGIN FAILED")
    assert written[-1].detail == f"wrong password; {1000 - BURST_MAX} more before it are not listed"


def test_a_disk_that_refuses_the_audit_log_lets_nobody_in_and_breaks_nothing(clock):
    def refuse(_: AuditRecord) -> None:
        raise StorageUnavailable("the disk refused")

    LoginAudit(refuse, clock).failed("ann", "wrong password")


@pytest.mark.parametrize(
    ("peer", "is_local"),
    [
        ("ipv4:127.0.0.1:4000", True),
        ("ipv4:127.8.8.8:1", True),
        ("ipv6:%5B::1%5D:4000", True),
        ("ipv6:[::1]:4000", True),
        ("ipv6:[::ffff:127.0.0.1]:4000", True),
        ("unix:/run/x.sock", True),
        ("ipv4:192.0.2.1:4000", False),
        ("ipv6:[2001:db8::1]:4000", False),
        ("ipv6:[fe80::1%25eth0]:4000", False),
        ("ipv6:[::ffff:192.0.2.1]:4000", False),
        ("ipv4:127.0.0.1.example.com:4000", False),
        ("", False),
        ("fd:3", False),
        ("ipv4:", False),
    ],
)
def test_only_this_machine_is_local(peer: str, is_local: bool):
    assert is_local_peer(peer) is is_local
