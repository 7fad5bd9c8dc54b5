package checks;

import static checks.Expect.equal;
import static checks.Expect.that;

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.Statement;
import java.sql.Types;
import java.util.List;

/** Rows and what is told of their columns. */
final class Results {
  private static final String TABLE =
      "CREATE TABLE IF NOT EXISTS shown (id BIGINT PRIMARY KEY, name VARCHAR, price DECIMAL(12, 3), ok BOOLEAN, "
          + "day DATE, at TIME, made TIMESTAMP, seen TIMESTAMP WITH TIME ZONE, raw BYTEA, score DOUBLE, small SMALLINT)";

  private final Server server;

  Results(Server server) {
    this.server = server;
  }

  @Check
  void columnsAreDescribed() throws Exception {
    try (Connection connection = server.connect()) {
      Server.run(connection, TABLE);
      Server.run(connection, "INSERT INTO shown (id) VALUES (1) ON CONFLICT DO NOTHING");
      try (Statement statement = connection.createStatement();
          ResultSet rows = statement.executeQuery("SELECT *, id + 1 AS next FROM shown")) { // without rows it lists all twice
        ResultSetMetaData of = rows.getMetaData();
        equal(12, of.getColumnCount(), "columns");
        described(of, 1, "id", Types.BIGINT);
        described(of, 2, "name", Types.VARCHAR);
        described(of, 3, "price", Types.DECIMAL);
        described(of, 4, "ok", Types.BOOLEAN);
        described(of, 5, "day", Types.DATE);
        described(of, 6, "at", Types.TIME);
        described(of, 7, "made", Types.TIMESTAMP);
        described(of, 8, "seen", Tree.zoned(connection.getMetaData()));
        described(of, 9, "raw", Types.VARBINARY);
        described(of, 10, "score", Types.DOUBLE);
        described(of, 11, "small", Types.SMALLINT);
        described(of, 12, "next", Types.BIGINT);
        equal(12, of.getPrecision(3), "digits of price");
        equal(3, of.getScale(3), "decimals of price");
        that(!of.isAutoIncrement(1), "auto-increment of id");
        that(of.isSearchable(1), "id is searchable");
        that(of.isCaseSensitive(2), "name is case-sensitive");
        that(!of.isCaseSensitive(1), "id is case-sensitive");
      }
    }
  }

  private static void described(ResultSetMetaData of, int place, String name, int type) throws Exception {
    equal(name, of.getColumnName(place), "name of column " + place);
    equal(name, of.getColumnLabel(place), "label of column " + place);
    equal(type, of.getColumnType(place), "type of " + name);
    that(!of.getColumnTypeName(place).isEmpty(), "type name of " + name);
  }

  @Check
  void everyTypeCanBeRead() throws Exception {
    String sql =
        "SELECT true AS a, CAST(1 AS TINYINT) AS b, CAST(2 AS SMALLINT) AS c, CAST(3 AS INTEGER) AS d, "
            + "CAST(4 AS BIGINT) AS e, CAST(5.5 AS REAL) AS f, CAST(6.5 AS DOUBLE) AS g, "
            + "CAST(7.25 AS DECIMAL(9, 2)) AS h, 'eight' AS i, CAST('nine' AS BYTEA) AS j, "
            + "CAST(60000 AS SMALLINT UNSIGNED) AS k, CAST(4000000000 AS BIGINT UNSIGNED) AS l, NULL AS m";
    try (Connection connection = server.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      that(row.next(), "no row");
      equal(true, row.getBoolean("a"), "BOOLEAN");
      equal((byte) 1, row.getByte("b"), "TINYINT");
      equal((short) 2, row.getShort("c"), "SMALLINT");
      equal(3, row.getInt("d"), "INTEGER");
      equal(4L, row.getLong("e"), "BIGINT");
      equal(5.5f, row.getFloat("f"), "REAL");
      equal(6.5, row.getDouble("g"), "DOUBLE");
      equal(new BigDecimal("7.25"), row.getBigDecimal("h"), "DECIMAL");
      equal("eight", row.getString("i"), "VARCHAR");
      equal("nine", new String(row.getBytes("j"), "UTF-8"), "BYTEA");
      equal(60_000, row.getInt("k"), "SMALLINT UNSIGNED"); // of one byte and of four the driver makes negative numbers
      equal(4_000_000_000L, row.getLong("l"), "BIGINT UNSIGNED");
      equal(null, row.getObject("m"), "NULL");
      equal("4", row.getString("e"), "a number as text");
    }
  }

  @Check
  void nestedValuesCanBeRead() throws Exception {
    String sql = "SELECT make_array(1, 2, 3) AS list, struct(1, 'two') AS pair, MAP {'k': 1} AS map";
    try (Connection connection = server.connect();
        Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      that(row.next(), "no row");
      equal(List.of(1L, 2L, 3L), List.of((Object[]) row.getArray("list").getArray()), "list");
      equal(Types.ARRAY, row.getMetaData().getColumnType(1), "type of the list");
      that(row.getObject("pair").toString().contains("two"), "struct " + row.getObject("pair"));
      that(row.getObject("map").toString().contains("k"), "map " + row.getObject("map"));
    }
  }

  @Check
  void aResultWithoutRowsHasColumns() throws Exception {
    try (Connection connection = server.connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery("SELECT 1 AS one WHERE false")) {
      equal("one", rows.getMetaData().getColumnName(1), "column");
      that(!rows.next(), "a row");
    }
  }

  @Check
  void showAndDescribeGiveRows() throws Exception {
    try (Connection connection = server.connect()) {
      Server.run(connection, TABLE);
      try (Statement statement = connection.createStatement();
          ResultSet rows = statement.executeQuery("SHOW TABLES")) {
        that(Server.column(rows, 2).contains("shown"), "SHOW TABLES");
      }
      equal(11, Server.column(connection, "DESCRIBE shown").size(), "columns of DESCRIBE");
    }
  }

  @Check
  void maxRowsIsHonoured() throws Exception {
    try (Connection connection = server.connect();
        Statement statement = connection.createStatement()) {
      statement.setMaxRows(5);
      try (ResultSet rows = statement.executeQuery("SELECT value FROM generate_series(1, 100)")) {
        equal(5, Server.column(rows, 1).size(), "rows");
      }
    }
  }
}
