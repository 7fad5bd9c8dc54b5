package checks;

import static checks.Expect.equal;
import static checks.Expect.that;

import java.sql.Connection;
import java.sql.Date;
import java.sql.PreparedStatement;
import java.sql.Time;
import java.sql.Timestamp;
import java.time.Instant;
import java.time.LocalDateTime;
import java.util.Calendar;
import java.util.List;
import java.util.TimeZone;

/**
 * The same in a Java machine that does not run in UTC. The driver's getTimestamp and getTime then shift what they read
 * by the zone's offset; these are the ways that are right all the same, and that our documents advise.
 */
final class TimesElsewhere {
  private final Server server;

  TimesElsewhere(Server server) {
    this.server = server;
  }

  @Check
  void elsewhereTheMachineDoesNotRunInUtc() {
    that(TimeZone.getDefault().getRawOffset() != 0, "the Java machine is in UTC: this would prove nothing");
  }

  @Check
  void elsewhereTextsAndObjectsAreRight() throws Exception {
    try (Connection connection = server.connect()) {
      Times.row(connection, Times.QUERY, row -> {
        equal(Date.valueOf("2024-01-01"), row.getDate("day"), "a date");
        equal("2024-01-01", row.getString("day"), "a date as text");
        equal("2024-07-01 12:00:00.0", row.getString("wall"), "a wall clock as text");
        equal("2024-07-01 12:00:00.0", row.getString("moment"), "a moment as text, which is in UTC");
        equal(Timestamp.valueOf("2024-07-01 12:00:00"), row.getObject("wall"), "a wall clock");
        Calendar utc = Calendar.getInstance(TimeZone.getTimeZone("UTC"));
        equal(Timestamp.valueOf("2024-07-01 12:00:00"), row.getTimestamp("wall", utc), "a wall clock by a calendar");
      });
    }
  }

  @Check
  void elsewhereJavaTimeIsRightFromVersion183On() throws Exception {
    try (Connection connection = server.connect()) {
      if (Tree.zoned(connection.getMetaData()) == java.sql.Types.TIMESTAMP) {
        return; // older drivers know nothing of java.time
      }
      Times.row(connection, Times.QUERY, row -> {
        equal(Instant.parse(Times.NOON_UTC), row.getObject("moment", Instant.class), "a moment");
        equal(LocalDateTime.parse("2024-07-01T12:00:00"), row.getObject("wall", LocalDateTime.class), "a wall clock");
      });
    }
  }

  @Check
  void elsewhereABoundWallClockIsStoredAsItIs() throws Exception {
    try (Connection connection = server.connect()) {
      Timestamp value = Timestamp.valueOf("2024-05-31 02:30:00.5");
      Server.run(connection, "CREATE OR REPLACE TABLE clocks (t TIMESTAMP, d DATE, c TIME)");
      try (PreparedStatement insert = connection.prepareStatement("INSERT INTO clocks VALUES (?, ?, ?)")) {
        insert.setTimestamp(1, value);
        insert.setDate(2, Date.valueOf("2024-05-31"));
        insert.setTime(3, Time.valueOf("23:59:58"));
        insert.executeUpdate();
      }
      String held = "SELECT concat_ws(' ', CAST(t AS VARCHAR), CAST(d AS VARCHAR), CAST(c AS VARCHAR)) FROM clocks";
      equal(List.of("2024-05-31T02:30:00.500 2024-05-31 23:59:58"), Server.column(connection, held), "what is held");
      Calendar utc = Calendar.getInstance(TimeZone.getTimeZone("UTC"));
      Times.row(connection, "SELECT t FROM clocks", row -> equal(value, row.getTimestamp(1, utc), "what is read"));
    }
  }
}
