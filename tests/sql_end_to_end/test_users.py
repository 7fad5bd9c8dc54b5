"""Users from CREATE to DROP and back, what is written of it all, and that no password is ever shown."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from adbc_driver_manager import Error

from tests.sql_end_to_end.ageing import age
from tests.sql_end_to_end.people import People
from tests.support.server_process import ServerProcess
from tests.support.sql_client import Client, Refused

SECRET = "correct horse battery staple"


@pytest.fixture(scope="module")
def people(server: ServerProcess) -> Iterator[People]:
    with People(server) as people:
        yield people


@pytest.fixture
def root(people: People) -> Client:
    return people.root


def logs_in(server: ServerProcess, user: str, password: str) -> bool:
    """Fails on every other error."""
    try:
        with server.connect(user=user, password=password) as connection:
            Client(connection).rows("SELECT 1 AS one")
    except Error as error:
        return _is_let_in(error)
    return True


def _is_let_in(error: Error) -> bool:
    assert "[28000] wrong user name or password" in str(error)
    return False


def events(root: Client, like: str, columns: str = "user, as_user, action, object") -> list[tuple]:
    """Of the audit log, oldest first, about one user of this test."""
    quoted = ", ".join(f'"{column.strip()}"' for column in columns.split(","))
    where = f"object LIKE '%{like}%' OR \"user\" LIKE '%{like}%' OR detail LIKE '%{like}%'"
    return root.rows(f"SELECT {quoted} FROM system.audit_log WHERE {where} ORDER BY at")


# --- making and changing ---------------------------------------------------------------------------------------


def test_a_user_is_made_changed_dropped_and_brought_back(server: ServerProcess, root: Client) -> None:
    root.do(f"CREATE USER 'eve' WITH PASSWORD '{SECRET}' EMAIL 'eve@example.com'")
    assert root.rows('SELECT "user", role, email FROM system.users WHERE "user" = \'eve\'') == [
        ("eve", "user", "eve@example.com")
    ]
    assert logs_in(server, "eve", SECRET)
    assert not logs_in(server, "eve", "another")
    root.do("ALTER USER 'eve' WITH PASSWORD 'another' ROLE service EMAIL ''")
    assert (logs_in(server, "eve", SECRET), logs_in(server, "eve", "another")) == (False, True)
    assert root.rows("SELECT role, email FROM system.users WHERE \"user\" = 'eve'") == [("service", "")]
    root.do("CREATE TABLE t (a INT); GRANT SELECT ON t TO 'eve'; DROP USER eve")
    assert not logs_in(server, "eve", "another")
    assert root.sqlstate("CREATE USER eve") == root.sqlstate("CREATE USER IF NOT EXISTS eve") == "42710"
    assert root.sqlstate("ALTER USER eve EMAIL 'x'") == root.sqlstate("DROP USER eve") == "42704"
    assert root.sqlstate("GRANT SELECT ON t TO eve") == "42704"
    assert root.sqlstate("EXECUTE AS USER eve (SELECT 1 AS one)") == "42501"
    root.do("DROP USER IF EXISTS eve; UNDROP USER eve")
    assert logs_in(server, "eve", "another")
    assert [row[3] for row in root.rows("SHOW GRANTS FOR eve")] == ["SELECT"]
    assert root.sqlstate("UNDROP USER eve") == "42704"


@pytest.mark.parametrize(
    ("sql", "sqlstate"),
    [
        ("CREATE USER 'root'", "42710"),
        ("CREATE USER 'x' WITH PASSWORD ''", "22023"),
        (f"CREATE USER 'x' WITH PASSWORD '{'p' * 1025}'", "22023"),
        ("CREATE USER 'a:b'", "42602"),
        ("CREATE USER 'x' ROLE admin", "22023"),
        ("ALTER USER 'nobody' ROLE dba", "42704"),
        ("ALTER USER 'root' ROLE user", "22023"),
        ("DROP USER 'nobody'", "42704"),
        ("DROP USER 'root'", "2BP01"),
        ("UNDROP USER 'root'", "42704"),
        ("GRANT SELECT ON nope TO 'root'", "42P01"),
        ("GRANT SELECT ON system.users TO 'root'", "42809"),
        ("GRANT SELECT ON given TO 'nobody'", "42704"),
        ("GRANT INSERT ON view_of_given TO 'root'", "42809"),
        ("SHOW GRANTS FOR 'nobody'", "42704"),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(root: Client, sql: str, sqlstate: str) -> None:
    root.do("CREATE TABLE IF NOT EXISTS given (a INT); CREATE OR REPLACE VIEW view_of_given AS SELECT * FROM given")
    before = root.rows("SHOW USERS"), root.rows("SHOW GRANTS"), root.value("SELECT count(*) FROM system.audit_log")
    assert root.sqlstate(sql) == sqlstate
    assert (
        root.rows("SHOW USERS"),
        root.rows("SHOW GRANTS"),
        root.value("SELECT count(*) FROM system.audit_log"),
    ) == before


def test_users_and_rights_are_part_of_a_transaction(server: ServerProcess, root: Client) -> None:
    root.do(f"BEGIN; CREATE USER 'tom' WITH PASSWORD '{SECRET}'")
    assert root.value("SELECT count(*) FROM system.users WHERE \"user\" = 'tom'") == 1
    assert not logs_in(server, "tom", SECRET)
    root.do("ROLLBACK")
    assert events(root, "tom", "action") == [("LOGIN FAILED",)] or events(root, "tom", "action") == []
    root.do(f"BEGIN; CREATE USER 'tom' WITH PASSWORD '{SECRET}'; COMMIT")
    assert logs_in(server, "tom", SECRET)


def test_a_password_can_be_bound(server: ServerProcess, root: Client) -> None:
    root.do("CREATE USER 'bound' WITH PASSWORD ?", (SECRET,))
    assert logs_in(server, "bound", SECRET)
    root.do("ALTER USER 'bound' PASSWORD $1 EMAIL 'b@c.d'", ("other",))
    assert logs_in(server, "bound", "other")
    assert root.sqlstate("ALTER USER 'bound' PASSWORD ?", (5,)) == "07001"


def test_a_user_without_a_password_does_not_log_in_with_any(server: ServerProcess, root: Client) -> None:
    root.do("CREATE USER 'silent'")
    assert not any(logs_in(server, "silent", password) for password in ("", "x", "None"))
    root.do("ALTER USER 'silent' PASSWORD 'x'")
    assert logs_in(server, "silent", "x")
    root.do("ALTER USER 'silent' PASSWORD NULL")
    assert not logs_in(server, "silent", "x")


# --- tokens ----------------------------------------------------------------------------------------------------


def test_a_new_password_ends_all_tokens_but_that_of_who_set_it(server: ServerProcess, people: People) -> None:
    mine, other = people.connect("user"), people.connect("user")
    me = people.name("user")
    mine.do(f"ALTER USER '{me}' PASSWORD '{SECRET}'")
    assert mine.value("SELECT 1 AS one") == 1
    assert other.sqlstate("SELECT 1 AS one") == "28000"
    assert logs_in(server, me, SECRET)
    assert not logs_in(server, me, people.password("user"))
    people.root.do(f"ALTER USER '{me}' PASSWORD '{people.password('user')}'")
    assert mine.sqlstate("SELECT 1 AS one") == "28000"


def test_a_dropped_user_is_out_at_the_next_call_and_old_tokens_stay_void(server: ServerProcess, root: Client) -> None:
    root.do(f"CREATE USER 'gone' WITH PASSWORD '{SECRET}'")
    with server.connect(user="gone", password=SECRET) as connection:
        client = Client(connection)
        assert client.value("SELECT 1 AS one") == 1
        root.do("DROP USER gone")
        assert client.sqlstate("SELECT 1 AS one") == "28000"
        root.do("UNDROP USER gone")
        assert client.sqlstate("SELECT 1 AS one") == "28000"
    assert logs_in(server, "gone", SECRET)


def test_everybody_changes_their_own_password_and_nobody_their_role(people: People) -> None:
    for role in ("user", "service"):
        client, me = people.connect(role), people.name(role)
        client.do(f"ALTER USER '{me}' EMAIL '{me}@example.com'")
        assert client.rows(f"SELECT email FROM system.users WHERE \"user\" = '{me}'") == [(f"{me}@example.com",)]
        assert client.sqlstate(f"ALTER USER '{me}' ROLE dba") == "42501"
        assert client.sqlstate(f"ALTER USER '{me}' EMAIL 'x' ROLE {role}") == "42501"
        assert client.sqlstate(f"ALTER USER '{people.name('bystander')}' EMAIL 'x'") == "42501"
        assert client.sqlstate("ALTER USER 'nobody' EMAIL 'x'") == "42501"


# --- dba and system --------------------------------------------------------------------------------------------


def test_a_dba_manages_everybody_but_the_system_role(people: People) -> None:
    dba, system = people.connect("dba"), people.name("system")
    for sql in (
        f"ALTER USER '{system}' PASSWORD 'x'",
        f"ALTER USER '{system}' ROLE user",
        f"DROP USER '{system}'",
        "ALTER USER 'root' PASSWORD 'x'",
        "CREATE USER 'king' ROLE system",
        f"ALTER USER '{people.name('dba')}' ROLE system",
        f"EXECUTE AS USER '{system}' (SELECT 1 AS one)",
        "EXECUTE AS USER 'root' (CREATE USER 'king' ROLE system)",
    ):
        assert dba.sqlstate(sql) == "42501", sql
    people.root.do(f"DROP USER '{system}'")
    assert dba.sqlstate(f"UNDROP USER '{system}'") == "42501"
    people.root.do(f"UNDROP USER '{system}'")
    dba.do("CREATE USER 'vice' ROLE dba; DROP USER 'vice'")
    assert dba.sqlstate(f"DROP USER '{people.name('dba')}'") == "2BP01"


def test_the_role_system_is_for_this_machine_only(tmp_path: Path) -> None:
    """A host of this machine that is not loopback stands for another machine: gRPC tells the same of it."""
    host = next((address for address in own_addresses() if not address.startswith("127.")), None)
    if host is None:
        pytest.skip("this machine has no address but loopback")
    conf = tmp_path / "conf.toml"
    for remote in (False, True):
        conf.write_text(
            f"[server]\nhost = '{host}'\ninsecure = true\n[access]\nsystem_role_remote = {str(remote).lower()}\n"
        )
        with ServerProcess(tmp_path / "data", "--config", str(conf)) as process:
            if remote:
                with process.connect() as connection:
                    Client(connection).do("CREATE USER 'far' WITH PASSWORD 'x' ROLE dba")
                continue
            with process.connect() as connection:
                assert Client(connection).sqlstate("SELECT 1 AS one") == "42501"
    conf.write_text(f"[server]\nhost = '{host}'\ninsecure = true\n")
    with ServerProcess(tmp_path / "data", "--config", str(conf)) as process:
        assert logs_in(process, "far", "x")


def own_addresses() -> list[str]:
    """IPv4 addresses of this machine, by its name and by the way out (nothing is sent)."""
    found: list[str] = []
    try:
        found += [str(info[4][0]) for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))
            found.append(probe.getsockname()[0])
    except OSError:
        pass
    return found


# --- what is written -------------------------------------------------------------------------------------------


def test_the_audit_log_has_both_names_and_what_was_done(server: ServerProcess, people: People) -> None:
    root, service, user = people.root, people.connect("service"), people.name("user")
    root.do(f"CREATE USER 'mark' WITH PASSWORD '{SECRET}'; ALTER USER 'mark' ROLE dba")
    root.do("CREATE TABLE marked (a INT); GRANT SELECT ON marked TO 'mark'; REVOKE SELECT ON marked FROM 'mark'")
    root.do("ALTER TABLE marked ADD COLUMN b INT; DROP TABLE marked; DROP USER 'mark'; UNDROP USER 'mark'")
    root.do("DROP TABLE IF EXISTS marked; CREATE USER IF NOT EXISTS 'mark'")  # change nothing, leave nothing
    service.rows(f"EXECUTE AS USER '{user}' (SELECT 1 AS marked)")
    assert not logs_in(server, "mark", "wrong")
    dba = Client(people._stack.enter_context(server.connect(user="mark", password=SECRET)), people.namespace)
    dba.do(f"EXECUTE AS USER '{people.name('dba')}' (CREATE NAMESPACE marked_space)")
    table = f"{people.namespace}.marked"
    assert events(root, "mark") == [
        ("root", None, "CREATE USER", "mark"),
        ("root", None, "ALTER USER", "mark"),
        ("root", None, "CREATE TABLE", table),
        ("root", None, "GRANT", table),
        ("root", None, "REVOKE", table),
        ("root", None, "ALTER TABLE", table),
        ("root", None, "DROP TABLE", table),
        ("root", None, "DROP USER", "mark"),
        ("root", None, "UNDROP USER", "mark"),
        (people.name("service"), user, "EXECUTE AS", user),
        ("mark", None, "LOGIN FAILED", ""),
        ("mark", people.name("dba"), "EXECUTE AS", people.name("dba")),
        ("mark", people.name("dba"), "CREATE NAMESPACE", "marked_space"),
    ]


def test_a_kill_is_written_down(people: People) -> None:
    running = people.wire("user").query("SELECT count(*) AS killed_one FROM generate_series(1, 5)")
    assert running.endpoints
    dba = people.connect("dba")
    sql = "SELECT query_id, \"user\" FROM system.queries WHERE text LIKE '%killed_one%' AND state = 'planned'"
    [(query_id, owner)] = dba.rows(sql)
    assert owner == people.name("user")
    assert people.connect("service").sqlstate(f"KILL QUERY '{query_id}'") == "42704"
    dba.do(f"KILL QUERY '{query_id}'")
    assert events(people.root, query_id) == [(people.name("dba"), None, "KILL QUERY", f"{query_id} of {owner}")]


def test_a_killed_job_is_written_down_and_one_that_is_not_there_is_not(people: People) -> None:
    people.root.do("CREATE TABLE jobbed (a INT); INSERT INTO jobbed VALUES (1)")
    dba = people.connect("dba")
    [job] = dba.rows("FLUSH TABLE jobbed")
    with suppress(Refused):  # it may have ended already
        dba.rows(f"KILL JOB '{job[0]}'")
        assert (people.name("dba"), None, "KILL JOB", job[0]) in events(people.root, job[0])
    assert dba.sqlstate("KILL JOB 'FL-never'") == "42704"
    assert events(people.root, "FL-never") == []


def test_an_unknown_name_is_not_written_down(server: ServerProcess, root: Client) -> None:
    """People type their password into the wrong field."""
    assert not logs_in(server, SECRET, "x")
    assert events(root, SECRET) == []
    last = root.rows(
        "SELECT \"user\", detail FROM system.audit_log WHERE action = 'LOGIN FAILED' ORDER BY at DESC LIMIT 1"
    )
    assert last == [("", "unknown user")]


@pytest.mark.parametrize("role", ["user", "service"])
def test_others_see_only_their_own_business(people: People, role: str) -> None:
    root, me = people.root, people.name(role)
    root.do("CREATE TABLE IF NOT EXISTS business (a INT)")
    root.do(f"GRANT SELECT ON business TO '{me}', '{people.name('bystander')}'")
    root.rows("SELECT 'of root' AS text")
    client = people.connect(role)
    for table in ("queries", "sessions", "users", "grants"):
        assert {row[0] for row in client.rows(f'SELECT DISTINCT "user" FROM system.{table}')} == {me}, table
        assert len(root.rows(f'SELECT DISTINCT "user" FROM system.{table}')) > 1
    assert {row[0] for row in client.rows("SHOW USERS")} == {me}
    assert (
        {row[0] for row in client.rows("SHOW GRANTS")}
        == {me}
        == {row[0] for row in client.rows(f"SHOW GRANTS FOR '{me}'")}
    )
    assert client.sqlstate(f"SHOW GRANTS FOR '{people.name('bystander')}'") == "42501"
    assert client.sqlstate("SHOW GRANTS FOR 'nobody'") == "42501"
    for table in ("audit_log", "settings"):
        assert client.sqlstate(f"SELECT * FROM system.{table}") == "42P01"
        assert table not in str(client.connection.adbc_get_objects(depth="tables").read_all().to_pylist())
    assert client.rows("SELECT DISTINCT status FROM system.jobs WHERE target = 'database'") == []


# --- secrets ---------------------------------------------------------------------------------------------------


def test_no_password_and_no_hash_is_ever_shown(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as process:
        with process.connect() as connection:
            root = Client(connection)
            statements = [
                f"CREATE USER 'ann' WITH PASSWORD '{SECRET}'",
                f"CREATE USER 'ann' WITH PASSWORD '{SECRET}'",  # refused: it exists
                f"ALTER USER 'ann' PASSWORD '{SECRET}' ROLL dba",  # a syntax error
                f"ALTER USER 'nobody' PASSWORD '{SECRET}'",
                f"EXECUTE AS USER 'root' (ALTER USER 'ann' PASSWORD '{SECRET}')",
                f"SELECT 1; ALTER USER 'ann' SET PASSWORD '{SECRET}'",
                f"CREATE USER 'bob' WITH '{SECRET}'",
                f"ALTER USER 'ann' PASSWORD {SECRET.replace(' ', '_')}",
            ]
            for sql in statements:
                with suppress(Refused):
                    root.do(sql)
            shown = "".join(
                str(root.rows(f"SELECT * FROM system.{name}"))
                for name in ("queries", "audit_log", "users", "grants", "settings", "sessions", "jobs")
            )
            shown += str(root.rows("SHOW USERS")) + str(root.rows("SHOW ALL"))
        with pytest.raises(Error), process.connect(user="ann", password="wrong " + SECRET) as connection:
            Client(connection).rows("SELECT 1 AS one")
        process.stop()
        shown += json.dumps(process.stderr) + json.dumps(process.stdout)
    assert process.root_password is not None
    for secret in (SECRET, SECRET.replace(" ", "_"), "$argon2", process.root_password):
        assert secret not in shown
    stored = b"".join(path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file())
    assert SECRET.encode() not in stored


# --- restart ---------------------------------------------------------------------------------------------------


def test_users_grants_and_the_audit_log_outlive_a_crash(tmp_path: Path) -> None:
    with ServerProcess(tmp_path / "data") as process:
        with process.connect() as connection:
            root = Client(connection)
            root.do(f"CREATE TABLE t (a INT); CREATE USER 'ann' WITH PASSWORD '{SECRET}'; GRANT SELECT ON t TO ann")
            root.do("CREATE USER 'bob'; DROP USER 'bob'")
            before = root.rows("SHOW USERS"), root.rows("SHOW GRANTS"), root.rows("SELECT * FROM system.audit_log")
        process.kill()
        process.start()
        process._lines.queue.clear()
        process.wait_ready()
        with process.connect() as connection:
            root = Client(connection)
            after = root.rows("SHOW USERS"), root.rows("SHOW GRANTS"), root.rows("SELECT * FROM system.audit_log")
            assert after == before
            root.do("UNDROP USER 'bob'")
        with process.connect(user="ann", password=SECRET) as connection:
            assert Client(connection).rows("SELECT * FROM t") == []


def test_after_the_grace_period_a_dropped_user_is_gone_for_good(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with ServerProcess(data) as process:
        with process.connect() as connection:
            Client(connection).do("CREATE TABLE t (a INT); CREATE USER 'old'; CREATE USER 'young'")
            Client(connection).do("GRANT SELECT ON t TO 'old', 'young'; DROP USER 'old'; DROP USER 'young'")
        process.stop()
    age(data, "old", days=8)
    with ServerProcess(data) as process, process.connect() as connection:
        root = Client(connection)
        assert [row[0] for row in root.rows("SHOW USERS")] == ["root", "young"]
        assert [row[0] for row in root.rows("SHOW GRANTS")] == ["young"]
        assert root.sqlstate("UNDROP USER 'old'") == "42704"
        root.do("CREATE USER 'old'")
        assert root.rows("SHOW GRANTS FOR 'old'") == []
