package checks;

import static checks.Expect.equal;
import static checks.Expect.refused;
import static checks.Expect.that;

import java.sql.Connection;
import java.sql.PreparedStatement;
import java.sql.SQLException;
import java.util.List;

/** BEGIN, COMMIT and ROLLBACK as text: the driver has nothing else, its commit() and rollback() do nothing. */
final class Transactions {
  private final Server server;

  Transactions(Server server) {
    this.server = server;
  }

  private static Connection fresh(Server server, String table) throws SQLException {
    Connection connection = server.connect();
    Server.run(connection, "CREATE OR REPLACE TABLE " + table + " (id BIGINT PRIMARY KEY, n INTEGER)");
    return connection;
  }

  private static Object count(Connection connection, String table) throws SQLException {
    return Server.column(connection, "SELECT count(*) FROM " + table).get(0);
  }

  @Check
  void commitStoresAndRollbackForgets() throws Exception {
    try (Connection connection = fresh(server, "kept")) {
      Server.run(connection, "BEGIN");
      Server.run(connection, "INSERT INTO kept VALUES (1, 1)");
      equal(1L, count(connection, "kept"), "own rows");
      Server.run(connection, "ROLLBACK");
      equal(0L, count(connection, "kept"), "rows after ROLLBACK");
      Server.run(connection, "BEGIN");
      Server.run(connection, "INSERT INTO kept VALUES (2, 2)");
      Server.run(connection, "COMMIT");
      equal(1L, count(connection, "kept"), "rows after COMMIT");
    }
  }

  @Check
  void savepointsCanBeGoneBackTo() throws Exception {
    try (Connection connection = fresh(server, "saved")) {
      that(connection.getMetaData().supportsSavepoints(), "supportsSavepoints");
      Server.run(connection, "BEGIN");
      Server.run(connection, "INSERT INTO saved VALUES (1, 1)");
      Server.run(connection, "SAVEPOINT one");
      Server.run(connection, "INSERT INTO saved VALUES (2, 2)");
      Server.run(connection, "ROLLBACK TO SAVEPOINT one");
      Server.run(connection, "COMMIT");
      equal(List.of(1L), Server.column(connection, "SELECT id FROM saved"), "what was kept");
    }
  }

  @Check
  void othersSeeNothingBeforeTheCommit() throws Exception {
    try (Connection connection = fresh(server, "isolated"); Connection other = server.connect()) {
      Server.run(connection, "BEGIN");
      Server.run(connection, "INSERT INTO isolated VALUES (1, 1)");
      equal(0L, count(other, "isolated"), "rows that another sees before");
      Server.run(connection, "COMMIT");
      equal(1L, count(other, "isolated"), "rows that another sees after");
    }
  }

  @Check
  void preparedStatementsAndBatchesJoinTheTransaction() throws Exception {
    try (Connection connection = fresh(server, "joined");
        PreparedStatement insert = connection.prepareStatement("INSERT INTO joined VALUES (?, ?)")) {
      Server.run(connection, "BEGIN");
      for (int id = 0; id < 10; id++) {
        insert.setLong(1, id);
        insert.setInt(2, id);
        insert.addBatch();
      }
      insert.executeBatch();
      equal(10L, count(connection, "joined"), "own rows");
      Server.run(connection, "ROLLBACK");
      equal(0L, count(connection, "joined"), "rows after ROLLBACK");
    }
  }

  @Check
  void theFirstToCommitWinsAndTheOtherCanGoOn() throws Exception {
    try (Connection one = fresh(server, "raced"); Connection other = server.connect()) {
      Server.run(one, "INSERT INTO raced VALUES (1, 0)");
      Server.run(one, "BEGIN");
      Server.run(other, "BEGIN");
      Server.column(other, "SELECT n FROM raced"); // from here on it sees what is there now
      Server.run(one, "UPDATE raced SET n = 1 WHERE id = 1");
      Server.run(one, "COMMIT");
      refused(
          () -> {
            Server.run(other, "UPDATE raced SET n = 2 WHERE id = 1");
            Server.run(other, "COMMIT");
          },
          "[40001]");
      endIfOpen(other);
      equal(List.of(1), Server.column(other, "SELECT n FROM raced"), "the value");
      Server.run(other, "UPDATE raced SET n = 3 WHERE id = 1");
      equal(List.of(3), Server.column(one, "SELECT n FROM raced"), "the value in the end");
    }
  }

  private static void endIfOpen(Connection connection) {
    try {
      Server.run(connection, "ROLLBACK");
    } catch (SQLException nothingToEnd) {
      that(Expect.texts(nothingToEnd).contains("[25"), Expect.texts(nothingToEnd));
    }
  }

  @Check
  void closingTheConnectionRollsBackOnceItsSessionEnds() throws Exception {
    try (Connection watching = fresh(server, "dropped")) {
      Connection connection = server.connect();
      Server.run(connection, "BEGIN");
      Server.run(connection, "INSERT INTO dropped VALUES (1, 1)");
      connection.close();
      equal(0L, count(watching, "dropped"), "rows of an unfinished transaction");
    }
  }

  @Check
  void theDriversOwnCommitAndRollbackDoNoHarm() throws Exception {
    try (Connection connection = fresh(server, "harmless")) {
      that(connection.getAutoCommit() || !connection.getAutoCommit(), "getAutoCommit");
      connection.setAutoCommit(true);
      Server.run(connection, "INSERT INTO harmless VALUES (1, 1)");
      equal(1L, count(connection, "harmless"), "rows");
    }
  }
}
