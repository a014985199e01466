import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** What only the newest version of the library has; compiled against that one. */
public final class Newer implements Matrix.Extras {
    @Override
    public Map<String, Matrix.Feature> features(Matrix m) {
        Map<String, Matrix.Feature> f = new LinkedHashMap<>();
        f.put("kip848-regex", name -> pattern(m, name));
        f.put("share", name -> share(m, name));
        return f;
    }

    static void pattern(Matrix m, String name) throws Exception {
        String[] topics = {name + "-a1", name + "-b", name + "-a2"};
        for (String topic : topics) {
            m.create(topic, 1);
        }
        Properties p = m.consumerConfig("group.id", name, "group.protocol", "consumer");
        Matrix.Member member = new Matrix.Member(new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer()));
        member.consumer.subscribe(new SubscriptionPattern(name + "-a[0-9]"), member);
        member.start();
        Matrix.until("two topics match", () -> member.assigned().size() == 2 ? null : member.assigned());
        for (int i = 0; i < topics.length; i++) {
            m.produce(Matrix.numbered(topics[i], 10 * i, 10));
        }
        Matrix.until("reading", () -> member.records.size() >= 20 ? null : member.records.size());
        for (ConsumerRecord<byte[], byte[]> r : member.records) {
            Matrix.check(Matrix.number(r) / 10 != 1, "a record of the topic that does not match came");
        }
        member.leave();
    }

    static void share(Matrix m, String name) throws Exception {
        m.create(name, 2);
        m.produce(Matrix.numbered(name, 0, 100));
        m.alterConfig(ConfigResource.Type.GROUP, name, "share.auto.offset.reset", "earliest");
        List<KafkaShareConsumer<byte[], byte[]>> members = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            KafkaShareConsumer<byte[], byte[]> c = new KafkaShareConsumer<>(
                m.config("group.id", name, "share.acknowledgement.mode", "explicit", "max.poll.records", "20"),
                new ByteArrayDeserializer(), new ByteArrayDeserializer());
            c.subscribe(Collections.singleton(name));
            members.add(c);
        }
        Map<Integer, ConsumerRecord<byte[], byte[]>> accepted = new HashMap<>();
        for (long end = System.currentTimeMillis() + Matrix.LIMIT_MS; accepted.size() < 100;) {
            Matrix.check(System.currentTimeMillis() < end, accepted.size() + " of 100 records were accepted");
            for (KafkaShareConsumer<byte[], byte[]> c : members) {
                for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofMillis(100))) {
                    int n = Matrix.number(r), deliveries = r.deliveryCount().get();
                    if (n % 7 == 0 && deliveries == 1) {
                        c.acknowledge(r, AcknowledgeType.RELEASE);
                        continue;
                    }
                    Matrix.check(deliveries == (n % 7 == 0 ? 2 : 1), "record " + n + " has the delivery count " + deliveries);
                    Matrix.check(accepted.put(n, r) == null, "record " + n + " came again after it was accepted");
                    c.acknowledge(r, AcknowledgeType.ACCEPT);
                }
                c.commitSync().values().forEach(e -> e.ifPresent(x -> {
                    throw x;
                }));
            }
        }
        members.forEach(KafkaShareConsumer::close);
        Matrix.exactly(accepted.values(), 0, 100);
    }
}
