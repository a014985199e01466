"""The story of package peer, told with librdkafka. Usage: librdkafka.py BOOTSTRAP TOPIC REPLICAS"""

import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

bootstrap, topic, replicas = sys.argv[1], sys.argv[2], int(sys.argv[3])
GROUP = topic + "-group"
PARTITIONS, KEYS, DEADLINE = 6, 50, 60


def create():
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, PARTITIONS, replicas)])[topic].result(30)
    end = time.monotonic() + 30
    while len(getattr(admin.list_topics(topic, 10).topics[topic], "partitions", {})) != PARTITIONS:
        assert time.monotonic() < end, "the topic does not show its partitions"
    try:
        admin.create_topics([NewTopic(topic, PARTITIONS, replicas)])[topic].result(30)
    except KafkaException as e:
        assert e.args[0].name() == "TOPIC_ALREADY_EXISTS", e
    else:
        raise AssertionError("a second topic of the same name was made")


def produce(first, count):
    failures, acked = [], 0

    def delivered(err, _):
        nonlocal acked
        if err is None:
            acked += 1
        else:
            failures.append(err)

    producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "linger.ms": 5, "compression.type": "lz4"})
    for i in range(first, first + count):
        producer.produce(topic, key=f"key-{i % KEYS}", value=str(i), on_delivery=delivered)
        producer.poll(0)
    assert producer.flush(60) == 0, "records are left in the queue"
    assert not failures and acked == count, (failures[:3], acked)


def consumer():
    return Consumer({
        "bootstrap.servers": bootstrap, "group.id": GROUP, "auto.offset.reset": "earliest", "enable.auto.commit": False,
        "heartbeat.interval.ms": 500, "session.timeout.ms": 10000,
    })


def read(members, want):
    """Polls all members until want records came; returns them per member in order, after each committed what it read."""
    got = [[] for _ in members]
    end = time.monotonic() + DEADLINE
    while sum(map(len, got)) < want or any(not m.assignment() for m in members):
        assert time.monotonic() < end, f"{sum(map(len, got))} of {want} records; assignments {[len(m.assignment()) for m in members]}"
        for records, member in zip(got, members):
            for message in member.consume(500, 0.1):
                if message.error():
                    raise KafkaException(message.error())
                records.append((message.partition(), message.offset(), message.key().decode(), int(message.value())))
            if records:
                # The position of the last record of each partition that this member still owns.
                owned = {(a.topic, a.partition) for a in member.assignment()}
                last = {p: o for p, o, _, _ in records if (topic, p) in owned}
                if last:
                    member.commit(offsets=[TopicPartition(topic, p, o + 1) for p, o in last.items()], asynchronous=False)
    return got


def check(got, first, count):
    records = [r for part in got for r in part]
    assert sorted(v for _, _, _, v in records) == list(range(first, first + count)), "a record is lost, doubled or foreign"
    by_key = {}
    for _, _, key, value in sorted(records, key=lambda r: (r[0], r[1])):
        assert by_key.get(key, -1) < value, f"{key}: {value} after {by_key[key]}"
        by_key[key] = value
        assert key == f"key-{value % KEYS}"


create()
members = [consumer() for _ in range(3)]
for member in members:
    member.subscribe([topic])
# All three own partitions before the first record is there, so that a rebalance cannot deliver anything twice.
end = time.monotonic() + DEADLINE
while sorted(len(m.assignment()) for m in members) != [2, 2, 2]:
    assert time.monotonic() < end, [len(m.assignment()) for m in members]
    for member in members:
        assert member.poll(0.1) is None
produce(0, 3000)
got = read(members, 3000)
assert all(got), "a member got nothing"
check(got, 0, 3000)
committed = members[0].committed([TopicPartition(topic, p) for p in range(PARTITIONS)], 10)
assert sum(c.offset for c in committed if c.offset > 0) == 3000, committed
for member in members:
    member.close()

produce(3000, 1000)
late = consumer()
late.subscribe([topic])
check(read([late], 1000), 3000, 1000)
low_high = [late.get_watermark_offsets(TopicPartition(topic, p), 10) for p in range(PARTITIONS)]
assert sum(high - low for low, high in low_high) == 4000, low_high
late.close()

admin = AdminClient({"bootstrap.servers": bootstrap})
admin.delete_topics([topic])[topic].result(30)
end = time.monotonic() + 30
while topic in admin.list_topics(timeout=10).topics:
    assert time.monotonic() < end, "the deleted topic is still listed"
print("ok")
