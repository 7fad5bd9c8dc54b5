"""Who may do what to the rows of a table: role x kind of statement x access level."""

from __future__ import annotations

from tests.support.people import NamedPeople
from tests.support.sql_client import Client, Refused

LEVELS = ("public", "private", "restricted")
OK, DENIED, HIDDEN = "", "42501", "42P01"
ALL = "SIUD"
# S(elect), I(nsert), U(pdate), D(elete) without a grant.
BY_ROLE = {
    "public": {"user": "S", "service": ALL, "dba": ALL, "system": ALL},
    "private": {"user": "", "service": ALL, "dba": ALL, "system": ALL},
    "restricted": {"user": "", "service": "", "dba": ALL, "system": ALL},
}
# Statement -> what it needs on table {t}. They change nothing, or what no other one looks at.
ON_ROWS = {
    "SELECT count(*) AS n FROM {t}": "S",
    "SELECT 1 AS one WHERE EXISTS (SELECT * FROM {t})": "S",
    "WITH x AS (SELECT * FROM {t}) SELECT count(*) AS n FROM x": "S",
    "EXPLAIN SELECT * FROM {t}": "S",
    "DESCRIBE SELECT * FROM {t}": "S",
    "SELECT count(*) AS n FROM {t} FOR SYSTEM_TIME AS OF TIMESTAMP '2126-01-01'": "S",
    "INSERT INTO {t} VALUES (1, 1)": "I",
    "INSERT INTO {t} (a) SELECT a FROM {t} WHERE false": "IS",
    "INSERT INTO {t} VALUES (2, 2) RETURNING a": "IS",
    "UPDATE {t} SET a = a WHERE false": "US",
    "DELETE FROM {t} WHERE false": "DS",
    "DELETE FROM {t} WHERE false RETURNING a": "DS",
    "MERGE INTO {t} USING (VALUES (9)) AS s (a) ON false WHEN NOT MATCHED THEN INSERT (a) VALUES (9)": "IS",
    "MERGE INTO {t} USING (VALUES (9)) AS s (a) ON {b}.a = s.a AND false WHEN MATCHED THEN DELETE": "DS",
    "TRUNCATE {t}": "DS",
}
# For everyone who has any right on the table.
LOOKS = (
    "DESCRIBE {t}",
    "SHOW COLUMNS FROM {t}",
    "SHOW CREATE TABLE {t}",
    "SHOW STATS FOR TABLE {t}",
    "DESCRIBE {t} HISTORY",
)


def filled(people: NamedPeople, template: str, table: str) -> str:
    values = {
        "{t}": f"{people.namespace}.{table}",
        "{s}": people.namespace,
        "{b}": table,
        "{u}": people.name("bystander"),
    }
    for name, value in values.items():
        template = template.replace(name, value)
    return template


def prepared(client: Client, sql: str) -> str:
    """The SQLSTATE that preparing and running ends in; "" when it does not fail."""
    try:
        client.table(sql) if sql.startswith(("SELECT", "EXPLAIN", "WITH")) else client.do(sql)
    except Refused as refused:
        return refused.sqlstate
    return OK


def expected(needed: str, rights: str) -> str:
    if not rights:
        return HIDDEN
    return OK if set(needed) <= set(rights) else DENIED
