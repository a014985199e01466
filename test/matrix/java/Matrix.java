import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Random;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ListOffsetsResult;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * kafka-clients in the client matrix: see weir/test/matrix, and go/cell, which tells the same. Compiled once against the oldest version of
 * the library, and run with each; what is newer is in Newer, which is loaded by name where the library has it. Arguments: BOOTSTRAP REPLICAS.
 */
public final class Matrix {
    static final long LIMIT_MS = 90_000;
    static final int KEYS = 10, GROUP_PARTITIONS = 6;

    interface Feature {
        void run(String name) throws Exception;
    }

    /** What only newer versions of the library have. */
    interface Extras {
        Map<String, Feature> features(Matrix m);
    }

    final String bootstrap;
    final short replicas;
    final Admin admin;

    Matrix(String bootstrap, short replicas) {
        this.bootstrap = bootstrap;
        this.replicas = replicas;
        admin = Admin.create(config());
    }

    public static void main(String[] args) throws Exception {
        Matrix m = new Matrix(args[0], Short.parseShort(args[1]));
        Map<String, Feature> features = m.features();
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] words = line.split(" ");
            if (words[0].equals("features")) {
                System.out.println("features " + version() + " " + String.join(" ", features.keySet()));
                continue;
            }
            try {
                features.get(words[0]).run(words[1]);
                System.out.println(words[0] + " ok");
            } catch (Throwable e) {
                e.printStackTrace();
                System.out.println(words[0] + " failed: " + e.toString().replace("\n", " | "));
            }
        }
        System.exit(0); // members that a failure left behind are not waited for
    }

    /** The library's version; the class that tells it moved in 4.4. */
    static String version() throws Exception {
        Properties p = new Properties();
        p.load(Matrix.class.getResourceAsStream("/kafka/kafka-version.properties"));
        return p.getProperty("version");
    }

    Map<String, Feature> features() throws Exception {
        Map<String, Feature> f = new LinkedHashMap<>();
        for (String codec : Arrays.asList("none", "gzip", "snappy", "lz4", "zstd")) {
            f.put(codec, name -> roundTrip(name, "compression.type", codec, "enable.idempotence", "false",
                "max.in.flight.requests.per.connection", "1"));
        }
        f.put("idempotent", name -> roundTrip(name, "enable.idempotence", "true"));
        f.put("headers", this::headers);
        f.put("large", this::large);
        f.put("seek", this::seek);
        f.put("times", this::times);
        f.put("group", name -> group(name, true));
        f.put("cooperative", name -> group(name, true, "partition.assignment.strategy", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor"));
        f.put("static", this::staticMembership);
        f.put("txn-commit", this::commit);
        f.put("txn-abort", this::abort);
        f.put("txn-fencing", this::fencing);
        f.put("txn-offsets", this::transform);
        f.put("admin-topics", this::topics);
        f.put("admin-configs", this::configs);
        f.put("admin-partitions", this::partitions);
        f.put("admin-groups", this::groups);
        f.put("admin-offsets", this::offsets);
        f.put("admin-records", this::records);
        f.put("admin-cluster", this::cluster);
        if (has("org.apache.kafka.clients.consumer.GroupProtocol")) {
            f.put("kip848", name -> group(name, false, "group.protocol", "consumer"));
        }
        if (has("org.apache.kafka.clients.consumer.KafkaShareConsumer") && has("org.apache.kafka.clients.consumer.SubscriptionPattern")) {
            f.putAll(((Extras) Class.forName("Newer").getDeclaredConstructor().newInstance()).features(this));
        }
        return f;
    }

    static boolean has(String className) {
        try {
            Class.forName(className);
            return true;
        } catch (ClassNotFoundException e) {
            return false;
        }
    }

    // The clients.

    Properties config(String... more) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        for (int i = 0; i < more.length; i += 2) {
            p.put(more[i], more[i + 1]);
        }
        return p;
    }

    KafkaProducer<byte[], byte[]> producer(String... more) {
        Properties p = config("acks", "all", "linger.ms", "5", "delivery.timeout.ms", "60000", "request.timeout.ms", "20000");
        p.putAll(config(more));
        return new KafkaProducer<>(p, new ByteArraySerializer(), new ByteArraySerializer());
    }

    Properties consumerConfig(String... more) {
        Properties p = config("auto.offset.reset", "earliest", "enable.auto.commit", "false", "fetch.max.wait.ms", "200",
            "max.partition.fetch.bytes", String.valueOf(10 << 20), "metadata.max.age.ms", "2000");
        p.putAll(config(more));
        return p;
    }

    KafkaConsumer<byte[], byte[]> consumer(String... more) {
        return new KafkaConsumer<>(consumerConfig(more), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    // Records.

    static byte[] bytes(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    static List<ProducerRecord<byte[], byte[]>> numbered(String topic, int first, int count) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        String padding = String.join("", Collections.nCopies(30, "weir "));
        for (int n = first; n < first + count; n++) {
            records.add(new ProducerRecord<>(topic, bytes("key-" + n % KEYS), bytes(n + " " + padding)));
        }
        return records;
    }

    static int number(ConsumerRecord<byte[], byte[]> r) {
        return Integer.parseInt(new String(r.value(), StandardCharsets.UTF_8).split(" ")[0]);
    }

    static void check(boolean ok, String what) {
        if (!ok) {
            throw new AssertionError(what);
        }
    }

    /** Each numbered record came once, and in order within each key. */
    static void exactly(Collection<ConsumerRecord<byte[], byte[]>> records, int first, int count) {
        Set<Integer> seen = new HashSet<>();
        Map<String, Integer> last = new HashMap<>();
        List<ConsumerRecord<byte[], byte[]>> sorted = new ArrayList<>(records);
        sorted.sort(Comparator.comparing((ConsumerRecord<byte[], byte[]> r) -> r.partition()).thenComparing(r -> r.offset()));
        for (ConsumerRecord<byte[], byte[]> r : sorted) {
            int n = number(r);
            String key = new String(r.key(), StandardCharsets.UTF_8);
            check(n >= first && n < first + count && seen.add(n), "record " + n + " is foreign or came twice");
            check(key.equals("key-" + n % KEYS) && last.getOrDefault(key, -1) < n, key + ": " + n + " after " + last.get(key));
            last.put(key, n);
        }
        check(seen.size() == count, seen.size() + " of " + count + " records came");
    }

    /** Polls until condition returns null; what it returns else is why not. */
    static void until(String what, Callable<Object> condition) throws Exception {
        long end = System.currentTimeMillis() + LIMIT_MS;
        while (true) {
            Object state;
            try {
                state = condition.call();
            } catch (Exception e) {
                state = e;
            }
            if (state == null) {
                return;
            }
            check(System.currentTimeMillis() < end, what + ": still " + state);
            Thread.sleep(10);
        }
    }

    interface Attempt {
        void run() throws Exception;
    }

    static void refused(String what, Attempt attempt) {
        try {
            attempt.run();
        } catch (Exception e) {
            return;
        }
        throw new AssertionError("not refused: " + what);
    }

    static void send(KafkaProducer<byte[], byte[]> p, List<ProducerRecord<byte[], byte[]>> records) throws Exception {
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> r : records) {
            sent.add(p.send(r));
        }
        p.flush();
        for (Future<RecordMetadata> f : sent) {
            f.get();
        }
    }

    void produce(List<ProducerRecord<byte[], byte[]>> records, String... config) throws Exception {
        try (KafkaProducer<byte[], byte[]> p = producer(config)) {
            send(p, records);
        }
    }

    List<ConsumerRecord<byte[], byte[]>> read(String topic, int partitions, int want, String isolation) {
        List<ConsumerRecord<byte[], byte[]>> got = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> c = consumer("isolation.level", isolation)) {
            List<TopicPartition> all = new ArrayList<>();
            for (int p = 0; p < partitions; p++) {
                all.add(new TopicPartition(topic, p));
            }
            c.assign(all);
            c.seekToBeginning(all);
            for (long end = System.currentTimeMillis() + LIMIT_MS; got.size() < want;) {
                check(System.currentTimeMillis() < end, got.size() + " of " + want + " records");
                c.poll(Duration.ofMillis(100)).forEach(got::add);
            }
        }
        return got;
    }

    List<ConsumerRecord<byte[], byte[]>> read(String topic, int partitions, int want) {
        return read(topic, partitions, want, "read_committed");
    }

    void create(String topic, int partitions, String... configs) throws Exception {
        Map<String, String> settings = new HashMap<>();
        for (int i = 0; i < configs.length; i += 2) {
            settings.put(configs[i], configs[i + 1]);
        }
        admin.createTopics(Collections.singleton(new NewTopic(topic, partitions, replicas).configs(settings))).all().get();
    }

    void roundTrip(String name, String... config) throws Exception {
        create(name, 3);
        produce(numbered(name, 0, 300), config);
        exactly(read(name, 3, 300), 0, 300);
    }

    void headers(String name) throws Exception {
        create(name, 1);
        long base = 1_700_000_000_000L;
        List<ProducerRecord<byte[], byte[]>> sent = Arrays.asList(
            new ProducerRecord<>(name, 0, base, bytes("k"), bytes("v"), Arrays.<Header>asList(
                new RecordHeader("a", bytes("1")), new RecordHeader("b", new byte[] {0, -1, 10}), new RecordHeader("a", bytes("2")))),
            new ProducerRecord<>(name, 0, base + 5, bytes("tombstone"), null, Collections.<Header>singleton(new RecordHeader("null", (byte[]) null))),
            new ProducerRecord<>(name, 0, base + 3, null, bytes("no key")),
            new ProducerRecord<>(name, 0, base + 1_000_000, new byte[0], new byte[0], Collections.<Header>singleton(new RecordHeader("ü", bytes("✓")))));
        produce(sent);
        List<ConsumerRecord<byte[], byte[]>> got = read(name, 1, sent.size());
        for (int i = 0; i < sent.size(); i++) {
            ProducerRecord<byte[], byte[]> want = sent.get(i);
            ConsumerRecord<byte[], byte[]> g = got.get(i);
            check(Arrays.equals(want.key(), g.key()) && Arrays.equals(want.value(), g.value()) && want.timestamp() == g.timestamp()
                && Arrays.equals(want.headers().toArray(), g.headers().toArray()), "record " + i + " is " + g);
        }
    }

    void large(String name) throws Exception {
        create(name, 1, "max.message.bytes", String.valueOf(8 << 20));
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        Random random = new Random(1);
        for (int i = 0; i < 3; i++) {
            byte[] value = new byte[(3 << 20) + i];
            random.nextBytes(value);
            sent.add(new ProducerRecord<>(name, bytes("" + i), value));
        }
        String limit = String.valueOf(8 << 20);
        produce(sent, "max.request.size", limit);
        for (ConsumerRecord<byte[], byte[]> r : read(name, 1, 3)) {
            check(Arrays.equals(r.value(), sent.get(Integer.parseInt(new String(r.key()))).value()), "a large record is not what was sent");
        }
        create(name + "-small", 1);
        refused("a record over the topic's limit", () -> produce(Collections.singletonList(
            new ProducerRecord<>(name + "-small", sent.get(0).value())), "max.request.size", limit));
    }

    void seek(String name) throws Exception {
        create(name, 1);
        produce(numbered(name, 0, 100));
        TopicPartition p = new TopicPartition(name, 0);
        try (KafkaConsumer<byte[], byte[]> c = consumer("max.poll.records", "1")) {
            c.assign(Collections.singleton(p));
            for (long o : new long[] {60, 10, 99, 0}) {
                c.seek(p, o);
                ConsumerRecords<byte[], byte[]> got = c.poll(Duration.ofSeconds(20));
                check(got.count() == 1 && got.iterator().next().offset() == o, "after seeking to " + o + " came " + got.count() + " records");
            }
            c.seekToEnd(Collections.singleton(p));
            check(c.position(p) == 100, "the end is " + c.position(p));
        }
    }

    void times(String name) throws Exception {
        create(name, 1);
        long base = 1_700_000_000_000L;
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> r : numbered(name, 0, 50)) {
            records.add(new ProducerRecord<>(name, 0, base + 60_000L * records.size(), r.key(), r.value()));
        }
        produce(records);
        TopicPartition p = new TopicPartition(name, 0);
        try (KafkaConsumer<byte[], byte[]> c = consumer()) {
            for (long[] t : new long[][] {{-3_600_000, 0}, {0, 0}, {1_200_000, 20}, {1_200_001, 21}, {49 * 60_000, 49}, {50 * 60_000, -1}}) {
                OffsetAndTimestamp got = c.offsetsForTimes(Collections.singletonMap(p, base + t[0])).get(p);
                check((got == null ? -1 : got.offset()) == t[1], "the offset at " + t[0] + " is " + got);
            }
        }
    }

    // Groups.

    /** A member that polls in a thread of its own and commits what it got. */
    static final class Member implements ConsumerRebalanceListener {
        final Consumer<byte[], byte[]> consumer;
        final Set<TopicPartition> owned = ConcurrentHashMap.newKeySet();
        final List<ConsumerRecord<byte[], byte[]>> records = new CopyOnWriteArrayList<>();
        final Thread thread = new Thread(this::run);
        volatile int lost;
        volatile boolean stopping;
        volatile Throwable error;

        Member(Consumer<byte[], byte[]> consumer) {
            this.consumer = consumer;
        }

        Member start() {
            thread.setDaemon(true);
            thread.start();
            return this;
        }

        private void run() {
            try {
                while (!stopping) {
                    List<ConsumerRecord<byte[], byte[]>> got = new ArrayList<>();
                    consumer.poll(Duration.ofMillis(50)).forEach(got::add);
                    records.addAll(got);
                    if (!got.isEmpty()) {
                        consumer.commitSync();
                    }
                }
                consumer.close();
            } catch (Throwable e) {
                error = e;
            }
        }

        @Override
        public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
            owned.addAll(partitions);
        }

        @Override
        public synchronized void onPartitionsRevoked(Collection<TopicPartition> partitions) {
            lost += partitions.size();
            owned.removeAll(partitions);
        }

        Set<TopicPartition> assigned() {
            if (error != null) {
                throw new RuntimeException(error);
            }
            return owned;
        }

        void leave() throws Exception {
            stopping = true;
            thread.join(20_000);
            check(!thread.isAlive(), "the member does not end");
            assigned();
        }
    }

    Member join(String topic, String group, String... more) {
        Properties p = consumerConfig("group.id", group);
        p.putAll(config(more));
        if (!p.containsKey("group.protocol")) {
            p.put("heartbeat.interval.ms", "200");
            p.put("session.timeout.ms", "30000");
            if (!p.containsKey("partition.assignment.strategy")) {
                p.put("partition.assignment.strategy", "org.apache.kafka.clients.consumer.RangeAssignor");
            }
        }
        Member m = new Member(new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer()));
        m.consumer.subscribe(Collections.singleton(topic), m);
        return m.start();
    }

    static void settled(String what, List<Member> members, Integer... counts) throws Exception {
        until(what, () -> {
            List<Integer> got = members.stream().map(m -> m.assigned().size()).sorted().collect(Collectors.toList());
            Set<TopicPartition> all = members.stream().flatMap(m -> m.assigned().stream()).collect(Collectors.toSet());
            return got.equals(Arrays.asList(counts)) && all.size() == GROUP_PARTITIONS ? null : got;
        });
    }

    static void readAll(List<Member> members, int first, int count, int skip) throws Exception {
        Callable<List<ConsumerRecord<byte[], byte[]>>> got = () -> {
            List<ConsumerRecord<byte[], byte[]>> all = new ArrayList<>();
            for (Member m : members) {
                m.assigned();
                all.addAll(m.records.subList(skip, m.records.size()));
            }
            return all;
        };
        until("reading", () -> got.call().size() >= count ? null : got.call().size() + " of " + count + " records");
        exactly(got.call(), first, count);
    }

    void group(String name, boolean classic, String... more) throws Exception {
        create(name, GROUP_PARTITIONS);
        boolean keeps = more.length > 0;
        Member a = join(name, name, more);
        settled("one member", Arrays.asList(a), 6);
        Member b = join(name, name, more);
        settled("two members", Arrays.asList(a, b), 3, 3);
        check(!keeps || a.lost == 3, "the first member lost " + a.lost + " partitions when the second joined");
        produce(numbered(name, 0, 600));
        readAll(Arrays.asList(a, b), 0, 600, 0);
        b.leave();
        settled("one member left", Arrays.asList(a), 6);
        check(!keeps || a.lost == 3, "the first member lost " + a.lost + " partitions, the second's leaving included");
        int before = a.records.size();
        produce(numbered(name, 600, 200));
        readAll(Arrays.asList(a), 600, 200, before);
        a.leave();
        produce(numbered(name, 800, 50));
        Member c = join(name, name, more);
        readAll(Arrays.asList(c), 800, 50, 0);
        c.leave();
    }

    void staticMembership(String name) throws Exception {
        create(name, GROUP_PARTITIONS);
        Member a = join(name, name, "group.instance.id", "one");
        settled("one member", Arrays.asList(a), 6);
        Member b = join(name, name, "group.instance.id", "two");
        settled("two members", Arrays.asList(a, b), 3, 3);
        Set<TopicPartition> owned = new HashSet<>(a.assigned());
        int lost = b.lost;
        a.leave();
        Member again = join(name, name, "group.instance.id", "one");
        settled("the first member is back", Arrays.asList(again, b), 3, 3);
        check(again.assigned().equals(owned), "the member that came back owns " + again.assigned() + ", before " + owned);
        check(b.lost == lost, "the other member lost partitions meanwhile");
        produce(numbered(name, 0, 100));
        readAll(Arrays.asList(again, b), 0, 100, 0);
        again.leave();
        b.leave();
    }

    // Transactions.

    KafkaProducer<byte[], byte[]> transactional(String id) {
        KafkaProducer<byte[], byte[]> p = producer("transactional.id", id, "transaction.timeout.ms", "60000");
        p.initTransactions();
        return p;
    }

    void committedAre(String topic, int first, int count) {
        exactly(read(topic, 1, count), first, count);
    }

    void commit(String name) throws Exception {
        create(name, 1);
        try (KafkaProducer<byte[], byte[]> p = transactional(name)) {
            for (int i = 0; i < 3; i++) {
                p.beginTransaction();
                send(p, numbered(name, 20 * i, 20));
                p.commitTransaction();
            }
        }
        committedAre(name, 0, 60);
    }

    void abort(String name) throws Exception {
        create(name, 1);
        try (KafkaProducer<byte[], byte[]> p = transactional(name)) {
            p.beginTransaction();
            send(p, numbered(name, 0, 20));
            p.abortTransaction();
            p.beginTransaction();
            send(p, numbered(name, 20, 20));
            p.commitTransaction();
        }
        committedAre(name, 20, 20);
        exactly(read(name, 1, 40, "read_uncommitted"), 0, 40);
    }

    void fencing(String name) throws Exception {
        create(name, 1);
        KafkaProducer<byte[], byte[]> first = transactional(name);
        first.beginTransaction();
        send(first, numbered(name, 0, 20));
        try (KafkaProducer<byte[], byte[]> second = transactional(name)) {
            refused("a commit by the producer that was replaced", first::commitTransaction);
            second.beginTransaction();
            send(second, numbered(name, 20, 20));
            second.commitTransaction();
        }
        first.close(Duration.ZERO);
        committedAre(name, 20, 20);
    }

    void transform(String name) throws Exception {
        String from = name + "-from", to = name + "-to";
        create(from, 1);
        create(to, 1);
        produce(numbered(from, 0, 60));
        TopicPartition p = new TopicPartition(from, 0);
        try (KafkaConsumer<byte[], byte[]> c = consumer("group.id", name, "isolation.level", "read_committed", "max.poll.records", "30");
            KafkaProducer<byte[], byte[]> t = transactional(name)) {
            c.subscribe(Collections.singleton(from));
            boolean first = true;
            for (int done = 0; done < 60;) {
                ConsumerRecords<byte[], byte[]> got = c.poll(Duration.ofSeconds(1));
                if (got.isEmpty()) {
                    continue;
                }
                t.beginTransaction();
                List<ProducerRecord<byte[], byte[]>> out = new ArrayList<>();
                got.forEach(r -> out.add(new ProducerRecord<>(to, r.key(), r.value())));
                send(t, out);
                t.sendOffsetsToTransaction(Collections.singletonMap(p, new OffsetAndMetadata(c.position(p))), c.groupMetadata());
                if (first) {
                    t.abortTransaction();
                    c.seek(p, 0);
                    first = false;
                    continue;
                }
                t.commitTransaction();
                done += got.count();
            }
        }
        committedAre(to, 0, 60);
        check(fetchOffset(name, p) == 60, "the group's offset is " + fetchOffset(name, p));
    }

    // Administration.

    int partitionsOf(String topic) throws Exception {
        try (KafkaConsumer<byte[], byte[]> c = consumer()) { // describeTopics changed its names between 2.8 and 4
            return c.partitionsFor(topic).size();
        }
    }

    void topics(String name) throws Exception {
        create(name, 4, "cleanup.policy", "compact");
        refused("a second topic of the same name", () -> create(name, 4));
        refused("a topic with a slash", () -> create("no topic/name", 1));
        until("listed", () -> admin.listTopics().names().get().contains(name) ? null : "not listed");
        check(partitionsOf(name) == 4, "the topic has " + partitionsOf(name) + " partitions");
        admin.deleteTopics(Collections.singleton(name)).all().get();
        until("deleted", () -> admin.listTopics().names().get().contains(name) ? "still listed" : null);
    }

    void alterConfig(ConfigResource.Type type, String name, String key, String value) throws Exception {
        admin.incrementalAlterConfigs(Collections.singletonMap(new ConfigResource(type, name),
            Collections.singleton(new AlterConfigOp(new ConfigEntry(key, value), AlterConfigOp.OpType.SET)))).all().get();
    }

    void configs(String name) throws Exception {
        create(name, 1, "retention.ms", "3600000");
        ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, name);
        Callable<Config> described = () -> admin.describeConfigs(Collections.singleton(topic)).all().get().get(topic);
        String[][] want = {{"retention.ms", "3600000"}, {"segment.bytes", "1073741824"}, {"retention.ms", "7200000"}};
        for (int i = 0; i < want.length; i++) {
            String[] w = want[i];
            if (i == 2) {
                alterConfig(ConfigResource.Type.TOPIC, name, w[0], w[1]);
            }
            until(w[0], () -> described.call().get(w[0]).value().equals(w[1]) ? null : described.call().get(w[0]));
        }
        check(described.call().get("retention.ms").source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, "" + described.call().get("retention.ms"));
        refused("retention.ms=often", () -> alterConfig(ConfigResource.Type.TOPIC, name, "retention.ms", "often"));
    }

    void partitions(String name) throws Exception {
        create(name, 2);
        admin.createPartitions(Collections.singletonMap(name, NewPartitions.increaseTo(5))).all().get();
        until("five partitions", () -> partitionsOf(name) == 5 ? null : partitionsOf(name));
        refused("fewer partitions", () -> admin.createPartitions(Collections.singletonMap(name, NewPartitions.increaseTo(3))).all().get());
    }

    ConsumerGroupDescription describeGroup(String group) throws Exception {
        return admin.describeConsumerGroups(Collections.singleton(group)).all().get().get(group);
    }

    Set<String> listGroups() throws Exception {
        return admin.listConsumerGroups().all().get().stream().map(g -> g.groupId()).collect(Collectors.toCollection(TreeSet::new));
    }

    void groups(String name) throws Exception {
        create(name, GROUP_PARTITIONS);
        Member m = join(name, name);
        settled("one member", Arrays.asList(m), 6);
        until("stable", () -> {
            ConsumerGroupDescription d = describeGroup(name);
            return d.state().toString().equals("Stable") && d.members().size() == 1 ? null : d;
        });
        check(listGroups().contains(name), "the group is not listed");
        refused("deleting a group with a member", () -> admin.deleteConsumerGroups(Collections.singleton(name)).all().get());
        produce(numbered(name, 0, 50));
        readAll(Arrays.asList(m), 0, 50, 0);
        m.leave();
        until("empty", () -> describeGroup(name).state().toString().equals("Empty") ? null : describeGroup(name));
        admin.deleteConsumerGroups(Collections.singleton(name)).all().get();
        until("deleted", () -> listGroups().contains(name) ? "still listed" : null);
    }

    long fetchOffset(String group, TopicPartition p) throws Exception {
        OffsetAndMetadata found = admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(p);
        return found == null ? -1 : found.offset();
    }

    void offsets(String name) throws Exception {
        create(name, 2);
        TopicPartition p0 = new TopicPartition(name, 0), p1 = new TopicPartition(name, 1);
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        offsets.put(p0, new OffsetAndMetadata(17));
        offsets.put(p1, new OffsetAndMetadata(4, "note"));
        until("commit", () -> { // the topic may not be known everywhere yet
            admin.alterConsumerGroupOffsets(name, offsets).all().get();
            return null;
        });
        check(fetchOffset(name, p0) == 17 && fetchOffset(name, p1) == 4, "the offsets are " + fetchOffset(name, p0) + ", " + fetchOffset(name, p1));
        admin.deleteConsumerGroupOffsets(name, Collections.singleton(p0)).all().get();
        check(fetchOffset(name, p0) == -1 && fetchOffset(name, p1) == 4, "the offsets are " + fetchOffset(name, p0) + ", " + fetchOffset(name, p1));
    }

    long offset(TopicPartition p, OffsetSpec spec) throws Exception {
        ListOffsetsResult.ListOffsetsResultInfo info = admin.listOffsets(Collections.singletonMap(p, spec)).partitionResult(p).get();
        return info.offset();
    }

    void records(String name) throws Exception {
        create(name, 1);
        produce(numbered(name, 0, 100));
        TopicPartition p = new TopicPartition(name, 0);
        check(offset(p, OffsetSpec.earliest()) == 0 && offset(p, OffsetSpec.latest()) == 100, "the log's bounds");
        admin.deleteRecords(Collections.singletonMap(p, RecordsToDelete.beforeOffset(40))).all().get();
        until("bounds", () -> offset(p, OffsetSpec.earliest()) == 40 ? null : offset(p, OffsetSpec.earliest()));
        refused("deleting records beyond the end",
            () -> admin.deleteRecords(Collections.singletonMap(p, RecordsToDelete.beforeOffset(1000))).all().get());
        exactly(read(name, 1, 60), 40, 60);
    }

    void cluster(String name) throws Exception {
        int brokers = admin.describeCluster().nodes().get().size();
        check(brokers == replicas, brokers + " brokers");
        check(admin.describeCluster().controller().get() != null, "no controller");
        check(!admin.describeCluster().clusterId().get().isEmpty(), "no cluster id");
    }
}
