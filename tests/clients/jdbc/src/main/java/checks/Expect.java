package checks;

import java.sql.SQLException;
import java.util.Objects;

/** What a check says of what it saw. */
final class Expect {
  private Expect() {}

  /** Something that talks to the server. */
  interface Action {
    void run() throws Exception;
  }

  static void equal(Object wanted, Object found, String what) {
    if (!Objects.deepEquals(wanted, found)) {
      throw new AssertionError(what + ": wanted " + shown(wanted) + ", found " + shown(found));
    }
  }

  static void that(boolean holds, String what) {
    if (!holds) {
      throw new AssertionError(what);
    }
  }

  /** The action must fail with an SQLException whose text, or a cause's, has all of {@code parts}. */
  static void refused(Action action, String... parts) throws Exception {
    String said;
    try {
      action.run();
      throw new AssertionError("was not refused");
    } catch (SQLException error) {
      said = texts(error);
    }
    for (String part : parts) {
      that(said.contains(part), "the refusal has no '" + part + "': " + said);
    }
  }

  /** The messages of an error and of all that caused it. */
  static String texts(Throwable error) {
    StringBuilder all = new StringBuilder();
    for (Throwable one = error; one != null; one = one.getCause()) {
      all.append(one).append(" | ");
    }
    return all.toString();
  }

  private static String shown(Object value) {
    return value == null ? "null" : value + " (" + value.getClass().getSimpleName() + ")";
  }
}
