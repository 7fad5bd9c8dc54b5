package checks;

import static checks.Expect.equal;
import static checks.Expect.refused;
import static checks.Expect.that;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.List;

/** Statements that change rows, one by one and in batches. */
final class Updates {
  private final Server server;

  Updates(Server server) {
    this.server = server;
  }

  private Connection withTable(String name) throws SQLException {
    Connection connection = server.connect();
    Server.run(connection, "CREATE OR REPLACE TABLE " + name + " (id BIGINT PRIMARY KEY, n INTEGER)");
    return connection;
  }

  @Check
  void executeUpdateCountsRows() throws Exception {
    try (Connection connection = withTable("counted");
        Statement statement = connection.createStatement()) {
      equal(3, statement.executeUpdate("INSERT INTO counted VALUES (1, 1), (2, 2), (3, 3)"), "inserted");
      equal(2, statement.executeUpdate("UPDATE counted SET n = 0 WHERE id > 1"), "updated");
      equal(1, statement.executeUpdate("DELETE FROM counted WHERE id = 1"), "deleted");
      equal(0, statement.executeUpdate("DELETE FROM counted WHERE id = 1"), "deleted again");
      equal(2L, statement.executeLargeUpdate("DELETE FROM counted"), "deleted, as long");
    }
  }

  @Check
  void executeTellsRowsFromCounts() throws Exception {
    try (Connection connection = withTable("told");
        Statement statement = connection.createStatement()) {
      that(!statement.execute("INSERT INTO told VALUES (1, 1)"), "an INSERT has rows");
      equal(1, statement.getUpdateCount(), "its count");
      that(statement.execute("SELECT id FROM told"), "a SELECT has none");
      equal(List.of(1L), Server.column(statement.getResultSet(), 1), "its rows");
      that(!statement.execute("CREATE TABLE IF NOT EXISTS told_too (a INTEGER)"), "a CREATE has rows");
    }
  }

  @Check
  void aPreparedChangeIsAnUpdate() throws Exception {
    try (Connection connection = withTable("prepared_change");
        PreparedStatement insert = connection.prepareStatement("INSERT INTO prepared_change VALUES (?, ?)")) {
      insert.setLong(1, 1);
      insert.setInt(2, 10);
      insert.execute(); // drivers before 19 fetch its rows, of which there are none; it must run once all the same
      equal(List.of(1L), Server.column(connection, "SELECT count(*) FROM prepared_change"), "rows");
      insert.setLong(1, 2);
      equal(1, insert.executeUpdate(), "count of the second run");
      equal(List.of(2L, 20L), sums(connection), "rows and sum");
    }
  }

  private static List<Object> sums(Connection connection) throws SQLException {
    List<Object> found = Server.column(connection, "SELECT count(*) FROM prepared_change");
    found.addAll(Server.column(connection, "SELECT sum(n) FROM prepared_change"));
    return found;
  }

  @Check
  void returningGivesRows() throws Exception {
    try (Connection connection = withTable("returned");
        PreparedStatement insert =
            connection.prepareStatement("INSERT INTO returned VALUES (?, ?) RETURNING id, n * 2 AS twice")) {
      insert.setLong(1, 5);
      insert.setInt(2, 21);
      try (ResultSet rows = insert.executeQuery()) {
        that(rows.next(), "no row");
        equal(5L, rows.getLong("id"), "id");
        equal(42L, rows.getLong("twice"), "twice");
      }
      equal(List.of(1L), Server.column(connection, "SELECT count(*) FROM returned"), "stored rows");
    }
  }

  @Check
  void aBatchIsOneAtomicRun() throws Exception {
    try (Connection connection = withTable("batched");
        PreparedStatement insert = connection.prepareStatement("INSERT INTO batched VALUES (?, ?)")) {
      for (int i = 0; i < 1000; i++) {
        insert.setLong(1, i);
        insert.setInt(2, -i);
        insert.addBatch();
      }
      int total = 0;
      for (int count : insert.executeBatch()) {
        total += count;
      }
      equal(1000, total, "rows of the batch");
      equal(List.of(-499500L), Server.column(connection, "SELECT sum(n) FROM batched"), "their sum");
    }
  }

  @Check
  void aBatchWithOneBadRowStoresNothing() throws Exception {
    try (Connection connection = withTable("bad_batch");
        PreparedStatement insert = connection.prepareStatement("INSERT INTO bad_batch VALUES (?, ?)")) {
      for (int id : new int[] {1, 2, 1}) {
        insert.setLong(1, id);
        insert.setInt(2, 0);
        insert.addBatch();
      }
      refused(insert::executeBatch, "[23505]");
      equal(List.of(0L), Server.column(connection, "SELECT count(*) FROM bad_batch"), "stored rows");
    }
  }

  @Check
  void aBatchOfUpdatesAndDeletesByKey() throws Exception {
    try (Connection connection = withTable("changed")) {
      Server.run(connection, "INSERT INTO changed SELECT value, 0 FROM generate_series(1, 10)");
      try (PreparedStatement update = connection.prepareStatement("UPDATE changed SET n = ? WHERE id = ?")) {
        for (int id = 1; id <= 10; id++) {
          update.setInt(1, id * id);
          update.setLong(2, id);
          update.addBatch();
        }
        update.executeBatch();
      }
      equal(List.of(385L), Server.column(connection, "SELECT sum(n) FROM changed"), "squares");
      try (PreparedStatement delete = connection.prepareStatement("DELETE FROM changed WHERE id = ?")) {
        for (long id = 1; id <= 9; id++) {
          delete.setLong(1, id);
          delete.addBatch();
        }
        delete.executeBatch();
      }
      equal(List.of(10L), Server.column(connection, "SELECT id FROM changed"), "what is left");
    }
  }

  @Check
  void errorsAreOneSentenceWithAnSqlstate() throws Exception {
    try (Connection connection = withTable("errors");
        Statement statement = connection.createStatement()) {
      refused(() -> statement.executeQuery("SELEC 1").close(), "[42601]");
      refused(() -> statement.executeQuery("SELECT * FROM not_here").close(), "[42P01]", "not_here");
      refused(() -> statement.executeQuery("SELECT nothing FROM errors").close(), "[42703]", "nothing");
      statement.executeUpdate("INSERT INTO errors VALUES (1, 1)");
      refused(() -> statement.executeUpdate("INSERT INTO errors VALUES (1, 1)"), "[23505]");
      refused(() -> statement.executeUpdate("COPY errors TO 'x.csv'"), "[0A000]");
    }
  }
}
