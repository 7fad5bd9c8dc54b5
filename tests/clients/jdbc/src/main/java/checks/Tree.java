package checks;

import static checks.Expect.equal;
import static checks.Expect.that;

import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Types;
import java.util.List;

/** The tree that a tool like DBeaver shows: catalogs, namespaces, tables, columns, keys. */
final class Tree {
  private final Server server;

  Tree(Server server) {
    this.server = server;
  }

  /** What is asked of a connection's metadata. */
  private interface Question {
    void ask(DatabaseMetaData of) throws SQLException;
  }

  private void asked(Question question) throws SQLException {
    try (Connection connection = server.connect()) {
      Server.run(connection, "CREATE NAMESPACE IF NOT EXISTS shop");
      Server.run(
          connection,
          "CREATE TABLE IF NOT EXISTS shop.items (id BIGINT, day DATE, name VARCHAR NOT NULL, price DECIMAL(12, 3) "
              + "DEFAULT 1, made TIMESTAMP WITH TIME ZONE, PRIMARY KEY (day, id))");
      Server.run(connection, "COMMENT ON COLUMN shop.items.price IS 'in euro'");
      Server.run(connection, "CREATE OR REPLACE VIEW shop.cheap AS SELECT id, name FROM shop.items WHERE price < 1");
      question.ask(connection.getMetaData());
    }
  }

  @Check
  void catalogsAreOne() throws Exception {
    asked(of -> {
      try (ResultSet rows = of.getCatalogs()) {
        equal(List.of("frostline"), Server.texts(rows, "TABLE_CAT"), "catalogs");
      }
    });
  }

  @Check
  void schemasAreListedAndFiltered() throws Exception {
    asked(of -> {
      try (ResultSet rows = of.getSchemas()) {
        List<String> names = Server.texts(rows, "TABLE_SCHEM");
        that(names.containsAll(List.of("information_schema", "public", "shop", "system")), "schemas " + names);
      }
      try (ResultSet rows = of.getSchemas("frostline", "sho%")) {
        that(rows.next(), "no schema like sho%");
        equal("shop", rows.getString("TABLE_SCHEM"), "schema");
        equal("frostline", rows.getString("TABLE_CATALOG"), "its catalog");
        that(!rows.next(), "more than one schema like sho%");
      }
      try (ResultSet rows = of.getSchemas("other", null)) {
        that(!rows.next(), "schemas in a catalog that is not there");
      }
    });
  }

  /** The driver says that unquoted names are stored in capitals, and Spring and Hibernate believe it. */
  @Check
  void namesInCapitalsAreFound() throws Exception {
    asked(of -> {
      try (ResultSet rows = of.getColumns(null, "SHOP", "ITEMS", null)) {
        equal(5, Server.texts(rows, "COLUMN_NAME").size(), "columns of SHOP.ITEMS");
      }
      try (ResultSet rows = of.getPrimaryKeys(null, "SHOP", "ITEMS")) {
        equal(List.of("day", "id"), Server.texts(rows, "COLUMN_NAME"), "key of SHOP.ITEMS");
      }
    });
  }

  @Check
  void tableTypesAreThree() throws Exception {
    asked(of -> {
      try (ResultSet rows = of.getTableTypes()) {
        equal(List.of("LOCAL TEMPORARY", "SYSTEM TABLE", "TABLE", "VIEW"), Server.texts(rows, "TABLE_TYPE"), "table types");
      }
    });
  }

  @Check
  void tablesAreListedAndFiltered() throws Exception {
    asked(of -> {
      try (ResultSet rows = of.getTables(null, "shop", "%", null)) {
        equal(List.of("cheap", "items"), Server.texts(rows, "TABLE_NAME"), "tables of shop");
      }
      try (ResultSet rows = of.getTables("frostline", "shop", null, new String[] {"VIEW"})) {
        that(rows.next(), "no view");
        equal("frostline", rows.getString("TABLE_CAT"), "catalog");
        equal("shop", rows.getString("TABLE_SCHEM"), "schema");
        equal("cheap", rows.getString("TABLE_NAME"), "name");
        equal("VIEW", rows.getString("TABLE_TYPE"), "type");
        that(!rows.next(), "more than one view");
      }
      try (ResultSet rows = of.getTables(null, "system", "jobs", new String[] {"SYSTEM TABLE"})) {
        equal(List.of("jobs"), Server.texts(rows, "TABLE_NAME"), "system tables");
      }
    });
  }

  @Check
  void columnsHaveTypesDigitsAndNullability() throws Exception {
    asked(of -> {
      try (ResultSet rows = of.getColumns("frostline", "shop", "items", null)) {
        column(rows, "id", Types.BIGINT, "BIGINT", "NO", 1);
        column(rows, "day", Types.DATE, "DATE", "NO", 2);
        column(rows, "name", Types.VARCHAR, "VARCHAR", "NO", 3);
        column(rows, "price", Types.DECIMAL, "DECIMAL", "YES", 4);
        equal(12, rows.getInt("COLUMN_SIZE"), "digits of price");
        equal(3, rows.getInt("DECIMAL_DIGITS"), "decimals of price");
        if (zoned(of) != Types.TIMESTAMP) { // from 18.3 on
          equal("in euro", rows.getString("REMARKS"), "comment on price");
        }
        column(rows, "made", zoned(of), "TIMESTAMP WITH TIME ZONE", "YES", 5);
        that(!rows.next(), "a sixth column");
      }
    });
  }

  /** Older drivers know no other timestamps than those without zone. */
  static int zoned(DatabaseMetaData of) throws SQLException {
    return of.getDriverVersion().compareTo("18.3") < 0 ? Types.TIMESTAMP : Types.TIMESTAMP_WITH_TIMEZONE;
  }

  private static void column(ResultSet rows, String name, int type, String typeName, String nullable, int place)
      throws SQLException {
    that(rows.next(), "no column " + name);
    equal(name, rows.getString("COLUMN_NAME"), "name");
    equal("frostline", rows.getString("TABLE_CAT"), "catalog of " + name);
    equal("shop", rows.getString("TABLE_SCHEM"), "schema of " + name);
    equal("items", rows.getString("TABLE_NAME"), "table of " + name);
    equal(type, rows.getInt("DATA_TYPE"), "type of " + name);
    equal(typeName, rows.getString("TYPE_NAME"), "type name of " + name);
    equal(nullable, rows.getString("IS_NULLABLE"), "nullability of " + name);
    equal(place, rows.getInt("ORDINAL_POSITION"), "place of " + name);
    equal("NO", rows.getString("IS_AUTOINCREMENT"), "auto-increment of " + name);
  }

  @Check
  void columnsOfViewsAndSystemTablesAreListed() throws Exception {
    asked(of -> {
      try (ResultSet rows = of.getColumns(null, "shop", "cheap", "%")) {
        equal(List.of("id", "name"), Server.texts(rows, "COLUMN_NAME"), "columns of the view");
      }
      try (ResultSet rows = of.getColumns(null, "system", "jobs", "job_id")) {
        equal(List.of("job_id"), Server.texts(rows, "COLUMN_NAME"), "columns of system.jobs");
      }
    });
  }

  @Check
  void allColumnsOfAllTablesAreListedAtOnce() throws Exception {
    asked(of -> {
      try (ResultSet rows = of.getColumns(null, null, null, null)) {
        that(Server.texts(rows, "COLUMN_NAME").size() > 50, "columns of everything");
      }
    });
  }

  @Check
  void primaryKeysComeInKeyOrder() throws Exception {
    asked(of -> {
      try (ResultSet rows = of.getPrimaryKeys("frostline", "shop", "items")) {
        for (String name : List.of("day", "id")) {
          that(rows.next(), "no key column " + name);
          equal(name, rows.getString("COLUMN_NAME"), "column");
          equal(name.equals("day") ? 1 : 2, rows.getInt("KEY_SEQ"), "place of " + name);
          equal("items_pkey", rows.getString("PK_NAME"), "name of the key");
        }
        that(!rows.next(), "a third key column");
      }
      try (ResultSet rows = of.getPrimaryKeys(null, "shop", "cheap")) {
        that(!rows.next(), "a view has a key");
      }
    });
  }

  @Check
  void foreignKeysAreNoneButCanBeAskedFor() throws Exception {
    asked(of -> {
      try (ResultSet imported = of.getImportedKeys("frostline", "shop", "items");
          ResultSet exported = of.getExportedKeys("frostline", "shop", "items");
          ResultSet crossed =
              of.getCrossReference("frostline", "shop", "items", "frostline", "shop", "items")) {
        for (ResultSet rows : List.of(imported, exported, crossed)) {
          that(!rows.next(), "a foreign key");
        }
      }
    });
  }

  @Check
  void whatTheDriverAnswersItselfIsEmptyAndNoError() throws Exception {
    asked(of -> {
      try (ResultSet index = of.getIndexInfo("frostline", "shop", "items", false, true);
          ResultSet procedures = of.getProcedures("frostline", "shop", "%");
          ResultSet parameters = of.getProcedureColumns("frostline", "shop", "%", "%");
          ResultSet functions = of.getFunctions("frostline", "shop", "%");
          ResultSet types = of.getTypeInfo();
          ResultSet userTypes = of.getUDTs("frostline", "shop", "%", null);
          ResultSet rowIds = of.getBestRowIdentifier("frostline", "shop", "items", 0, true);
          ResultSet versions = of.getVersionColumns("frostline", "shop", "items");
          ResultSet privileges = of.getTablePrivileges("frostline", "shop", "items");
          ResultSet columnPrivileges = of.getColumnPrivileges("frostline", "shop", "items", "%");
          ResultSet supers = of.getSuperTables("frostline", "shop", "%")) {
        for (ResultSet rows :
            List.of(
                index, procedures, parameters, functions, types, userTypes, rowIds, versions, privileges,
                columnPrivileges, supers)) {
          that(!rows.next(), "a row");
        }
      }
    });
  }
}
