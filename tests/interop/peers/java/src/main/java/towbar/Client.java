package towbar;

import static com.rollbar.notifier.config.ConfigBuilder.withAccessToken;

import com.rollbar.api.payload.data.Level;
import com.rollbar.api.payload.data.Person;
import com.rollbar.api.payload.data.Request;
import com.rollbar.notifier.Rollbar;
import com.rollbar.notifier.config.ConfigBuilder;
import java.math.BigInteger;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** A program with rollbar-java: Client TOKEN ENDPOINT CASE... The case "plain" compresses nothing. */
public final class Client {
  private static final class FeedException extends RuntimeException {
    FeedException(String message, Throwable cause) {
      super(message, cause);
    }
  }

  private static void inner() {
    throw new IllegalStateException("inner fault of Žluťoučký 馬 🧨");
  }

  private static void middle() {
    try {
      inner();
    } catch (IllegalStateException e) {
      throw new FeedException("middle fault", e);
    }
  }

  private static Throwable caught(Runnable work) {
    try {
      work.run();
    } catch (RuntimeException e) {
      return e;
    }
    throw new AssertionError("it did not fail");
  }

  /** Values that are hard to carry. */
  private static Map<String, Object> hard() {
    Map<String, Object> values = new HashMap<>();
    values.put("big", 9007199254740993L);
    values.put("huge", new BigInteger("18446744073709551615"));
    values.put("float", 1.0);
    values.put("nothing", null);
    values.put("empty_list", List.of());
    values.put("empty_map", Map.of());
    values.put("lists", Arrays.asList(List.of(), Collections.singletonList(null)));
    values.put("text", "馬, \u2028, 🧨, \\, \"quoted\", tab\t");
    values.put("password", "hunter2");
    values.put("author", "kept");
    return values;
  }

  private static Request request() {
    return new Request.Builder()
        .url("http://example.org/feeds/%C5%BElu?password=hunter2&page=2")
        .method("POST")
        .headers(new TreeMap<>(Map.of( // of which the order does not change from run to run
            "traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "Cookie", "sid=hunter2")))
        .params(Map.of("name", "žlu"))
        .get(Map.of("page", List.of("2")))
        .post(new TreeMap<>(Map.of("name", "andrew", "password", "hunter2")))
        .queryString("password=hunter2&page=2")
        .userIp("127.0.0.1")
        .build();
  }

  private static ConfigBuilder config(String token, String endpoint) {
    return withAccessToken(token)
        .endpoint(endpoint)
        .environment("interop")
        .codeVersion("1.2.3")
        .handleUncaughtErrors(false);
  }

  private static void report(Rollbar rollbar, String name, ConfigBuilder config) {
    switch (name) {
      case "error":
        rollbar.error(caught(Client::inner), Map.of("n", 1));
        break;
      case "chain":
        rollbar.critical(new FeedException("outer fault", caught(Client::middle)), "said by hand");
        break;
      case "message":
        rollbar.warning("a message: 馬 🧨", hard());
        break;
      case "person":
        rollbar.configure(config
            .person(() -> new Person.Builder()
                .id("9007199254740993").username("žofie").email("z@example.org").build())
            .build());
        rollbar.info("of a person");
        break;
      case "telemetry":
        rollbar.recordLogEventFor(Level.INFO, "a log: 馬");
        rollbar.recordNetworkEventFor(Level.WARNING, "GET", "http://a/?token=hunter2", "503");
        rollbar.error(caught(Client::inner));
        break;
      case "request":
        rollbar.configure(config.request(Client::request).build());
        rollbar.error(caught(Client::inner));
        break;
      case "thread":
        rollbar.log(caught(Client::inner), Thread.currentThread(), null, null, Level.ERROR, false);
        break;
      default:
        throw new IllegalArgumentException(name);
    }
  }

  public static void main(String[] args) throws Exception {
    ConfigBuilder config = config(args[0], args[1]);
    if (Arrays.asList(args).contains("plain")) {
      config = config.compressPayload(false);
    }
    Rollbar rollbar = new Rollbar(config.build());
    for (String name : Arrays.asList(args).subList(2, args.length)) {
      if (name.equals("pause")) { // the parent does something in between, and says so by a line
        rollbar.close(true);
        rollbar = new Rollbar(config.build());
        System.out.println("paused");
        while (System.in.read() != '\n') {
          continue;
        }
      } else if (!name.equals("plain")) {
        report(rollbar, name, config);
      }
    }
    rollbar.close(true);
  }
}
