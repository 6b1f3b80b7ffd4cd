package oracle;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestInputTopic;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.SessionWindows;
import org.apache.kafka.streams.kstream.SlidingWindows;
import org.apache.kafka.streams.kstream.StreamJoined;
import org.apache.kafka.streams.kstream.Suppressed;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.test.TestRecord;

/**
 * The other side of the engine benchmark: topologies as a user would write them, run by the library's driver. Reads lines
 * {@code WORKLOAD FILE} and answers each with {"name", "records", "ms", "cpuMs"}; a file has a record per line: topic, key, value and
 * timestamp, with tabs between them.
 *
 * <p>{@code oracle bench app WORKLOAD BOOTSTRAP APPLICATION-ID RECORDS} runs a workload against a broker, exactly once and on one thread,
 * until it has processed so many records, those of repartition topics counted too; answers {"ms", "cpuMs", "memoryMb"}. The time begins with
 * the first record and ends when all is committed; CPU is that of the whole process.
 */
final class Bench {
    private static final Serde<String> TEXT = Serdes.String();

    private Bench() { }

    static void main(String[] args) throws Exception {
        if (args.length > 0 && args[0].equals("app")) {
            System.out.println(Json.text(app(args[1], args[2], args[3], Long.parseLong(args[4]))));
            System.exit(0);
        }
        BufferedReader asked = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = asked.readLine(); line != null; line = asked.readLine()) {
            String[] words = line.split(" ", 2);
            System.out.println(Json.text(once(words[0], Path.of(words[1]))));
        }
        System.exit(0);
    }

    private static Properties config(String bootstrap, String applicationId) throws IOException {
        Properties props = new Properties();
        props.put(StreamsConfig.APPLICATION_ID_CONFIG, applicationId);
        props.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        props.put(StreamsConfig.STATE_DIR_CONFIG, Files.createTempDirectory("oracle-bench").toString());
        props.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, TEXT.getClass());
        props.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, TEXT.getClass());
        return props;
    }

    private static OperatingSystemMXBean system() {
        return (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    }

    private static ObjectNode app(String name, String bootstrap, String applicationId, long expected) throws Exception {
        Properties props = config(bootstrap, applicationId);
        props.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        props.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        props.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        KafkaStreams streams = new KafkaStreams(topology(name), props);
        streams.start();
        long began = 0;
        for (long processed = 0; processed < expected; Thread.sleep(5)) {
            processed = streams.metrics().values().stream()
                .filter(metric -> metric.metricName().name().equals("process-total") && metric.metricName().group().equals("stream-thread-metrics"))
                .mapToLong(metric -> ((Double) metric.metricValue()).longValue()).sum();
            if (began == 0 && processed > 0) {
                began = System.nanoTime();
            }
            if (streams.state() == KafkaStreams.State.ERROR) {
                throw new IllegalStateException("the application has failed");
            }
        }
        streams.close(Duration.ofSeconds(60));
        ObjectNode result = Json.object();
        result.put("ms", (System.nanoTime() - began) / 1e6);
        result.put("cpuMs", system().getProcessCpuTime() / 1e6);
        String status = Files.readString(Path.of("/proc/self/status"));
        result.put("memoryMb", Long.parseLong(status.replaceAll("(?s).*VmHWM:\\s*(\\d+) kB.*", "$1")) / 1024);
        return result;
    }

    private static ObjectNode once(String name, Path file) throws IOException {
        OperatingSystemMXBean system = system();
        try (TopologyTestDriver driver = new TopologyTestDriver(topology(name), config("localhost:1", "bench"), Instant.EPOCH)) {
            Map<String, TestInputTopic<byte[], byte[]>> topics = new HashMap<>();
            List<TestInputTopic<byte[], byte[]>> to = new ArrayList<>();
            List<TestRecord<byte[], byte[]>> records = new ArrayList<>();
            for (String line : Files.readAllLines(file)) {
                String[] parts = line.split("\t");
                to.add(topics.computeIfAbsent(parts[0], t -> driver.createInputTopic(t, new ByteArraySerializer(), new ByteArraySerializer())));
                byte[] key = parts[1].isEmpty() ? null : parts[1].getBytes(StandardCharsets.UTF_8);
                records.add(new TestRecord<>(key, parts[2].getBytes(StandardCharsets.UTF_8), Instant.ofEpochMilli(Long.parseLong(parts[3]))));
            }
            long cpu = system.getProcessCpuTime();
            long began = System.nanoTime();
            for (int i = 0; i < records.size(); i++) {
                to.get(i).pipeInput(records.get(i));
            }
            ObjectNode result = Json.object();
            result.put("name", name);
            result.put("records", records.size());
            result.put("ms", (System.nanoTime() - began) / 1e6);
            result.put("cpuMs", (system.getProcessCpuTime() - cpu) / 1e6);
            return result;
        }
    }

    private static Topology topology(String name) {
        StreamsBuilder builder = new StreamsBuilder();
        Produced<String, Long> counts = Produced.with(TEXT, Serdes.Long());
        switch (name) {
            case "filter-map" -> builder.<String, String>stream("in").filter((key, value) -> value.length() > 3)
                .mapValues(value -> value.toUpperCase()).to("out");
            case "word-count" -> builder.<String, String>stream("in").flatMapValues(line -> Arrays.asList(line.split(" ")))
                .groupBy((key, word) -> word, Grouped.as("by-word")).count(Materialized.as("counts")).toStream().to("out", counts);
            case "tumbling-count" -> windowed(counted(builder).windowedBy(TimeWindows.ofSizeAndGrace(seconds(10), seconds(1)))
                .count(Materialized.as("counts")), 10);
            case "hopping-count" -> windowed(counted(builder).windowedBy(TimeWindows.ofSizeAndGrace(seconds(10), seconds(1))
                .advanceBy(seconds(1))).count(Materialized.as("counts")), 10);
            case "sliding-count" -> windowed(counted(builder)
                .windowedBy(SlidingWindows.ofTimeDifferenceAndGrace(seconds(10), seconds(1))).count(Materialized.as("counts")), 10);
            case "session-count" -> counted(builder).windowedBy(SessionWindows.ofInactivityGapAndGrace(seconds(5), seconds(1)))
                .count(Materialized.as("counts")).toStream()
                .to("out", Produced.with(WindowedSerdes.sessionWindowedSerdeFrom(String.class), Serdes.Long()));
            case "suppressed-count" -> windowed(counted(builder).windowedBy(TimeWindows.ofSizeAndGrace(seconds(10), seconds(1)))
                .count(Materialized.as("counts")).suppress(Suppressed.untilWindowCloses(Suppressed.BufferConfig.unbounded())), 10);
            case "stream-table-join" -> {
                KTable<String, String> users = builder.table("users", Materialized.as("users"));
                builder.<String, String>stream("in").join(users, (click, user) -> click + " by " + user).to("out");
            }
            case "stream-stream-join" -> {
                KStream<String, String> other = builder.stream("other");
                builder.<String, String>stream("in").join(other, (one, two) -> one + " and " + two,
                    JoinWindows.ofTimeDifferenceAndGrace(seconds(1), seconds(1)), StreamJoined.with(TEXT, TEXT, TEXT)
                        .withName("pairs").withStoreName("pairs")).to("out");
            }
            case "foreign-key-join" -> {
                KTable<String, String> users = builder.table("users", Materialized.as("users"));
                KTable<String, String> orders = builder.table("in", Materialized.as("orders"));
                orders.join(users, order -> order.substring(0, order.indexOf(' ')), (order, user) -> order + " for " + user,
                    Materialized.as("joined")).toStream().to("out");
            }
            default -> throw new IllegalArgumentException("no workload is called " + name);
        }
        return builder.build();
    }

    private static KGroupedStream<String, String> counted(StreamsBuilder builder) {
        return builder.stream("in", Consumed.with(TEXT, TEXT)).groupByKey();
    }

    private static void windowed(KTable<Windowed<String>, Long> counts, int sizeSeconds) {
        counts.toStream().to("out", Produced.with(
            WindowedSerdes.timeWindowedSerdeFrom(String.class, 1000L * sizeSeconds), Serdes.Long()));
    }

    private static Duration seconds(int count) {
        return Duration.ofSeconds(count);
    }
}
