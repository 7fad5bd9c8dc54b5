package checks;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs every check and prints one line of JSON for each: {@code {"check": .., "error": .. or null}}.
 * Arguments: host:port, user, password, and the names of the checks that are wanted.
 */
public final class Main {
  private static final long SECONDS_MAX = 40;

  private Main() {}

  public static void main(String[] args) throws Exception {
    Server server = new Server(args[0], args[1], args[2]);
    List<String> wanted = List.of(args).subList(3, args.length);
    ExecutorService runner = Executors.newCachedThreadPool();
    for (Object suite : suites(server)) {
      for (Method check : checks(suite)) {
        if (wanted.contains(check.getName())) {
          print(check.getName(), outcome(runner, suite, check));
        }
      }
    }
    System.out.flush();
    System.exit(0); // a check that hangs must not keep the others' outcome
  }

  private static List<Object> suites(Server server) {
    return List.of(
        new Connecting(server),
        new Tree(server),
        new Abilities(server),
        new Parameters(server),
        new Updates(server),
        new Results(server),
        new Times(server),
        new TimesElsewhere(server),
        new Transactions(server),
        new Pools(server),
        new LongRuns(server),
        new LiveQueries(server));
  }

  private static List<Method> checks(Object suite) {
    List<Method> found = new ArrayList<>();
    for (Method method : suite.getClass().getDeclaredMethods()) {
      if (method.isAnnotationPresent(Check.class)) {
        found.add(method);
      }
    }
    found.sort(Comparator.comparing(Method::getName));
    return found;
  }

  private static String outcome(ExecutorService runner, Object suite, Method check) throws InterruptedException {
    Future<Object> running = runner.submit(() -> check.invoke(suite));
    try {
      running.get(SECONDS_MAX, TimeUnit.SECONDS);
      return null;
    } catch (TimeoutException late) {
      running.cancel(true);
      return "ran longer than " + SECONDS_MAX + " s";
    } catch (ExecutionException failed) {
      Throwable cause = failed.getCause();
      return described(cause instanceof InvocationTargetException invoked ? invoked.getCause() : cause);
    }
  }

  private static String described(Throwable error) {
    StringBuilder text = new StringBuilder(Expect.texts(error));
    for (int i = 0; i < Math.min(12, error.getStackTrace().length); i++) {
      text.append("\n  at ").append(error.getStackTrace()[i]);
    }
    return text.toString();
  }

  private static void print(String name, String error) {
    System.out.println("{\"check\": " + quoted(name) + ", \"error\": " + (error == null ? "null" : quoted(error)) + "}");
  }

  private static String quoted(String text) {
    StringBuilder json = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') {
        json.append('\\').append(c);
      } else if (c < ' ' || c > '~') {
        json.append(String.format("\\u%04x", (int) c));
      } else {
        json.append(c);
      }
    }
    return json.append('"').toString();
  }
}
