"""librdkafka through its Python wheel, confluent-kafka, in the client matrix."""

import time

import confluent_kafka
from confluent_kafka import (AcknowledgeType, Consumer, ConsumerGroupTopicPartitions, KafkaException, Producer, ShareConsumer, TopicPartition,
                             OFFSET_BEGINNING)
from confluent_kafka.admin import (AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewPartitions, NewTopic, OffsetSpec,
                                   ResourceType)

import cell


def incoming(m):
    if m.error():
        raise KafkaException(m.error())
    return cell.Record(m.key(), m.value(), m.timestamp()[1], m.headers() or [], m.partition(), m.offset())


def send(producer, topic, records):
    failures, acked = [], []

    def delivered(err, m):
        (failures if err else acked).append(err or m)

    for r in records:
        more = {} if r.time_ms is None else {"timestamp": r.time_ms}
        producer.produce(topic, key=r.key, value=r.value, headers=r.headers or None, on_delivery=delivered, **more)
        producer.poll(0)
    if producer.flush(30) or failures or len(acked) != len(records):
        raise RuntimeError(f"{len(acked)} of {len(records)} records acked; {failures[:1]}")


def commit(consumer, m):
    """Commits until it counts: a member whose epoch just changed is told so (STALE_MEMBER_EPOCH), by partition only."""
    end = time.monotonic() + 10
    while any(p.error for p in consumer.commit(m, asynchronous=False)):
        assert time.monotonic() < end, "the commit does not succeed"
        time.sleep(0.05)


class Member(cell.Member):
    def __init__(self, consumer, topic):
        super().__init__()
        self.consumer = consumer
        names = lambda ps: [(p.topic, p.partition) for p in ps]  # noqa: E731
        consumer.subscribe([topic], on_assign=lambda _, ps: self.gain(names(ps)), on_revoke=lambda _, ps: self.lose(names(ps)),
                           on_lost=lambda _, ps: self.lose(names(ps)))
        self.thread.start()

    def poll(self):
        while not self.stopping.is_set():
            for m in self.consumer.consume(500, 0.05):
                self.records.append(incoming(m))
                commit(self.consumer, m)
        self.consumer.close()


class Shared:
    def __init__(self, consumer, topic):
        self.consumer = consumer
        consumer.subscribe([topic])

    def poll(self, each):
        for m in self.consumer.poll(0.1):
            count = getattr(m, "delivery_count", lambda: None)()
            ok = each(incoming(m), count)
            self.consumer.acknowledge(m, AcknowledgeType.ACCEPT if ok else AcknowledgeType.RELEASE)
        for error in self.consumer.commit_sync(10).values():
            if error:
                raise error

    def close(self):
        self.consumer.close()


class Transactional:
    def __init__(self, config):
        self.producer = Producer(config)
        self.producer.init_transactions(20)
        self.begin, self.commit, self.abort = (getattr(self.producer, m + "_transaction") for m in ("begin", "commit", "abort"))

    def send(self, topic, records):
        send(self.producer, topic, records)

    def close(self):
        self.producer.flush(5)


class Librdkafka(cell.Client):
    idempotent = cooperative = static = server = pattern = True

    def __init__(self, bootstrap, replicas):
        super().__init__(bootstrap, replicas)
        self.admin = AdminClient(self.config())

    def config(self, **more):
        return {"bootstrap.servers": self.bootstrap, "topic.metadata.refresh.fast.interval.ms": 50} | {k.replace("_", "."): v for k, v in more.items()}

    def consumer(self, **more):
        return Consumer(self.config(**{"group_id": "nobody", "auto_offset_reset": "earliest", "enable_auto_commit": False, "fetch_wait_max_ms": 200,
                                       "fetch_message_max_bytes": 10 << 20} | more))

    def create_topic(self, topic, partitions, configs=None):
        self.admin.create_topics([NewTopic(topic, partitions, self.replicas, config=configs or {})])[topic].result(30)

    def produce(self, topic, records, codec, idempotent=False, max_bytes=1_000_000):
        send(Producer(self.config(compression_type=codec, enable_idempotence=idempotent, linger_ms=5, message_max_bytes=max_bytes,
                                  max_in_flight=5 if idempotent else 1)), topic, records)

    def read(self, topic, partitions, want, committed=True):
        c = self.consumer(isolation_level="read_committed" if committed else "read_uncommitted")
        c.assign([TopicPartition(topic, p, OFFSET_BEGINNING) for p in range(partitions)])
        got, end = [], time.monotonic() + cell.LIMIT_S
        while len(got) < want:
            assert time.monotonic() < end, f"{len(got)} of {want} records"
            got += map(incoming, c.consume(want - len(got), 0.1))
        c.close()
        return got

    def seek(self, topic, offsets):
        c = self.consumer()
        c.assign([TopicPartition(topic, 0, offsets[0])])
        got = []
        for i, o in enumerate(offsets):
            if i:
                c.seek(TopicPartition(topic, 0, o))
            got.append(incoming(c.poll(20)))
        c.close()
        return got

    def offset_at(self, topic, ms):
        c = self.consumer()
        [found] = c.offsets_for_times([TopicPartition(topic, 0, ms)], 20)
        c.close()
        return found.offset if found.offset >= 0 else -1

    def join(self, topic, group, cooperative=False, server=False, instance=None, pattern=None):
        more = {"group_protocol": "consumer"} if server else {"heartbeat_interval_ms": 200, "session_timeout_ms": 30_000}
        if cooperative:
            more["partition_assignment_strategy"] = "cooperative-sticky"
        if instance:
            more["group_instance_id"] = instance
        return Member(self.consumer(group_id=group, **more), f"^{pattern}$" if pattern else topic)

    def share_members(self, topic, group, count):
        entry = ConfigEntry("share.auto.offset.reset", "earliest", incremental_operation=AlterConfigOpType.SET)
        [done] = self.admin.incremental_alter_configs([ConfigResource(ResourceType.GROUP, group, incremental_configs=[entry])]).values()
        done.result(20)
        return [Shared(ShareConsumer(self.config(group_id=group) | {"share.acknowledgement.mode": "explicit", "max.poll.records": 20}), topic)
                for _ in range(count)]

    def transactional(self, id_):
        return Transactional(self.config(transactional_id=id_, transaction_timeout_ms=60_000))

    def transform(self, source, sink, group, id_, want):
        c, t = self.consumer(group_id=group, isolation_level="read_committed"), self.transactional(id_)
        c.subscribe([source])
        done, first = 0, True
        while done < want:
            batch = []
            while len(batch) < want // 2:
                m = c.poll(20)
                assert m, "no record came"
                batch.append(incoming(m))
            t.begin()
            t.send(sink, [cell.Record(r.key, r.value) for r in batch])
            t.producer.send_offsets_to_transaction([TopicPartition(source, 0, batch[-1].offset + 1)], c.consumer_group_metadata(), 20)
            if first:
                t.abort()
                c.seek(TopicPartition(source, 0, 0))
                first = False
                continue
            t.commit()
            done += len(batch)
        c.close()

    def list_topics(self):
        return set(self.admin.list_topics(timeout=20).topics)

    def partitions(self, topic):
        return len(self.admin.list_topics(topic, timeout=20).topics[topic].partitions)

    def delete_topic(self, topic):
        self.admin.delete_topics([topic])[topic].result(20)

    def alter_config(self, topic, key, value):
        entry = ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
        [done] = self.admin.incremental_alter_configs([ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])]).values()
        done.result(20)

    def describe_config(self, topic, key):
        [described] = self.admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
        return described.result(20)[key].value

    def create_partitions(self, topic, total):
        self.admin.create_partitions([NewPartitions(topic, total)])[topic].result(20)

    def list_groups(self):
        return {g.group_id for g in self.admin.list_consumer_groups().result(20).valid}

    def describe_group(self, group):
        g = self.admin.describe_consumer_groups([group])[group].result(20)
        return g.state.name.lower(), len(g.members)

    def delete_group(self, group):
        self.admin.delete_consumer_groups([group])[group].result(20)

    def commit_offset(self, group, topic, partition, offset):
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition, offset)])
        [p] = self.admin.alter_consumer_group_offsets([wanted])[group].result(20).topic_partitions
        if p.error:
            raise KafkaException(p.error)

    def fetch_offset(self, group, topic, partition):
        wanted = ConsumerGroupTopicPartitions(group, [TopicPartition(topic, partition)])
        [p] = self.admin.list_consumer_group_offsets([wanted])[group].result(20).topic_partitions
        if p.error:
            raise KafkaException(p.error)
        return p.offset if p.offset >= 0 else None

    def bounds(self, topic):
        at = lambda spec: list(self.admin.list_offsets({TopicPartition(topic, 0): spec}).values())[0].result(20).offset  # noqa: E731
        return at(OffsetSpec.earliest()), at(OffsetSpec.latest())

    def delete_records(self, topic, before):
        [done] = self.admin.delete_records([TopicPartition(topic, 0, before)]).values()
        done.result(20)

    def cluster(self):
        d = self.admin.describe_cluster().result(20)
        assert d.cluster_id, "the cluster has no id"
        return len(d.nodes), d.controller.id


cell.main(Librdkafka, confluent_kafka.__version__)
