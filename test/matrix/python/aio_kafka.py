"""aiokafka in the client matrix: its coroutines run on a loop of their own thread."""

import asyncio
import threading

import aiokafka
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import for_code

import cell

loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()


def wait(coroutine):
    return asyncio.run_coroutine_threadsafe(asyncio.wait_for(coroutine, cell.LIMIT_S), loop).result()


def incoming(r):
    return cell.Record(r.key, r.value, r.timestamp, list(r.headers), r.partition, r.offset)


def check(code, *what):
    if code:
        raise for_code(code)(*what)


async def send(producer, topic, records):
    futures = [await producer.send(topic, r.value, r.key, timestamp_ms=r.time_ms, headers=r.headers or None) for r in records]
    await asyncio.gather(*futures)


class Member(cell.Member, ConsumerRebalanceListener):
    def __init__(self, make, topic):
        super().__init__()
        self.make, self.topic = make, topic
        self.thread.start()

    def on_partitions_assigned(self, assigned):
        self.gain((p.topic, p.partition) for p in assigned)

    def on_partitions_revoked(self, revoked):
        self.lose((p.topic, p.partition) for p in revoked)

    def poll(self):
        asyncio.run_coroutine_threadsafe(self.consume(), loop).result()

    async def consume(self):
        consumer = self.make()
        consumer.subscribe([self.topic], listener=self)
        await consumer.start()
        try:
            while not self.stopping.is_set():
                for records in (await consumer.getmany(timeout_ms=50)).values():
                    self.records += map(incoming, records)
                    await consumer.commit()
        finally:
            await consumer.stop()


class Transactional:
    def __init__(self, make):
        self.producer = wait(self.start(make))

    @staticmethod
    async def start(make):
        producer = make()
        await producer.start()
        return producer

    def begin(self):
        wait(self.producer.begin_transaction())

    def send(self, topic, records):
        wait(send(self.producer, topic, records))

    def commit(self):
        wait(self.producer.commit_transaction())

    def abort(self):
        wait(self.producer.abort_transaction())

    def close(self):
        wait(self.producer.stop())


class AIOKafka(cell.Client):
    idempotent = static = True

    def __init__(self, bootstrap, replicas):
        super().__init__(bootstrap, replicas)
        self.admin = wait(self.start_admin())

    async def start_admin(self):
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await admin.start()
        return admin

    def consumer(self, **more):
        return AIOKafkaConsumer(**{"bootstrap_servers": self.bootstrap, "auto_offset_reset": "earliest", "enable_auto_commit": False,
                                   "fetch_max_wait_ms": 200, "max_partition_fetch_bytes": 10 << 20, "metadata_max_age_ms": 2000} | more)

    def create_topic(self, topic, partitions, configs=None):
        done = wait(self.admin.create_topics([NewTopic(topic, partitions, self.replicas, topic_configs=configs or {})]))
        for name, code, *message in done.topic_errors:
            check(code, name, *message)

    def produce(self, topic, records, codec, idempotent=False, max_bytes=1_048_576):
        async def run():
            async with AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks="all", compression_type=None if codec == "none" else codec,
                                        enable_idempotence=idempotent, linger_ms=5, max_request_size=max_bytes) as p:
                await send(p, topic, records)

        wait(run())

    def read(self, topic, partitions, want, committed=True):
        async def run():
            async with self.consumer(isolation_level="read_committed" if committed else "read_uncommitted") as c:
                c.assign([TopicPartition(topic, p) for p in range(partitions)])
                got = []
                while len(got) < want:
                    for records in (await c.getmany(timeout_ms=100)).values():
                        got += map(incoming, records)
                return got

        return wait(run())

    def seek(self, topic, offsets):
        async def run():
            async with self.consumer() as c:
                p, got = TopicPartition(topic, 0), []
                c.assign([p])
                for o in offsets:
                    c.seek(p, o)
                    got.append(incoming(await c.getone(p)))
                return got

        return wait(run())

    def offset_at(self, topic, ms):
        async def run():
            async with self.consumer() as c:
                p = TopicPartition(topic, 0)
                found = (await c.offsets_for_times({p: ms}))[p]
                return found.offset if found else None

        return wait(run())

    def join(self, topic, group, instance=None):
        return Member(lambda: self.consumer(group_id=group, group_instance_id=instance, heartbeat_interval_ms=200, session_timeout_ms=30_000,
                                            partition_assignment_strategy=(RangePartitionAssignor,)), topic)

    def transactional(self, id_):
        return Transactional(lambda: AIOKafkaProducer(bootstrap_servers=self.bootstrap, transactional_id=id_, transaction_timeout_ms=60_000))

    def transform(self, source, sink, group, id_, want):
        t = self.transactional(id_)

        async def run():
            async with self.consumer(group_id=group, isolation_level="read_committed") as c:
                c.subscribe([source])
                p, done, first = TopicPartition(source, 0), 0, True
                while done < want:
                    batch = [incoming(r) for records in (await c.getmany(timeout_ms=100, max_records=want // 2)).values() for r in records]
                    if not batch:
                        continue
                    await t.producer.begin_transaction()
                    await send(t.producer, sink, [cell.Record(r.key, r.value) for r in batch])
                    await t.producer.send_offsets_to_transaction({p: batch[-1].offset + 1}, group)
                    if first:
                        await t.producer.abort_transaction()
                        c.seek(p, 0)
                        first = False
                        continue
                    await t.producer.commit_transaction()
                    done += len(batch)

        wait(run())
        t.close()

    def list_topics(self):
        return wait(self.admin.list_topics())

    def partitions(self, topic):
        return len(wait(self.admin.describe_topics([topic]))[0]["partitions"])

    def delete_topic(self, topic):
        for name, code, *_ in wait(self.admin.delete_topics([topic])).topic_error_codes:
            check(code, name)

    def alter_config(self, topic, key, value):
        [done] = wait(self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, {key: value})]))
        for code, message, *_ in done.resources:
            check(code, message)

    def describe_config(self, topic, key):
        [described] = wait(self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))
        code, message, _, _, entries = described.resources[0][:5]
        check(code, message)
        return next(e[1] for e in entries if e[0] == key)

    def create_partitions(self, topic, total):
        for name, code, message in wait(self.admin.create_partitions({topic: NewPartitions(total)})).topic_errors:
            check(code, name, message)

    def list_groups(self):
        return {g[0] for g in wait(self.admin.list_consumer_groups())}

    def describe_group(self, group):
        [response] = wait(self.admin.describe_consumer_groups([group]))
        code, _, state, _, _, members, *_ = response.groups[0]
        check(code, group)
        return state.lower(), len(members)

    def fetch_offset(self, group, topic, partition):
        found = wait(self.admin.list_consumer_group_offsets(group)).get(TopicPartition(topic, partition))
        return found.offset if found and found.offset >= 0 else None

    def bounds(self, topic):
        async def run():
            async with self.consumer() as c:
                p = TopicPartition(topic, 0)
                return (await c.beginning_offsets([p]))[p], (await c.end_offsets([p]))[p]

        return wait(run())

    def commit_offset(self, group, topic, partition, offset):
        async def run():
            async with self.consumer(group_id=group) as c:
                p = TopicPartition(topic, partition)
                c.assign([p])
                await c.commit({p: offset})

        wait(run())

    def delete_records(self, topic, before):
        wait(self.admin.delete_records({TopicPartition(topic, 0): RecordsToDelete(before)}))

    def cluster(self):
        d = wait(self.admin.describe_cluster())
        return len(d["brokers"]), d["controller_id"]


cell.main(AIOKafka, aiokafka.__version__)
