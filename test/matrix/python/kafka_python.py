"""kafka-python in the client matrix."""

import time

import kafka
from kafka import ConsumerRebalanceListener, KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor

import cell


def incoming(r):
    return cell.Record(r.key, r.value, r.timestamp, r.headers, r.partition, r.offset)


def send(producer, topic, records):
    futures = [producer.send(topic, value=r.value, key=r.key, headers=r.headers, timestamp_ms=r.time_ms) for r in records]
    producer.flush(30)
    for f in futures:
        f.get(30)


class Member(cell.Member, ConsumerRebalanceListener):
    def __init__(self, consumer, topic):
        super().__init__()
        self.consumer, self.topic = consumer, topic
        self.thread.start()

    def on_partitions_assigned(self, assigned):
        self.gain((p.topic, p.partition) for p in assigned)

    def on_partitions_revoked(self, revoked):
        self.lose((p.topic, p.partition) for p in revoked)

    def poll(self):
        # A leader that assigns before it knows the topic's partitions assigns none, and now and then stays with that, on Apache Kafka too.
        cell.until("partitions", lambda: bool(self.consumer.partitions_for_topic(self.topic)))
        self.consumer.subscribe([self.topic], listener=self)
        while not self.stopping.is_set():
            for records in self.consumer.poll(500).values():
                self.records += map(incoming, records)
                self.consumer.commit()
        self.consumer.close()


class Transactional:
    def __init__(self, config):
        self.producer = KafkaProducer(**config)
        self.producer.init_transactions()
        self.begin, self.commit, self.abort = (getattr(self.producer, m + "_transaction") for m in ("begin", "commit", "abort"))

    def send(self, topic, records):
        send(self.producer, topic, records)

    def close(self):
        self.producer.close(timeout=5)


class KafkaPython(cell.Client):
    idempotent = cooperative = static = True

    def __init__(self, bootstrap, replicas):
        super().__init__(bootstrap, replicas)
        self.admin = KafkaAdminClient(**self.config())

    def config(self, **more):
        return {"bootstrap_servers": self.bootstrap.split(",")} | more

    def consumer(self, **more):
        return KafkaConsumer(**self.config(**{"auto_offset_reset": "earliest", "enable_auto_commit": False, "fetch_max_wait_ms": 200,
                                              "metadata_max_age_ms": 5000, "max_partition_fetch_bytes": 10 << 20} | more))

    def create_topic(self, topic, partitions, configs=None):
        self.admin.create_topics({topic: {"num_partitions": partitions, "replication_factor": self.replicas, "configs": configs or {}}},
                                 wait_for_metadata=True)

    def produce(self, topic, records, codec, idempotent=False, max_bytes=1_048_576):
        p = KafkaProducer(**self.config(acks="all", compression_type=None if codec == "none" else codec, enable_idempotence=idempotent, linger_ms=5,
                                        max_request_size=max_bytes, delivery_timeout_ms=60_000, request_timeout_ms=20_000,
                                        max_in_flight_requests_per_connection=5 if idempotent else 1))
        try:
            send(p, topic, records)
        finally:
            p.close(timeout=5)

    def read(self, topic, partitions, want, committed=True):
        c = self.consumer(isolation_level="read_committed" if committed else "read_uncommitted")
        c.assign([TopicPartition(topic, p) for p in range(partitions)])
        got, end = [], time.monotonic() + cell.LIMIT_S
        while len(got) < want:
            assert time.monotonic() < end, f"{len(got)} of {want} records"
            for records in c.poll(100).values():
                got += map(incoming, records)
        c.close()
        return got

    def seek(self, topic, offsets):
        c, p = self.consumer(), TopicPartition(topic, 0)
        c.assign([p])
        got = []
        for o in offsets:
            c.seek(p, o)
            got.append(incoming(next(c)))
        c.close()
        return got

    def offset_at(self, topic, ms):
        c, p = self.consumer(), TopicPartition(topic, 0)
        found = c.offsets_for_times({p: ms})[p]
        c.close()
        return found.offset if found else None

    def join(self, topic, group, cooperative=False, instance=None):
        assignor = CooperativeStickyAssignor if cooperative else RangePartitionAssignor
        return Member(self.consumer(group_id=group, heartbeat_interval_ms=200, session_timeout_ms=30_000, group_instance_id=instance,
                                    partition_assignment_strategy=[assignor]), topic)

    def transactional(self, id_):
        return Transactional(self.config(transactional_id=id_, transaction_timeout_ms=60_000))

    def transform(self, source, sink, group, id_, want):
        c, t = self.consumer(group_id=group, isolation_level="read_committed", max_poll_records=want // 2), self.transactional(id_)
        c.subscribe([source])
        p, done, first = TopicPartition(source, 0), 0, True
        while done < want:
            batch = [incoming(r) for records in c.poll(1000).values() for r in records]
            if not batch:
                continue
            t.begin()
            t.send(sink, [cell.Record(r.key, r.value) for r in batch])
            t.producer.send_offsets_to_transaction({p: OffsetAndMetadata(batch[-1].offset + 1, "", -1)}, c.group_metadata())
            if first:
                t.abort()
                c.seek(p, 0)
                first = False
                continue
            t.commit()
            done += len(batch)
        t.close()
        c.close()

    def list_topics(self):
        return self.admin.list_topics()

    def partitions(self, topic):
        return len(self.admin.describe_topics([topic])[0]["partitions"])

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])

    def alter_config(self, topic, key, value):
        done = self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {key: value})])
        if done["topic"][topic] not in (None, "OK") and "NoError" not in str(done["topic"][topic]):
            raise RuntimeError(done)

    def describe_config(self, topic, key):
        described = self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)], config_filter="all")
        return described["topic"][topic][key]["value"]

    def create_partitions(self, topic, total):
        self.admin.create_partitions({topic: total})

    def list_groups(self):
        return {g["group_id"] for g in self.admin.list_groups()}

    def describe_group(self, group):
        g = self.admin.describe_groups([group])[group]
        return g["group_state"].lower(), len(g["members"])

    def delete_group(self, group):
        done = self.admin.delete_groups([group])
        if done[group] != "OK":
            raise RuntimeError(done)

    def commit_offset(self, group, topic, partition, offset):
        for error in self.admin.alter_group_offsets(group, {TopicPartition(topic, partition): OffsetAndMetadata(offset, "", -1)}).values():
            if error is not kafka.errors.NoError:
                raise error

    def fetch_offset(self, group, topic, partition):
        found = self.admin.list_group_offsets(group)[group].get(TopicPartition(topic, partition))
        return found.offset if found and found.offset >= 0 else None

    def delete_offset(self, group, topic, partition):
        for error in self.admin.delete_group_offsets(group, [TopicPartition(topic, partition)]).values():
            if error is not kafka.errors.NoError:
                raise error

    def bounds(self, topic):
        p = TopicPartition(topic, 0)
        return self.admin.list_partition_offsets({p: -2})[p].offset, self.admin.list_partition_offsets({p: -1})[p].offset

    def delete_records(self, topic, before):
        self.admin.delete_records({TopicPartition(topic, 0): before}, timeout_ms=30_000)

    def cluster(self):
        d = self.admin.describe_cluster()
        return len(d["brokers"]), d["controller_id"]


cell.main(KafkaPython, kafka.__version__)
