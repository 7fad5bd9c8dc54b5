"""information_schema as tools read it: PostgreSQL's columns in its order, facts of each type, and their own queries."""

from __future__ import annotations

import pytest

from tests.support.sql_client import Client

TYPES = {
    # column type -> maximum length, octets, precision, radix, scale, datetime precision, udt_name
    "BIGINT": (None, None, 64, 2, 0, None, "int8"),
    "INTEGER": (None, None, 32, 2, 0, None, "int4"),
    "SMALLINT": (None, None, 16, 2, 0, None, "int2"),
    "TINYINT": (None, None, 8, 2, 0, None, "int1"),
    "INTEGER UNSIGNED": (None, None, 32, 2, 0, None, "uint4"),
    "REAL": (None, None, 24, 2, None, None, "float4"),
    "DOUBLE": (None, None, 53, 2, None, None, "float8"),
    "DECIMAL(10, 2)": (None, None, 10, 10, 2, None, "numeric"),
    "VARCHAR": (None, None, None, None, None, None, "varchar"),
    "VARCHAR(9)": (9, 36, None, None, None, None, "varchar"),
    "CHAR(3)": (3, 12, None, None, None, None, "bpchar"),
    "BYTEA": (None, None, None, None, None, None, "bytea"),
    "BINARY(4)": (4, 4, None, None, None, None, "bytea"),
    "VARBINARY(5)": (5, 5, None, None, None, None, "bytea"),
    "BOOLEAN": (None, None, None, None, None, None, "bool"),
    "DATE": (None, None, None, None, None, 0, "date"),
    "TIME": (None, None, None, None, None, 6, "time"),
    "TIME(0)": (None, None, None, None, None, 0, "time"),
    "TIMESTAMP": (None, None, None, None, None, 6, "timestamp"),
    "TIMESTAMP(3) WITH TIME ZONE": (None, None, None, None, None, 3, "timestamptz"),
    "TIMESTAMP(9)": (None, None, None, None, None, 9, "timestamp"),
    "INTERVAL": (None, None, None, None, None, 9, "interval"),
    "UUID": (None, None, None, None, None, None, "uuid"),
    "JSON": (None, None, None, None, None, None, "json"),
    "BIGINT[]": (None, None, None, None, None, None, "_int8"),
    "VARCHAR[]": (None, None, None, None, None, None, "_varchar"),
    "STRUCT<a INTEGER>": (None, None, None, None, None, None, "record"),
    "MAP<VARCHAR, INTEGER>": (None, None, None, None, None, None, "map"),
}
FACTS = (
    "character_maximum_length, character_octet_length, numeric_precision, numeric_precision_radix, numeric_scale, "
    "datetime_precision, udt_name"
)
COLUMNS = """
    table_catalog table_schema table_name column_name ordinal_position column_default is_nullable data_type
    character_maximum_length character_octet_length numeric_precision numeric_precision_radix numeric_scale
    datetime_precision interval_type interval_precision character_set_catalog character_set_schema
    character_set_name collation_catalog collation_schema collation_name domain_catalog domain_schema domain_name
    udt_catalog udt_schema udt_name scope_catalog scope_schema scope_name maximum_cardinality dtd_identifier
    is_self_referencing is_identity identity_generation identity_start identity_increment identity_maximum
    identity_minimum identity_cycle is_generated generation_expression is_updatable
"""
TABLES = """
    table_catalog table_schema table_name table_type self_referencing_column_name reference_generation
    user_defined_type_catalog user_defined_type_schema user_defined_type_name is_insertable_into is_typed
    commit_action
"""


def _named(client: Client, view: str) -> list[str]:
    return client.table(f"SELECT * FROM information_schema.{view} LIMIT 0").column_names


@pytest.mark.parametrize("sql_type", TYPES)
def test_the_facts_of_each_type(client: Client, sql_type: str):
    client.do(f"CREATE TABLE t (c {sql_type})")
    mine = f"FROM information_schema.columns WHERE table_schema = '{client.namespace}'"
    assert client.rows(f"SELECT {FACTS} {mine} AND table_name = 't'") == [TYPES[sql_type]]
    has_collation = sql_type.startswith(("VARCHAR", "CHAR")) and not sql_type.endswith("]")
    assert client.value(f"SELECT collation_name {mine}") == ("C" if has_collation else None)


@pytest.mark.parametrize(
    ("view", "columns", "more"), [("columns", COLUMNS, "column_comment"), ("tables", TABLES, "table_comment")]
)
def test_columns_are_postgresqls_in_its_order(client: Client, view: str, columns: str, more: str):
    found = _named(client, view)
    assert found[-1] == more
    assert found[:-1] == [name for name in columns.split() if name in found]
    assert len(found) > len(columns.split()) - 8  # those of identity columns may be missing


def test_other_views_have_what_tools_read(client: Client):
    assert _named(client, "schemata")[:3] == ["catalog_name", "schema_name", "schema_owner"]
    assert _named(client, "views")[3:6] == ["view_definition", "check_option", "is_updatable"]
    assert client.rows("SELECT collation_name FROM information_schema.collations") == [("C",)]
    assert client.rows("SELECT character_set_name FROM information_schema.character_sets") == [("UTF8",)]
    assert client.rows("SELECT * FROM information_schema.information_schema_catalog_name") == [("frostline",)]
    for empty in ("parameters", "triggers"):
        assert client.rows(f"SELECT * FROM information_schema.{empty}") == []


def test_routines_are_the_functions(client: Client):
    found = client.rows(
        "SELECT specific_name, routine_name FROM information_schema.routines WHERE routine_type = 'FUNCTION'"
    )
    assert len({name for name, _ in found}) == len(found)
    assert {"upper", "sum", "rank", "generate_series"} <= {name for _, name in found}
    assert client.sqlstate("INSERT INTO information_schema.routines (routine_name) VALUES ('f')") == "42809"


def test_tables_and_columns_say_what_may_be_done_and_what_was_remarked(client: Client):
    client.do(
        "CREATE TABLE t (a INT); CREATE STREAM TABLE s (a INT) WITH (retention = '1h'); CREATE VIEW v AS SELECT 1 AS a"
    )
    client.do("COMMENT ON TABLE t IS 'of t'; COMMENT ON COLUMN t.a IS 'of a'; COMMENT ON VIEW v IS 'of v'")
    mine = f"WHERE table_schema = '{client.namespace}' ORDER BY table_name"
    assert client.rows(
        f"SELECT table_name, is_insertable_into, table_comment FROM information_schema.tables {mine}"
    ) == [
        ("s", "YES", ""),
        ("t", "YES", "of t"),
        ("v", "NO", "of v"),
    ]
    assert client.rows(f"SELECT table_name, is_updatable, column_comment FROM information_schema.columns {mine}") == [
        ("s", "NO", ""),
        ("t", "YES", "of a"),
        ("v", "NO", ""),
    ]


TOOLS = {
    "dbt lists relations": """
        select table_catalog as database, table_name as name, table_schema as schema,
          CASE table_type WHEN 'BASE TABLE' THEN 'table' WHEN 'VIEW' THEN 'view'
            WHEN 'LOCAL TEMPORARY' THEN 'table' END as table_type
        from information_schema.tables
        where lower(table_schema) = '{n}' and lower(table_catalog) = 'frostline'
    """,
    "dbt reads columns": """
        select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale
        from information_schema.columns
        where table_name = 't' and lower(table_schema) = lower('{n}') and lower(table_catalog) = 'frostline'
        order by ordinal_position
    """,
    "dbt makes its catalog": """
        with relations AS (
          select t.table_name, t.table_catalog as database_name, t.table_schema as schema_name,
            'LOCAL' as table_database,
            CASE t.table_type WHEN 'BASE TABLE' THEN 'BASE TABLE' WHEN 'VIEW' THEN 'VIEW' END as table_type,
              '' as table_comment
          from information_schema.tables t where table_schema in ('{n}')
        )
        select r.database_name as table_database, r.schema_name as table_schema, r.table_name, r.table_type,
          r.table_comment,
          c.column_name, c.ordinal_position as column_index, c.data_type as column_type, NULL as column_comment,
            NULL as table_owner
        from information_schema.columns c JOIN relations r ON r.schema_name = c.table_schema
          AND r.table_name = c.table_name
        where c.table_schema = '{n}'
        ORDER BY r.table_name, column_index
    """,
    "Metabase reads fields": """
        SELECT "c"."column_name" AS "name", "c"."udt_name" AS "database-type",
          "c"."ordinal_position" - 1 AS "database-position",
          "c"."table_schema" AS "table-schema", "c"."table_name" AS "table-name",
            "pk"."column_name" IS NOT NULL AS "pk?",
          (("column_default" IS NULL) OR (LOWER("column_default") = 'null'))
            AND ("is_nullable" = 'NO') AS "database-required",
          "c"."is_generated" <> 'NEVER' AS "generated?"
        FROM "information_schema"."columns" AS "c"
        LEFT JOIN (SELECT "tc"."table_schema", "tc"."table_name", "kc"."column_name"
          FROM "information_schema"."table_constraints" AS "tc"
          INNER JOIN "information_schema"."key_column_usage" AS "kc"
            ON ("tc"."constraint_name" = "kc"."constraint_name")
            AND ("tc"."table_schema" = "kc"."table_schema") AND ("tc"."table_name" = "kc"."table_name")
          WHERE "tc"."constraint_type" = 'PRIMARY KEY') AS "pk"
          ON ("c"."table_schema" = "pk"."table_schema") AND ("c"."table_name" = "pk"."table_name")
            AND ("c"."column_name" = "pk"."column_name")
        WHERE c.table_schema !~ '^information_schema|catalog_history|pg_' AND ("c"."table_schema" IN ('{n}'))
        ORDER BY "table-schema" ASC, "table-name" ASC, "database-position" ASC
    """,
    "Tableau lists tables": """
        SELECT "TABLES".table_catalog, "TABLES".table_schema, "TABLES".table_name, "TABLES".table_type
        FROM INFORMATION_SCHEMA.TABLES AS "TABLES"
        WHERE table_type IN ('BASE TABLE', 'VIEW', 'LOCAL TEMPORARY') AND table_schema = '{n}'
        ORDER BY table_schema, table_name
    """,
    "Tableau reads columns": """
        SELECT column_name, ordinal_position, is_nullable, data_type, character_maximum_length, numeric_precision,
          numeric_precision_radix, numeric_scale, datetime_precision, interval_type, collation_name
        FROM information_schema.columns WHERE table_catalog = current_database() AND table_schema = '{n}'
          AND table_name = 't'
    """,
    "jOOQ reads columns": """
        select "information_schema"."columns"."column_name", "information_schema"."columns"."ordinal_position",
          "information_schema"."columns"."data_type", "information_schema"."columns"."udt_schema",
          coalesce("information_schema"."columns"."character_maximum_length", 0) as "length",
          coalesce("information_schema"."columns"."numeric_precision",
            "information_schema"."columns"."datetime_precision", 0) as "precision",
          coalesce("information_schema"."columns"."numeric_scale", 0) as "scale",
          case when "information_schema"."columns"."is_nullable" = 'YES' then true else false end as "nullable",
          "information_schema"."columns"."generation_expression", "information_schema"."columns"."column_default"
        from "information_schema"."columns"
        where ("information_schema"."columns"."table_schema" in ('{n}')
          and "information_schema"."columns"."table_name" = 't')
        order by "information_schema"."columns"."ordinal_position" offset 0 rows fetch next 100 rows only
    """,
    "jOOQ lists routines": """
        select r1.routine_schema, r1.routine_name, r1.specific_name, r1.data_type, p.parameter_name,
          p.ordinal_position
        from information_schema.routines r1 left outer join information_schema.parameters p
          on (r1.specific_schema, r1.specific_name) = (p.specific_schema, p.specific_name)
        where r1.routine_schema in ('{n}') or r1.routine_name = 'upper'
    """,
    "Hibernate lists schemata": """select schema_name, catalog_name, default_character_set_name
      from information_schema.schemata where schema_name = '{n}'""",
}


@pytest.mark.parametrize("query", TOOLS.values(), ids=TOOLS.keys())
def test_the_queries_of_tools_are_answered(client: Client, query: str):
    client.do(
        "CREATE TABLE t (id BIGINT PRIMARY KEY, s VARCHAR(9) DEFAULT 'x', d DECIMAL(5, 2) NOT NULL, at TIMESTAMP)"
    )
    client.do("CREATE VIEW v AS SELECT id, s FROM t")
    assert client.rows(query.format(n=client.namespace)) != []
