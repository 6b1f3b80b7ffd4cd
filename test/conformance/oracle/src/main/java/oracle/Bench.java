package oracle;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Pipes the records of scenarios through the library's driver, several times, and prints one line of JSON per run.
 *
 * usage: oracle bench SCENARIOS.jsonl RUNS     {"name", "run", "records", "ms"}; the first runs warm the JVM up
 */
final class Bench {
    private Bench() { }

    static void main(String[] args) throws Exception {
        int runs = Integer.parseInt(args[1]);
        List<JsonNode> scenarios = Main.read(Path.of(args[0]));
        for (int run = 0; run < runs; run++) {
            for (JsonNode scenario : scenarios) {
                ObjectNode result = Json.object();
                result.put("name", scenario.get("name").asText());
                result.put("run", run);
                result.put("records", scenario.get("events").size());
                result.put("ms", once((ObjectNode) scenario));
                System.out.println(Json.text(result));
            }
        }
        System.exit(0);
    }

    private static double once(ObjectNode scenario) throws Exception {
        Path stateDir = Files.createTempDirectory("oracle-bench");
        Properties props = Runner.config(scenario, "localhost:1", "app", stateDir);
        try (TopologyTestDriver driver = new TopologyTestDriver(Runner.topology(scenario, props, Json.object()), props, Instant.EPOCH)) {
            Map<String, TestInputTopic<byte[], byte[]>> topics = new HashMap<>();
            List<TestRecord<byte[], byte[]>> records = new ArrayList<>();
            List<TestInputTopic<byte[], byte[]>> to = new ArrayList<>();
            for (JsonNode e : scenario.get("events")) {
                String topic = e.get("topic").asText();
                JsonNode serdes = scenario.path("topics").get(topic);
                to.add(topics.computeIfAbsent(topic, t -> driver.createInputTopic(t, new ByteArraySerializer(), new ByteArraySerializer())));
                records.add(new TestRecord<>(bytes(topic, serdes.get(0), e.get("k")), bytes(topic, serdes.get(1), e.get("v")),
                    Instant.ofEpochMilli(e.get("ts").asLong())));
            }
            long began = System.nanoTime();
            for (int i = 0; i < records.size(); i++) {
                to.get(i).pipeInput(records.get(i));
            }
            return (System.nanoTime() - began) / 1e6;
        } finally {
            Expr.drainLog();
        }
    }

    /** Texts only: what the benchmarks need. */
    private static byte[] bytes(String topic, JsonNode serde, JsonNode value) {
        if (value == null || value.isNull()) {
            return null;
        }
        if (!serde.asText().equals("string")) {
            throw new IllegalArgumentException("a benchmark's inputs are strings, not " + serde + " (" + topic + ")");
        }
        return value.asText().getBytes(StandardCharsets.UTF_8);
    }
}
