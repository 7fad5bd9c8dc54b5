package checks;

import static checks.Expect.equal;
import static checks.Expect.refused;
import static checks.Expect.that;

import java.math.BigDecimal;
import java.sql.Connection;
import java.sql.Date;
import java.sql.ParameterMetaData;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.sql.Time;
import java.sql.Timestamp;
import java.sql.Types;
import java.util.List;

/** Values for placeholders. The driver converts nothing, so each place must ask for the right type. */
final class Parameters {
  private final Server server;

  Parameters(Server server) {
    this.server = server;
  }

  /** Sets the one parameter of a statement. */
  private interface Setter {
    void set(PreparedStatement statement) throws SQLException;
  }

  /** Writes a value by a parameter into a column of {@code type}, reads it back, and finds it by a parameter. */
  private void survives(String type, Object wanted, Setter setter) throws SQLException {
    try (Connection connection = server.connect()) {
      Server.run(connection, "CREATE OR REPLACE TABLE of_one_type (v " + type + ")");
      try (PreparedStatement insert = connection.prepareStatement("INSERT INTO of_one_type VALUES (?)")) {
        setter.set(insert);
        equal(1, insert.executeUpdate(), "rows inserted as " + type);
      }
      equal(wanted, only(connection, "SELECT v FROM of_one_type"), "the value of a column " + type);
      try (PreparedStatement find = connection.prepareStatement("SELECT count(*) FROM of_one_type WHERE v = ?")) {
        setter.set(find);
        try (ResultSet rows = find.executeQuery()) {
          that(rows.next(), "no row");
          equal(1L, rows.getLong(1), "rows found by a parameter " + type);
        }
      }
    }
  }

  private static Object only(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      that(rows.next(), "no row");
      return rows.getObject(1);
    }
  }

  @Check
  void booleansCanBeBound() throws Exception {
    survives("BOOLEAN", true, s -> s.setBoolean(1, true));
  }

  @Check
  void tinyintsCanBeBound() throws Exception {
    survives("TINYINT", (byte) -7, s -> s.setByte(1, (byte) -7));
  }

  @Check
  void smallintsCanBeBound() throws Exception {
    survives("SMALLINT", (short) -700, s -> s.setShort(1, (short) -700));
  }

  @Check
  void integersCanBeBound() throws Exception {
    survives("INTEGER", -70_000, s -> s.setInt(1, -70_000));
  }

  @Check
  void bigintsCanBeBound() throws Exception {
    survives("BIGINT", Long.MIN_VALUE, s -> s.setLong(1, Long.MIN_VALUE));
  }

  @Check
  void realsCanBeBound() throws Exception {
    survives("REAL", 1.5, s -> s.setFloat(1, 1.5f));
  }

  @Check
  void doublesCanBeBound() throws Exception {
    survives("DOUBLE", 0.1, s -> s.setDouble(1, 0.1));
  }

  @Check
  void decimalsCanBeBound() throws Exception {
    BigDecimal value = new BigDecimal("123456789.123");
    survives("DECIMAL(12, 3)", value, s -> s.setBigDecimal(1, value));
  }

  @Check
  void textsCanBeBound() throws Exception {
    survives("VARCHAR", "grün 'n' \"frost\" \u2744", s -> s.setString(1, "grün 'n' \"frost\" \u2744"));
  }

  @Check
  void bytesCanBeBound() throws Exception {
    byte[] value = {0, 1, -1, 127};
    survives("BYTEA", value, s -> s.setBytes(1, value));
  }

  @Check
  void datesCanBeBound() throws Exception {
    survives("DATE", Date.valueOf("2024-02-29"), s -> s.setDate(1, Date.valueOf("2024-02-29")));
  }

  @Check
  void timesCanBeBound() throws Exception {
    try (Connection connection = server.connect()) {
      Server.run(connection, "CREATE OR REPLACE TABLE of_times (v TIME)");
      try (PreparedStatement insert = connection.prepareStatement("INSERT INTO of_times VALUES (?)")) {
        insert.setTime(1, Time.valueOf("23:59:58"));
        equal(1, insert.executeUpdate(), "rows inserted");
      }
      equal("23:59:58", only(connection, "SELECT v FROM of_times").toString(), "the time");
      try (PreparedStatement find = connection.prepareStatement("SELECT count(*) FROM of_times WHERE v = ?")) {
        find.setTime(1, Time.valueOf("23:59:58"));
        try (ResultSet rows = find.executeQuery()) {
          equal(List.of(1L), Server.column(rows, 1), "rows found");
        }
      }
    }
  }

  @Check
  void timestampsCanBeBound() throws Exception {
    Timestamp value = Timestamp.valueOf("2024-02-29 23:59:58.123"); // the driver sends milliseconds
    survives("TIMESTAMP", value, s -> s.setTimestamp(1, value));
  }

  @Check
  void listsCanBeBound() throws Exception {
    try (Connection connection = server.connect()) {
      Server.run(connection, "CREATE OR REPLACE TABLE of_lists (v BIGINT[])");
      try (PreparedStatement insert = connection.prepareStatement("INSERT INTO of_lists VALUES (?)")) {
        insert.setArray(1, connection.createArrayOf("BIGINT", new Object[] {1L, 2L}));
        equal(1, insert.executeUpdate(), "rows inserted");
      }
      equal(2L, only(connection, "SELECT v[2] FROM of_lists"), "the second item");
    }
  }

  @Check
  void textsCanBeBoundToUuidsAndJson() throws Exception {
    String uuid = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
    survives("UUID", uuid, s -> s.setString(1, uuid));
    survives("JSON", "{\"a\": 1}", s -> s.setString(1, "{\"a\": 1}"));
  }

  @Check
  void bytesOfAFixedNumberCanBeBound() throws Exception {
    byte[] value = {1, 2, 3, 4};
    survives("BINARY(4)", value, s -> s.setBytes(1, value));
  }

  @Check
  void unsignedNumbersCanBeBound() throws Exception {
    survives("TINYINT UNSIGNED", (byte) 7, s -> s.setByte(1, (byte) 7));
    survives("SMALLINT UNSIGNED", (short) 7, s -> s.setShort(1, (short) 7));
    survives("INTEGER UNSIGNED", 7, s -> s.setInt(1, 7));
    survives("BIGINT UNSIGNED", 7L, s -> s.setLong(1, 7L));
  }

  @Check
  void narrowerNumbersWidenAndOthersAreRefused() throws Exception {
    survives("BIGINT", 5L, s -> s.setInt(1, 5));
    survives("DOUBLE", 5.0, s -> s.setInt(1, 5));
    refused(() -> survives("BIGINT", 5L, s -> s.setString(1, "5")), "not yet supported");
    refused(() -> survives("DECIMAL(5, 2)", null, s -> s.setBigDecimal(1, new BigDecimal("1.5"))), "scale must equal");
  }

  @Check
  void timesOfEveryUnitCanBeBound() throws Exception {
    for (int digits : new int[] {0, 3, 6, 9}) {
      Timestamp value = Timestamp.valueOf("2024-02-29 23:59:58");
      survives("TIMESTAMP(" + digits + ")", value, s -> s.setTimestamp(1, value));
    }
  }

  @Check
  void nullsCanBeBoundToEveryType() throws Exception {
    try (Connection connection = server.connect()) {
      Server.run(
          connection,
          "CREATE OR REPLACE TABLE of_nulls (a BOOLEAN, b INTEGER, c BIGINT, d DOUBLE, e DECIMAL(5, 2), f VARCHAR, "
              + "g BYTEA, h DATE, i TIME, j TIMESTAMP)");
      int[] types = {
        Types.BOOLEAN, Types.INTEGER, Types.BIGINT, Types.DOUBLE, Types.DECIMAL, Types.VARCHAR, Types.VARBINARY,
        Types.DATE, Types.TIME, Types.TIMESTAMP
      };
      try (PreparedStatement insert =
          connection.prepareStatement("INSERT INTO of_nulls VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")) {
        for (int i = 0; i < types.length; i++) {
          insert.setNull(i + 1, types[i]);
        }
        equal(1, insert.executeUpdate(), "rows inserted");
      }
      try (Statement statement = connection.createStatement();
          ResultSet row = statement.executeQuery("SELECT * FROM of_nulls")) {
        that(row.next(), "no row");
        for (int i = 1; i <= types.length; i++) {
          equal(null, row.getObject(i), "column " + i);
          that(row.wasNull(), "wasNull of column " + i);
        }
      }
    }
  }

  @Check
  void parametersAreDescribedBeforeTheyAreBound() throws Exception {
    try (Connection connection = server.connect()) {
      Server.run(connection, "CREATE OR REPLACE TABLE described (id BIGINT, name VARCHAR, price DECIMAL(9, 2))");
      try (PreparedStatement statement =
          connection.prepareStatement("INSERT INTO described VALUES (?, ?, ?)")) {
        ParameterMetaData of = statement.getParameterMetaData();
        equal(3, of.getParameterCount(), "parameters");
        equal(Types.BIGINT, of.getParameterType(1), "type of the first");
        equal(Types.VARCHAR, of.getParameterType(2), "type of the second");
        equal(Types.DECIMAL, of.getParameterType(3), "type of the third");
      }
    }
  }

  @Check
  void placeholdersInsideExpressionsHaveTypesToo() throws Exception {
    try (Connection connection = server.connect();
        PreparedStatement statement =
            connection.prepareStatement(
                "SELECT value FROM generate_series(1, 100) WHERE value BETWEEN ? AND ? AND value % 2 = ? LIMIT 3")) {
      statement.setLong(1, 10);
      statement.setLong(2, 90);
      statement.setLong(3, 1);
      try (ResultSet rows = statement.executeQuery()) {
        equal(List.of(11L, 13L, 15L), Server.column(rows, 1), "rows");
      }
    }
  }

  @Check
  void aStatementIsRunAgainWithOtherValues() throws Exception {
    try (Connection connection = server.connect();
        PreparedStatement statement =
            connection.prepareStatement("SELECT value FROM generate_series(1, 9) WHERE value = ?")) {
      for (long wanted = 1; wanted < 4; wanted++) {
        statement.setLong(1, wanted);
        try (ResultSet rows = statement.executeQuery()) {
          equal(List.of(wanted), Server.column(rows, 1), "rows");
        }
      }
    }
  }

  @Check
  void aWrongNumberOfValuesIsRefused() throws Exception {
    try (Connection connection = server.connect();
        PreparedStatement statement =
            connection.prepareStatement("SELECT value FROM generate_series(1, 9) WHERE value = ?")) {
      refused(() -> statement.setLong(2, 1));
      refused(() -> statement.executeQuery().close());
    }
  }

  @Check
  void aValueThatDoesNotFitIsRefusedAndNothingIsStored() throws Exception {
    try (Connection connection = server.connect()) {
      Server.run(connection, "CREATE OR REPLACE TABLE narrow (name VARCHAR NOT NULL, price DECIMAL(5, 2))");
      try (PreparedStatement insert = connection.prepareStatement("INSERT INTO narrow VALUES (?, ?)")) {
        insert.setNull(1, Types.VARCHAR);
        insert.setBigDecimal(2, new BigDecimal("1.00"));
        refused(insert::executeUpdate, "[23502]");
      }
      equal(List.of(0L), Server.column(connection, "SELECT count(*) FROM narrow"), "rows");
    }
  }
}
