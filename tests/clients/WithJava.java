// Java's HttpClient. Over http it offers an upgrade to h2c with its first request unless told not to; it has no
// HTTP/2 with prior knowledge.

import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.WebSocket;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;

public class WithJava {
    static final String WEB = "/web/v1/tenant";
    static final int LARGE = 20 << 20;
    static final int EVENTS = 5;
    static final int INTERVAL_MS = 200;
    static final String ORDER = "{\"order\":17,\"what\":\"quotes \\\\ and more\"}";
    static final String[][] CHANGES = {
        {"correct horse battery", "another horse battery"}, {"another horse battery", "correct horse battery"}
    };

    static String base;
    static int failed;

    interface Case {
        void run() throws Exception;
    }

    public static void main(String[] args) {
        if (args.length != 1) {
            System.err.println("usage: java WithJava.java BASE_URL");
            System.exit(2);
        }
        base = args[0].replaceAll("/$", "");
        HttpClient client = client(HttpClient.Version.HTTP_1_1);
        run("get-json", () -> getJson(client));
        run("post-json", () -> postJson(client));
        run("post-sealed", () -> postSealed(client, false));
        run("upload", () -> upload(client, "POST", BodyPublishers.ofByteArray(pattern()), false));
        // A stream's length is unknown.
        run("upload-chunked", () -> upload(client, "PUT",
                BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(pattern())), false));
        run("download", () -> download(client));
        run("events", () -> events(client));
        run("websocket", () -> websocket(client));
        run("keep-alive", WithJava::keepAlive);
        run("expect-continue", () -> upload(client, "POST", BodyPublishers.ofByteArray(pattern()), true));
        run("expect-continue-sealed", () -> postSealed(client, true));
        // What a program that sets nothing does; on a fresh client each, for the offer goes with the first request.
        run("h2c-offer", () -> getJson(client(HttpClient.Version.HTTP_2)));
        run("h2c-offer-post", () -> postJson(client(HttpClient.Version.HTTP_2)));
        run("h2c-offer-sealed", () -> postSealed(client(HttpClient.Version.HTTP_2), false));
        System.exit(failed == 0 ? 0 : 1);
    }

    static void run(String name, Case body) {
        try {
            body.run();
            System.out.println("ok " + name);
        } catch (Throwable error) {
            failed++;
            System.out.println("FAILED " + name + ": " + error.toString().replaceAll("\\s+", " "));
            error.printStackTrace();
        }
    }

    static HttpClient client(HttpClient.Version version) {
        return HttpClient.newBuilder().version(version).connectTimeout(Duration.ofSeconds(10)).build();
    }

    static HttpRequest.Builder request(String path) {
        return HttpRequest.newBuilder(URI.create(base + WEB + path)).timeout(Duration.ofSeconds(30));
    }

    static HttpRequest.Builder json(String path, String body) {
        return request(path).header("Content-Type", "application/json").POST(BodyPublishers.ofString(body));
    }

    /** An answer as a legacy client wants it: JSON in the open. */
    static String taken(HttpClient client, HttpRequest request) throws Exception {
        HttpResponse<String> answer = client.send(request, BodyHandlers.ofString());
        String type = answer.headers().firstValue("content-type").orElse("none");
        if (answer.statusCode() != 200 || !type.startsWith("application/json")) {
            throw new AssertionError(answer.statusCode() + ", " + type + ": " + answer.body());
        }
        has(answer.body(), "\"success\":true");
        return answer.body();
    }

    /** There is no JSON in the platform; what must stand in the text is enough. */
    static void has(String text, String wanted) {
        if (!text.contains(wanted)) {
            throw new AssertionError("there is no " + wanted + " in " + text);
        }
    }

    static void equal(Object found, Object wanted, String what) {
        if (!found.equals(wanted)) {
            throw new AssertionError(what + " is " + found + ", not " + wanted);
        }
    }

    static void getJson(HttpClient client) throws Exception {
        has(taken(client, request("/profile").build()), "\"accountEmail\":\"admin@example.com\"");
    }

    static void postJson(HttpClient client) throws Exception {
        String answer = taken(client, json("/echo", ORDER).build());
        has(answer, "\"body\":\"" + ORDER.replace("\\", "\\\\").replace("\"", "\\\"") + "\"");
        has(answer, "\"sealed\":false");
    }

    static void postSealed(HttpClient client, boolean expect) throws Exception {
        for (String[] change : CHANGES) {
            String body = "{\"currentPassword\":\"" + change[0] + "\",\"newPassword\":\"" + change[1] + "\"}";
            has(taken(client, json("/auth/password/change", body).expectContinue(expect).build()), "\"data\":{\"success\":true");
        }
    }

    /** The bytes of the portal's downloads. */
    static byte[] pattern() {
        byte[] data = new byte[LARGE];
        for (int n = 0; n < LARGE; n++) {
            data[n] = (byte) (n % 251);
        }
        return data;
    }

    static String digest(byte[] data) throws Exception {
        return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(data));
    }

    static void upload(HttpClient client, String method, BodyPublisher body, boolean expect) throws Exception {
        String answer = taken(client, request("/upload").method(method, body).expectContinue(expect).build());
        has(answer, "\"bytes\":" + LARGE);
        has(answer, "\"sha256\":\"" + digest(pattern()) + "\"");
    }

    static void download(HttpClient client) throws Exception {
        HttpRequest request = request("/download?bytes=" + LARGE).build();
        HttpResponse<byte[]> answer = client.send(request, BodyHandlers.ofByteArray());
        equal(answer.statusCode(), 200, "the status");
        equal(answer.headers().firstValueAsLong("content-length").orElse(-1), (long) LARGE, "content-length");
        equal(digest(answer.body()), digest(pattern()), "the digest");
    }

    static void events(HttpClient client) throws Exception {
        HttpRequest request = request("/events?count=" + EVENTS + "&interval_ms=" + INTERVAL_MS).build();
        List<Long> came = new ArrayList<>();
        client.send(request, BodyHandlers.ofLines()).body().filter(line -> line.startsWith("data:"))
                .forEach(line -> came.add(System.nanoTime() / 1_000_000));
        equal(came.size(), EVENTS, "the number of events");
        // Held back and sent in one go they would have no time between them; two by two, half of them would have none.
        int apart = 0;
        for (int n = 1; n < EVENTS; n++) {
            apart += came.get(n) - came.get(n - 1) >= 20 ? 1 : 0;
        }
        long whole = came.get(EVENTS - 1) - came.get(0);
        if (apart < EVENTS - 2 || whole < (EVENTS - 1) * INTERVAL_MS / 2) {
            throw new AssertionError("the events did not come one by one: " + apart + " apart, in " + whole + " ms");
        }
    }

    static void websocket(HttpClient client) throws Exception {
        CompletableFuture<String> text = new CompletableFuture<>();
        CompletableFuture<Integer> bytes = new CompletableFuture<>();
        CompletableFuture<Integer> closed = new CompletableFuture<>();
        WebSocket.Listener listener = new WebSocket.Listener() {
            int seen;

            @Override
            public CompletionStage<?> onText(WebSocket socket, CharSequence data, boolean last) {
                text.complete(data.toString());
                socket.request(1);
                return null;
            }

            @Override
            public CompletionStage<?> onBinary(WebSocket socket, ByteBuffer data, boolean last) {
                seen += data.remaining();
                if (last) {
                    bytes.complete(seen);
                }
                socket.request(1);
                return null;
            }

            @Override
            public CompletionStage<?> onClose(WebSocket socket, int code, String reason) {
                closed.complete(code);
                return null;
            }
        };
        URI uri = URI.create(base.replaceFirst("^http:", "ws:") + WEB + "/ws");
        WebSocket socket = client.newWebSocketBuilder().buildAsync(uri, listener).get(10, TimeUnit.SECONDS);
        socket.sendText("text, ä", true).get(10, TimeUnit.SECONDS);
        equal(text.get(10, TimeUnit.SECONDS), "text, ä", "the text");
        socket.sendBinary(ByteBuffer.wrap(pattern(), 0, 300_000), true).get(10, TimeUnit.SECONDS);
        equal(bytes.get(10, TimeUnit.SECONDS), 300_000, "the bytes");
        socket.sendClose(4321, "enough").get(10, TimeUnit.SECONDS);
        equal(closed.get(10, TimeUnit.SECONDS), 4321, "the close code");
    }

    static void keepAlive() throws Exception {
        HttpClient client = client(HttpClient.Version.HTTP_1_1);
        Set<String> before = connections();
        postJson(client);
        Set<String> first = connections();
        first.removeAll(before);
        equal(first.size(), 1, "the number of connections after one request");
        postJson(client);
        Set<String> second = connections();
        second.removeAll(before);
        equal(second, first, "the set of connections after two requests");
    }

    /** This process' connections to the proxy, by inode: the client itself does not tell. */
    static Set<String> connections() throws Exception {
        Set<String> own = new TreeSet<>();
        try (var files = Files.newDirectoryStream(Path.of("/proc/self/fd"))) {
            for (Path file : files) {
                try {
                    String target = Files.readSymbolicLink(file).toString();
                    if (target.startsWith("socket:[")) {
                        own.add(target.substring(8, target.length() - 1));
                    }
                } catch (java.nio.file.NoSuchFileException gone) {
                    // The directory's own descriptor.
                }
            }
        }
        String port = String.format(":%04X", URI.create(base).getPort());
        Set<String> found = new TreeSet<>();
        for (String table : List.of("/proc/self/net/tcp", "/proc/self/net/tcp6")) {
            for (String line : Files.readAllLines(Path.of(table))) {
                String[] fields = line.trim().split("\\s+");
                if (fields.length > 9 && fields[2].endsWith(port) && own.contains(fields[9])) {
                    found.add(fields[9]);
                }
            }
        }
        return found;
    }
}
