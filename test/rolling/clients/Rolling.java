import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * Sends one record after the other to all partitions in turn, and reads them all, until its input ends. It prints what it was told:
 * "A partition offset value micros" for an acknowledgement, "E value error" for a failed send, "R partition offset value" for a record.
 */
public class Rolling {
  private static final PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
  private static volatile boolean over;

  public static void main(String[] args) throws Exception {
    String bootstrap = args[0], topic = args[1], name = args[2];
    int partitions = Integer.parseInt(args[3]), perSecond = Integer.parseInt(args[4]);
    Thread reader = new Thread(() -> read(bootstrap, topic, partitions));
    reader.start();
    Thread end = new Thread(() -> {
      try {
        while (System.in.read() >= 0) {}
      } catch (Exception e) {
        // the end all the same
      }
      over = true;
    });
    end.setDaemon(true);
    end.start();
    Properties p = new Properties();
    p.put("bootstrap.servers", bootstrap);
    p.put("acks", "all");
    p.put("enable.idempotence", "true");
    p.put("linger.ms", "2");
    p.put("key.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    p.put("value.serializer", "org.apache.kafka.common.serialization.StringSerializer");
    try (KafkaProducer<String, String> producer = new KafkaProducer<>(p)) {
      long begin = System.nanoTime();
      for (int n = 0; !over; n++) {
        long due = begin + n * 1_000_000_000L / perSecond, wait = due - System.nanoTime();
        if (wait > 0) Thread.sleep(wait / 1_000_000, (int) (wait % 1_000_000));
        String value = name + "/" + n;
        long sent = System.nanoTime();
        producer.send(new ProducerRecord<>(topic, n % partitions, null, value), (m, e) -> {
          if (e != null) say("E " + value + " " + e);
          else say("A " + m.partition() + " " + m.offset() + " " + value + " " + (System.nanoTime() - sent) / 1000);
        });
      }
    }
    reader.join();
    out.flush();
  }

  private static void read(String bootstrap, String topic, int partitions) {
    Properties p = new Properties();
    p.put("bootstrap.servers", bootstrap);
    p.put("auto.offset.reset", "none");
    p.put("key.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    p.put("value.deserializer", "org.apache.kafka.common.serialization.StringDeserializer");
    try (KafkaConsumer<String, String> consumer = new KafkaConsumer<>(p)) {
      List<TopicPartition> all = new ArrayList<>();
      for (int i = 0; i < partitions; i++) all.add(new TopicPartition(topic, i));
      consumer.assign(all);
      for (TopicPartition tp : all) consumer.seek(tp, 0);
      while (!over) {
        for (ConsumerRecord<String, String> r : consumer.poll(Duration.ofMillis(100))) {
          say("R " + r.partition() + " " + r.offset() + " " + r.value());
        }
      }
    } catch (RuntimeException e) {
      say("E reader " + e);
    }
  }

  private static synchronized void say(String line) {
    out.println(line);
    out.flush();
  }
}
