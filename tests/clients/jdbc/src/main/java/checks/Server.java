package checks;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;

/** The server under test and how to talk to it. {@code address} is host:port. */
record Server(String address, String user, String password) {
  String url() {
    return "jdbc:arrow-flight-sql://" + address + "/?useEncryption=false";
  }

  Connection connect() throws SQLException {
    return connectAs(user, password);
  }

  Connection connectAs(String name, String secret) throws SQLException {
    Properties login = new Properties();
    login.put("user", name);
    login.put("password", secret);
    return DriverManager.getConnection(url(), login);
  }

  /** Runs one statement that gives no rows. */
  static void run(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement()) {
      statement.execute(sql);
    }
  }

  /** All values of a query's first column. */
  static List<Object> column(Connection connection, String sql) throws SQLException {
    try (Statement statement = connection.createStatement();
        ResultSet rows = statement.executeQuery(sql)) {
      return column(rows, 1);
    }
  }

  static List<Object> column(ResultSet rows, int place) throws SQLException {
    List<Object> values = new ArrayList<>();
    while (rows.next()) {
      values.add(rows.getObject(place));
    }
    return values;
  }

  static List<String> texts(ResultSet rows, String column) throws SQLException {
    List<String> values = new ArrayList<>();
    while (rows.next()) {
      values.add(rows.getString(column));
    }
    return values;
  }
}
