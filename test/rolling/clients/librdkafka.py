"""What Rolling.java does, with librdkafka."""
import sys
import threading
import time

from confluent_kafka import Consumer, Producer, TopicPartition

bootstrap, topic, name, partitions, per_second = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]), int(sys.argv[5])
over = threading.Event()
turn = threading.Lock()


def say(line):
    with turn:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def read():
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": name, "enable.auto.commit": False, "auto.offset.reset": "error"})
    consumer.assign([TopicPartition(topic, p, 0) for p in range(partitions)])
    while not over.is_set():
        for m in consumer.consume(500, 0.1):
            if m.error() is None:
                say(f"R {m.partition()} {m.offset()} {m.value().decode()}")
            elif not m.error().retriable() and m.error().code() > 0:
                say(f"E reader {m.error()}")
    consumer.close()


def end():
    sys.stdin.read()
    over.set()


threading.Thread(target=end, daemon=True).start()
reader = threading.Thread(target=read)
reader.start()
producer = Producer({"bootstrap.servers": bootstrap, "enable.idempotence": True, "acks": "all", "linger.ms": 2})


def acknowledged(value, sent):
    def told(err, m):
        if err is not None:
            say(f"E {value} {err}")
        else:
            say(f"A {m.partition()} {m.offset()} {value} {int((time.monotonic() - sent) * 1e6)}")

    return told


begin, n = time.monotonic(), 0
while not over.is_set():
    wait = begin + n / per_second - time.monotonic()
    producer.poll(max(wait, 0))
    while begin + n / per_second > time.monotonic():
        producer.poll(0.001)
    value = f"{name}/{n}"
    producer.produce(topic, value.encode(), partition=n % partitions, on_delivery=acknowledged(value, time.monotonic()))
    n += 1
producer.flush()
reader.join()
