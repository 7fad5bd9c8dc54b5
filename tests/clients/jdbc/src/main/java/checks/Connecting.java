package checks;

import static checks.Expect.equal;
import static checks.Expect.refused;
import static checks.Expect.that;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.List;
import java.util.Properties;

/** Coming in, and not coming in. */
final class Connecting {
  private final Server server;

  Connecting(Server server) {
    this.server = server;
  }

  @Check
  void userAndPasswordInTheUrlConnect() throws Exception {
    String url = server.url() + "&user=" + server.user() + "&password=" + server.password().replace(" ", "%20");
    try (Connection connection = DriverManager.getConnection(url)) {
      equal(List.of(1L), Server.column(connection, "SELECT 1"), "SELECT 1");
    }
  }

  @Check
  void aWrongPasswordIsRefused() throws Exception {
    refused(() -> server.connectAs(server.user(), "wrong").close(), "[28000] wrong user name or password");
  }

  @Check
  void anUnknownUserIsToldTheSameAsAWrongPassword() throws Exception {
    refused(() -> server.connectAs("nobody", "wrong").close(), "[28000] wrong user name or password");
  }

  @Check
  void encryptionIsTheDriversDefaultAndFailsWithoutTls() throws Exception {
    Properties login = new Properties();
    login.put("user", server.user());
    login.put("password", server.password());
    refused(() -> DriverManager.getConnection("jdbc:arrow-flight-sql://" + server.address(), login).close());
  }

  @Check
  void theCatalogPropertyChoosesOurCatalog() throws Exception {
    Properties login = new Properties();
    login.put("user", server.user());
    login.put("password", server.password());
    login.put("catalog", "frostline");
    Connection connection = DriverManager.getConnection(server.url(), login);
    equal(List.of("frostline"), Server.column(connection, "SHOW catalog"), "the catalog");
    try {
      connection.close(); // ends the session, and then the driver tries once more over the channel it has closed
    } catch (SQLException error) {
      that(Expect.texts(error).contains("Channel shutdown invoked"), Expect.texts(error));
    }
  }

  @Check
  void anUnknownCatalogIsRefused() throws Exception {
    Properties login = new Properties();
    login.put("user", server.user());
    login.put("password", server.password());
    login.put("catalog", "other");
    refused(() -> DriverManager.getConnection(server.url(), login));
  }

  @Check
  void twoConnectionsAreTwoSessions() throws Exception {
    try (Connection one = server.connect(); Connection other = server.connect()) {
      Server.run(one, "CREATE NAMESPACE IF NOT EXISTS of_one");
      Server.run(one, "USE of_one");
      equal(List.of("of_one"), Server.column(one, "SHOW schema"), "the namespace of the first");
      equal(List.of("public"), Server.column(other, "SHOW schema"), "the namespace of the second");
    }
  }

  @Check
  void aClosedConnectionIsClosedAndTheOthersGoOn() throws Exception {
    try (Connection other = server.connect()) {
      Connection closed = server.connect();
      closed.close();
      that(closed.isClosed(), "close() did not close");
      that(!other.isClosed(), "another connection closed too");
      equal(List.of(1L), Server.column(other, "SELECT 1"), "SELECT 1");
    }
  }

  @Check
  void aLiveConnectionIsValid() throws Exception {
    try (Connection connection = server.connect()) {
      that(connection.isValid(5), "isValid");
    }
  }
}
