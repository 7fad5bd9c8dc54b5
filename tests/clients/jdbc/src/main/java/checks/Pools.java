package checks;

import static checks.Expect.equal;
import static checks.Expect.that;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import java.sql.Connection;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/** HikariCP on the driver: its connections show the database of now, whoever had them before. */
final class Pools {
  private static final int CONNECTIONS = 5;
  private static final int CHECK_OUTS = 200;

  private final Server server;

  Pools(Server server) {
    this.server = server;
  }

  private HikariDataSource pool(String options) {
    HikariConfig config = new HikariConfig();
    config.setJdbcUrl(server.url() + options);
    config.setUsername(server.user());
    config.setPassword(server.password());
    config.setMaximumPoolSize(CONNECTIONS);
    return new HikariDataSource(config);
  }

  @Check
  void everyCheckOutSeesWhatOthersCommitted() throws Exception {
    try (Connection writer = server.connect(); HikariDataSource pool = pool("")) {
      Server.run(writer, "CREATE OR REPLACE TABLE pooled (n BIGINT)");
      for (long written = 1; written <= CHECK_OUTS; written++) {
        Server.run(writer, "INSERT INTO pooled VALUES (" + written + ")");
        try (Connection connection = pool.getConnection()) {
          equal(written, Server.column(connection, "SELECT count(*) FROM pooled").get(0), "rows");
        }
      }
    }
  }

  @Check
  void threadsShareThePool() throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(2 * CONNECTIONS);
    try (HikariDataSource pool = pool("")) {
      List<Future<Object>> found = new ArrayList<>();
      for (int query = 0; query < CHECK_OUTS; query++) {
        long wanted = query;
        found.add(threads.submit(() -> asked(pool, "SELECT CAST(" + wanted + " AS BIGINT)")));
      }
      for (int query = 0; query < CHECK_OUTS; query++) {
        equal((long) query, found.get(query).get(), "value");
      }
    } finally {
      threads.shutdown();
    }
  }

  private static Object asked(HikariDataSource pool, String sql) throws SQLException {
    try (Connection connection = pool.getConnection()) {
      that(connection.isValid(5), "isValid");
      return Server.column(connection, sql).get(0);
    }
  }

  @Check
  void aPoolIsSetToANamespaceByItsUrl() throws Exception {
    try (Connection writer = server.connect()) {
      Server.run(writer, "CREATE NAMESPACE IF NOT EXISTS pooling");
      Server.run(writer, "CREATE OR REPLACE TABLE pooling.inside AS SELECT 7 AS n");
    }
    try (HikariDataSource pool = pool("&schema=pooling")) {
      equal(7L, asked(pool, "SELECT n FROM inside"), "value");
    }
  }
}
