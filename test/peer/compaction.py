"""Reads a topic from its first offset to the last record of each partition. Usage: compaction.py BOOTSTRAP TOPIC PREFIX

PREFIX begins the keys of the last records. Prints a line for each record: partition, offset, key and value, separated by tabs; a tombstone's value is null.
The last line is ok.
"""

import sys

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

bootstrap, topic, prefix = sys.argv[1:]
consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": topic + "-readers", "enable.auto.commit": False, "check.crcs": True})
partitions = set(consumer.list_topics(topic, 60).topics[topic].partitions)
consumer.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in partitions])
ended = set()
while ended < partitions:
    for message in consumer.consume(500, 0.2):
        if message.error():
            raise KafkaException(message.error())
        key, value = message.key().decode(), "null" if message.value() is None else message.value().decode()
        print(message.partition(), message.offset(), key, value, sep="\t")
        if key.startswith(prefix):
            ended.add(message.partition())
for p in consumer.position([TopicPartition(topic, p) for p in partitions]):
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, p.partition), 60)
    assert high == p.offset, f"partition {p.partition}: the position is {p.offset}, the end {high}"
consumer.close()
print("ok")
