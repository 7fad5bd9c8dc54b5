package checks;

import static checks.Expect.equal;
import static checks.Expect.that;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Results that do not end: read row by row, ended by either side. */
final class LiveQueries {
  private final Server server;

  LiveQueries(Server server) {
    this.server = server;
  }

  @Check
  void changesComeWhileTheResultIsRead() throws Exception {
    try (Connection connection = server.connect();
        Connection writer = server.connect();
        Statement statement = connection.createStatement()) {
      Server.run(writer, "CREATE OR REPLACE TABLE java_live (id BIGINT PRIMARY KEY, name VARCHAR)");
      Server.run(writer, "INSERT INTO java_live VALUES (1, 'one')");
      try (ResultSet rows = statement.executeQuery("SUBSCRIBE TO SELECT id, name FROM java_live")) {
        expectRow(rows, "insert", 1, "one");
        that(rows.next(), "no progress row");
        equal("progress", rows.getString("_change"), "after the rows");
        long seq = rows.getLong("_seq");
        Server.run(writer, "INSERT INTO java_live VALUES (2, 'two')");
        expectRow(rows, "insert", 2, "two");
        Server.run(writer, "UPDATE java_live SET name = 'uno' WHERE id = 1");
        expectRow(rows, "update", 1, "uno");
        equal(1L, rows.getLong("_old_key"), "_old_key");
        that(rows.getLong("_seq") > seq, "_seq does not rise");
        Server.run(writer, "DELETE FROM java_live WHERE id = 2");
        expectRow(rows, "delete", 2, "two");
      }
      noneIsLeft("java_live");
    }
  }

  @Check
  void aPreparedLiveQueryTakesParameters() throws Exception {
    try (Connection connection = server.connect();
        Connection writer = server.connect()) {
      Server.run(writer, "CREATE OR REPLACE TABLE java_live_many (id BIGINT PRIMARY KEY, name VARCHAR)");
      Server.run(writer, "INSERT INTO java_live_many VALUES (1, 'one'), (2, 'two'), (3, 'three')");
      String sql = "SUBSCRIBE TO SELECT id, name FROM java_live_many WHERE id > ?";
      try (PreparedStatement statement = connection.prepareStatement(sql)) {
        statement.setLong(1, 2);
        try (ResultSet rows = statement.executeQuery()) {
          expectRow(rows, "insert", 3, "three");
          Server.run(writer, "INSERT INTO java_live_many VALUES (0, 'none'), (4, 'four')");
          expectRow(rows, "insert", 4, "four");
        }
      }
      noneIsLeft("java_live_many");
    }
  }

  @Check
  void cancelEndsALiveQuery() throws Exception {
    try (Connection connection = server.connect();
        Statement statement = connection.createStatement()) {
      Server.run(connection, "CREATE OR REPLACE TABLE java_live_ended (id BIGINT)");
      CompletableFuture<Void> later =
          CompletableFuture.runAsync(
              () -> cancel(statement), CompletableFuture.delayedExecutor(1, TimeUnit.SECONDS));
      endsWith(statement, "java_live_ended", "CANCELLED");
      later.get(5, TimeUnit.SECONDS);
      noneIsLeft("java_live_ended");
      equal(1L, Server.column(connection, "SELECT 1").get(0), "SELECT 1 afterwards");
    }
  }

  @Check
  void theDropOfItsTableEndsALiveQueryWithTheReason() throws Exception {
    try (Connection connection = server.connect();
        Connection writer = server.connect();
        Statement statement = connection.createStatement()) {
      Server.run(writer, "CREATE OR REPLACE TABLE java_live_gone (id BIGINT)");
      CompletableFuture<Void> later =
          CompletableFuture.runAsync(
              () -> run(writer, "DROP TABLE java_live_gone"),
              CompletableFuture.delayedExecutor(1, TimeUnit.SECONDS));
      endsWith(statement, "java_live_gone", "[42P01]", "was dropped", "the last _seq delivered is");
      later.get(5, TimeUnit.SECONDS);
    }
  }

  /** The next row that is no progress row. */
  private static void expectRow(ResultSet rows, String change, long id, String name) throws SQLException {
    do {
      that(rows.next(), "the live query ended");
    } while (rows.getString("_change").equals("progress"));
    equal(change, rows.getString("_change"), "_change");
    equal(id, rows.getLong("id"), "id");
    equal(name, rows.getString("name"), "name");
  }

  /** Amid a result the driver throws its transport's own exception, which is no SQLException. */
  private static void endsWith(Statement statement, String table, String... parts) throws SQLException {
    String said;
    try (ResultSet rows = statement.executeQuery("SUBSCRIBE TO SELECT id FROM " + table)) {
      while (rows.next()) {
        equal("progress", rows.getString("_change"), "_change");
      }
      throw new AssertionError("ended without an error");
    } catch (SQLException | RuntimeException error) {
      said = Expect.texts(error);
    }
    for (String part : parts) {
      that(said.contains(part), "the end has no '" + part + "': " + said);
    }
  }

  private static void cancel(Statement statement) {
    try {
      statement.cancel();
    } catch (SQLException error) {
      throw new IllegalStateException(error);
    }
  }

  private static void run(Connection connection, String sql) {
    try {
      Server.run(connection, sql);
    } catch (SQLException error) {
      throw new IllegalStateException(error);
    }
  }

  private void noneIsLeft(String table) throws Exception {
    try (Connection connection = server.connect()) {
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
      String sql = "SELECT count(*) FROM system.live_queries WHERE \"table\" = '" + table + "'";
      Object left;
      do {
        left = Server.column(connection, sql).get(0);
      } while (!left.equals(0L) && System.nanoTime() < until);
      equal(0L, left, "live queries that are left");
    }
  }
}
