package checks;

import static checks.Expect.equal;
import static checks.Expect.that;

import java.sql.Connection;
import java.sql.Date;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.Statement;
import java.sql.Time;
import java.sql.Timestamp;
import java.time.Instant;
import java.util.List;
import java.util.TimeZone;

/** Moments and wall clocks in a Java machine that runs in UTC, where all ways to read them agree. */
final class Times {
  static final String NOON_UTC = "2024-07-01T12:00:00Z";
  static final String QUERY =
      "SELECT CAST('2024-07-01T14:00:00+02:00' AS TIMESTAMP WITH TIME ZONE) AS moment, "
          + "CAST('2024-07-01 12:00:00' AS TIMESTAMP) AS wall, DATE '2024-01-01' AS day, TIME '00:30:00' AS half";

  private final Server server;

  Times(Server server) {
    this.server = server;
  }

  /** What is looked at in a result of one row. */
  interface Look {
    void at(ResultSet row) throws Exception;
  }

  static void row(Connection connection, String sql, Look look) throws Exception {
    try (Statement statement = connection.createStatement();
        ResultSet row = statement.executeQuery(sql)) {
      that(row.next(), "no row");
      look.at(row);
    }
  }

  @Check
  void theMachineRunsInUtc() {
    equal(0, TimeZone.getDefault().getRawOffset(), "offset of the Java machine");
  }

  @Check
  void allWaysToReadATimeAgree() throws Exception {
    try (Connection connection = server.connect()) {
      row(connection, QUERY, row -> {
        equal(Instant.parse(NOON_UTC), row.getTimestamp("moment").toInstant(), "a moment");
        equal(Instant.parse(NOON_UTC), ((Timestamp) row.getObject("moment")).toInstant(), "a moment as object");
        equal(Timestamp.valueOf("2024-07-01 12:00:00"), row.getTimestamp("wall"), "a wall clock");
        equal(Date.valueOf("2024-01-01"), row.getDate("day"), "a date");
        equal(Time.valueOf("00:30:00").toString(), row.getTime("half").toString(), "a time");
        equal("00:30:00", row.getString("half"), "a time as text");
      });
    }
  }

  @Check
  void aBoundMomentIsThatMoment() throws Exception {
    try (Connection connection = server.connect()) {
      Server.run(connection, "CREATE OR REPLACE TABLE moments (m TIMESTAMP WITH TIME ZONE)");
      try (PreparedStatement insert = connection.prepareStatement("INSERT INTO moments VALUES (?)")) {
        insert.setTimestamp(1, Timestamp.from(Instant.parse(NOON_UTC)));
        insert.executeUpdate();
      }
      equal(
          List.of("2024-07-01T12:00:00Z"), Server.column(connection, "SELECT CAST(m AS VARCHAR) FROM moments"), "held");
    }
  }

  @Check
  void theSessionsTimeZoneCanBeSet() throws Exception {
    try (Connection connection = server.connect()) {
      Server.run(connection, "SET TIME ZONE 'Asia/Tokyo'");
      equal(List.of("Asia/Tokyo"), Server.column(connection, "SHOW time_zone"), "time zone");
      String same =
          "SELECT CAST('2024-07-01 21:00:00' AS TIMESTAMP WITH TIME ZONE) = "
              + "CAST('2024-07-01T12:00:00Z' AS TIMESTAMP WITH TIME ZONE)";
      equal(List.of(true), Server.column(connection, same), "a text without zone is in the session's zone");
    }
  }
}
