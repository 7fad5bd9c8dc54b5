package checks;

import static checks.Expect.equal;
import static checks.Expect.refused;
import static checks.Expect.that;

import java.sql.Connection;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** Much to read, and stopping before the end. */
final class LongRuns {
  private static final String ENDLESS =
      "SELECT count(*) FROM generate_series(1, 10000000) AS a(v), generate_series(1, 1000) AS b(w) WHERE a.v % 7 < b.w";

  private final Server server;

  LongRuns(Server server) {
    this.server = server;
  }

  @Check
  void aMillionRowsArriveAll() throws Exception {
    String sql = "SELECT value AS n, 'text ' || value AS t, value * 0.5 AS d FROM generate_series(1, 1000000)";
    try (Connection connection = server.connect();
        Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      long count = 0;
      long sum = 0;
      long letters = 0;
      while (rows.next()) {
        count++;
        sum += rows.getLong(1);
        letters += rows.getString(2).length();
      }
      equal(1_000_000L, count, "rows");
      equal(500_000_500_000L, sum, "sum");
      equal(10_888_896L, letters, "letters");
    }
  }

  @Check
  void aResultThatIsClosedEarlyLeavesTheConnectionUsable() throws Exception {
    try (Connection connection = server.connect()) {
      for (int i = 0; i < 5; i++) {
        try (Statement statement = connection.createStatement();
            ResultSet rows = statement.executeQuery("SELECT value FROM generate_series(1, 100000000)")) {
          that(rows.next(), "no row");
        }
      }
      equal(1L, Server.column(connection, "SELECT 1").get(0), "SELECT 1");
    }
  }

  @Check
  void cancelStopsARunningStatement() throws Exception {
    try (Connection connection = server.connect();
        Statement statement = connection.createStatement()) {
      CompletableFuture<Void> later =
          CompletableFuture.runAsync(
              () -> cancel(statement), CompletableFuture.delayedExecutor(1, TimeUnit.SECONDS));
      long begun = System.nanoTime();
      refused(() -> {
        try (ResultSet rows = statement.executeQuery(ENDLESS)) {
          rows.next();
        }
      });
      long seconds = TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - begun);
      that(seconds < 10, "it took " + seconds + " s to cancel");
      later.get(5, TimeUnit.SECONDS);
      equal(1L, Server.column(connection, "SELECT 1").get(0), "SELECT 1 afterwards");
      noneRuns();
    }
  }

  private static void cancel(Statement statement) {
    try {
      statement.cancel();
    } catch (SQLException error) {
      throw new IllegalStateException(error);
    }
  }

  /** The server works on no statement but the question itself, soon. */
  private void noneRuns() throws Exception {
    try (Connection connection = server.connect()) {
      long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(5);
      Object running;
      do {
        running = Server.column(connection, "SELECT count(*) FROM system.queries WHERE state = 'running'").get(0);
      } while (!running.equals(0L) && !running.equals(1L) && System.nanoTime() < until);
      that(running.equals(0L) || running.equals(1L), running + " statements still run");
    }
  }

  @Check
  void aTimeLimitOfTheSessionEndsAStatement() throws Exception {
    try (Connection connection = server.connect();
        Statement statement = connection.createStatement()) {
      Server.run(connection, "SET statement_timeout_seconds = 1");
      refused(() -> {
        try (ResultSet rows = statement.executeQuery(ENDLESS)) {
          rows.next();
        }
      }, "[57014]");
      Server.run(connection, "RESET statement_timeout_seconds");
      equal(1L, Server.column(connection, "SELECT 1").get(0), "SELECT 1 afterwards");
    }
  }
}
