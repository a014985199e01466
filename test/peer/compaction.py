"""Reads a topic from its first offset to where nothing comes for some seconds. Usage: compaction.py BOOTSTRAP TOPIC SECONDS

Prints a line for each record: partition, offset, key and value, separated by tabs; a tombstone's value is null. The last line is ok.
"""

import sys
import time

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

bootstrap, topic, seconds = sys.argv[1], sys.argv[2], float(sys.argv[3])
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic + "-readers", "enable.auto.commit": False, "check.crcs": True})
partitions = consumer.list_topics(topic, 10).topics[topic].partitions
consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
last = time.monotonic()
while time.monotonic() - last < seconds:
    for message in consumer.consume(500, 0.2):
        if message.error():
            raise KafkaException(message.error())
        value = "null" if message.value() is None else message.value().decode()
        print(message.partition(), message.offset(), message.key().decode(), value, sep="\t")
        last = time.monotonic()
# The end of the log was reached, though its last records may have been compacted away.
for p in consumer.position([TopicPartition(topic, p) for p in partitions]):
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, p.partition), 10)
    assert high in (0, p.offset), f"partition {p.partition}: the position is {p.offset}, the end {high}"
consumer.close()
print("ok")
