"""The features of the client matrix, for the clients that are written in Python. See weir/test/matrix, and go/cell, which tells the same.

A client's program subclasses Client; a method or a flag that it does not define is something that its library cannot do.
"""

import hashlib
import sys
import threading
import time
import traceback

LIMIT_S = 90
KEYS, GROUP_PARTITIONS = 10, 6


class Record:
    """What is sent and what is read. A key or value of None is null; a time (ms) of None leaves it to the client."""

    def __init__(self, key, value, time_ms=None, headers=(), partition=0, offset=0):
        self.key, self.value, self.time_ms, self.headers = key, value, time_ms, list(headers)
        self.partition, self.offset = partition, offset


class Client:
    """One library. Topics get the cluster's replication factor, acks are all."""

    def __init__(self, bootstrap, replicas):
        self.bootstrap, self.replicas = bootstrap, replicas


# What a feature needs of its client, beside create_topic, produce and read.
NEEDS = {
    "none": [], "gzip": [], "snappy": [], "lz4": [], "zstd": [], "idempotent": ["idempotent"], "headers": [], "large": [],
    "seek": ["seek"], "times": ["offset_at"], "group": ["join"], "cooperative": ["join", "cooperative"], "static": ["join", "static"],
    "kip848": ["join", "server"], "kip848-regex": ["join", "pattern"], "share": ["share_members"],
    "txn-commit": ["transactional"], "txn-abort": ["transactional"], "txn-fencing": ["transactional"], "txn-offsets": ["transform"],
    "admin-topics": ["list_topics", "delete_topic"], "admin-configs": ["alter_config"], "admin-partitions": ["create_partitions"],
    "admin-groups": ["join", "delete_group"], "admin-offsets": ["commit_offset"], "admin-records": ["delete_records"],
    "admin-cluster": ["cluster"],
}


class Member:
    """A member of a group that polls in a thread, and commits what it got. poll() is the subclass's, and ends when stopping is set."""

    def __init__(self):
        self.owned, self.records, self.lost, self.error = set(), [], 0, None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self):
        try:
            self.poll()
        except Exception as e:  # noqa: BLE001: whatever it was, leave() tells it
            self.error = e

    def gain(self, partitions):
        self.owned |= set(partitions)

    def lose(self, partitions):
        gone = self.owned & set(partitions)
        self.lost += len(gone)
        self.owned -= gone

    def assigned(self):
        if self.error:
            raise self.error
        return sorted(self.owned)

    def leave(self):
        self.stopping.set()
        self.thread.join(20)
        assert not self.thread.is_alive(), "the member does not end"
        if self.error:
            raise self.error


def numbered(first, count):
    return [Record(b"key-%d" % (n % KEYS), b"%d " % n + b"weir " * 30) for n in range(first, first + count)]


def number(record):
    return int(record.value.split(b" ")[0])


def exactly(records, first, count):
    """Each numbered record came once, and in order within each key."""
    numbers = sorted(number(r) for r in records)
    assert numbers == list(range(first, first + count)), f"records {numbers[:3]}..{numbers[-3:]}, {len(numbers)} in all; want {count} from {first}"
    last = {}
    for r in sorted(records, key=lambda r: (r.partition, r.offset)):
        assert r.key == b"key-%d" % (number(r) % KEYS) and last.get(r.key, -1) < number(r), f"{r.key}: {number(r)} after {last.get(r.key)}"
        last[r.key] = number(r)


def until(what, condition):
    """Polls until condition returns True, an error or another value being why it is not."""
    end = time.monotonic() + LIMIT_S
    while True:
        try:
            state = condition()
        except Exception as e:  # noqa: BLE001: asked again until the time is over
            state = repr(e)
        if state is True:
            return
        assert time.monotonic() < end, f"{what}: still {state}"
        time.sleep(0.01)


def refused(what, call):
    try:
        call()
    except Exception:  # noqa: BLE001: every library has its own
        return
    raise AssertionError(f"not refused: {what}")


class Run:
    """One cell: a client, and a name that nobody else uses."""

    def __init__(self, client, name):
        self.c, self.name = client, name

    def round_trip(self, **how):
        self.c.create_topic(self.name, 3)
        self.c.produce(self.name, numbered(0, 300), **how)
        exactly(self.c.read(self.name, 3, 300), 0, 300)

    def none(self):
        self.round_trip(codec="none")

    def gzip(self):
        self.round_trip(codec="gzip")

    def snappy(self):
        self.round_trip(codec="snappy")

    def lz4(self):
        self.round_trip(codec="lz4")

    def zstd(self):
        self.round_trip(codec="zstd")

    def idempotent(self):
        self.round_trip(codec="none", idempotent=True)

    def headers(self):
        self.c.create_topic(self.name, 1)
        base = 1_700_000_000_000
        sent = [
            Record(b"k", b"v", base, [("a", b"1"), ("b", b"\x00\xff\n"), ("a", b"2")]),
            Record(b"tombstone", None, base + 5, [("empty", b"")]),
            Record(None, b"no key", base + 3),
            Record(b"x", b"", base + 1_000_000, [("ü", "✓".encode())]),
        ]
        self.c.produce(self.name, sent, codec="none")
        for want, got in zip(sent, self.c.read(self.name, 1, len(sent))):
            assert (got.key, got.value, got.time_ms, got.headers) == (want.key, want.value, want.time_ms, want.headers), (vars(got), vars(want))

    def large(self):
        self.c.create_topic(self.name, 1, {"max.message.bytes": str(8 << 20)})
        noise = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range((3 << 20) // 32))
        sent = [Record(b"%d" % i, noise + b"%d" % i) for i in range(3)]
        self.c.produce(self.name, sent, codec="none", max_bytes=8 << 20)
        got = {r.key: r.value for r in self.c.read(self.name, 1, 3)}
        assert got == {r.key: r.value for r in sent}, "a large record is not what was sent"
        self.c.create_topic(self.name + "-small", 1)
        refused("a record over the topic's limit", lambda: self.c.produce(self.name + "-small", sent[:1], codec="none", max_bytes=8 << 20))

    def seek(self):
        self.c.create_topic(self.name, 1)
        self.c.produce(self.name, numbered(0, 100), codec="none")
        offsets = [60, 10, 99, 0]
        got = [(r.offset, number(r)) for r in self.c.seek(self.name, offsets)]
        assert got == [(o, o) for o in offsets], got

    def times(self):
        self.c.create_topic(self.name, 1)
        base = 1_700_000_000_000
        records = numbered(0, 50)
        for i, r in enumerate(records):
            r.time_ms = base + 60_000 * i
        self.c.produce(self.name, records, codec="none")
        for at, want in [(-3_600_000, 0), (0, 0), (1_200_000, 20), (1_200_001, 21), (49 * 60_000, 49), (50 * 60_000, None)]:
            got = self.c.offset_at(self.name, base + at)
            # Some libraries answer the end of the log where no record is as late.
            assert got == want or want is None and got in (-1, 50), f"the offset at {at} is {got}, want {want}"

    # Groups.

    def settled(self, what, members, *counts):
        def condition():
            owned = [m.assigned() for m in members]
            everything = {p for ps in owned for p in ps}
            return sorted(map(len, owned)) == sorted(counts) and len(everything) == GROUP_PARTITIONS or f"owned: {owned}"

        until(what, condition)

    def quiet(self, members):
        """Polls until nobody has lost partitions for a second: a leader of kafka-python rebalances once more if its metadata come late."""
        seen, since = None, time.monotonic()

        def condition():
            nonlocal seen, since
            lost = [(m.lost, sorted(m.assigned())) for m in members]
            if lost != seen:
                seen, since = lost, time.monotonic()
            return time.monotonic() - since > 1 or "still moving"

        until("no rebalance", condition)

    def read_all(self, members, first, count, skip=0):
        def got():
            return [r for m in members for r in m.records[skip:]]

        def condition():
            for m in members:
                m.assigned()
            return len(got()) >= count or f"{len(got())} of {count} records"

        until("reading", condition)
        exactly(got(), first, count)

    def group(self, **how):
        self.c.create_topic(self.name, GROUP_PARTITIONS)
        join = lambda: self.c.join(self.name, self.name, **how)  # noqa: E731
        a = join()
        self.settled("one member", [a], 6)
        b = join()
        self.settled("two members", [a, b], 3, 3)
        if how:
            assert a.lost == 3, f"the first member lost {a.lost} partitions when the second joined"
        self.c.produce(self.name, numbered(0, 600), codec="none")
        self.read_all([a, b], 0, 600)
        b.leave()
        self.settled("one member left", [a], 6)
        if how.get("cooperative"):
            assert a.lost == 3, f"the first member lost {a.lost - 3} partitions when the second left"
        before = len(a.records)
        self.c.produce(self.name, numbered(600, 200), codec="none")
        self.read_all([a], 600, 200, before)
        a.leave()
        self.c.produce(self.name, numbered(800, 50), codec="none")
        c = join()
        self.read_all([c], 800, 50)
        c.leave()

    def cooperative(self):
        self.group(cooperative=True)

    def kip848(self):
        self.group(server=True)

    def kip848_regex(self):
        topics = [self.name + t for t in ("-a1", "-b", "-a2")]
        for t in topics:
            self.c.create_topic(t, 1)
        m = self.c.join(None, self.name, pattern=self.name + "-a[0-9]", server=True)
        until("two topics match", lambda: len(m.assigned()) == 2 or m.assigned())
        for i, t in enumerate(topics):
            self.c.produce(t, numbered(10 * i, 10), codec="none")
        until("reading", lambda: len(m.records) >= 20 or len(m.records))
        assert not [r for r in m.records if number(r) // 10 == 1], "records of a topic that does not match came"
        m.leave()

    def static(self):
        self.c.create_topic(self.name, GROUP_PARTITIONS)
        join = lambda instance: self.c.join(self.name, self.name, instance=instance)  # noqa: E731
        a = join("one")
        self.settled("one member", [a], 6)
        b = join("two")
        self.settled("two members", [a, b], 3, 3)
        self.quiet([a, b])
        self.settled("two members", [a, b], 3, 3)
        owned, lost = a.assigned(), b.lost
        a.leave()
        again = join("one")
        self.settled("the first member is back", [again, b], 3, 3)
        assert again.assigned() == owned, f"the member that came back owns {again.assigned()}, before {owned}"
        assert b.lost == lost, "the other member lost partitions meanwhile"
        self.c.produce(self.name, numbered(0, 100), codec="none")
        self.read_all([again, b], 0, 100)
        again.leave()
        b.leave()

    def share(self):
        self.c.create_topic(self.name, 2)
        self.c.produce(self.name, numbered(0, 100), codec="none")
        accepted, members = {}, self.c.share_members(self.name, self.name, 2)
        end = time.monotonic() + LIMIT_S

        def each(record, deliveries):
            n = number(record)
            assert n not in accepted, f"record {n} came again after it was accepted"
            if n % 7 == 0 and deliveries == 1:
                return False
            assert deliveries == (2 if n % 7 == 0 else 1) or deliveries is None, f"record {n} has the delivery count {deliveries}"
            accepted[n] = record
            return True

        released = set()

        def counted(record, deliveries):
            if deliveries is None:  # the library does not tell
                deliveries = 2 if number(record) in released else 1
            ok = each(record, deliveries)
            if not ok:
                released.add(number(record))
            return ok

        while len(accepted) < 100:
            assert time.monotonic() < end, f"{len(accepted)} of 100 records were accepted"
            for m in members:
                m.poll(counted)
        for m in members:
            m.close()
        exactly(list(accepted.values()), 0, 100)

    # Transactions.

    def committed_are(self, topic, first, count):
        exactly(self.c.read(topic, 1, count, committed=True), first, count)

    def txn_commit(self):
        self.c.create_topic(self.name, 1)
        t = self.c.transactional(self.name)
        for i in range(3):
            t.begin()
            t.send(self.name, numbered(20 * i, 20))
            t.commit()
        t.close()
        self.committed_are(self.name, 0, 60)

    def txn_abort(self):
        self.c.create_topic(self.name, 1)
        t = self.c.transactional(self.name)
        for i, end in enumerate([t.abort, t.commit]):
            t.begin()
            t.send(self.name, numbered(20 * i, 20))
            end()
        t.close()
        self.committed_are(self.name, 20, 20)
        exactly(self.c.read(self.name, 1, 40, committed=False), 0, 40)

    def txn_fencing(self):
        self.c.create_topic(self.name, 1)
        first = self.c.transactional(self.name)
        first.begin()
        first.send(self.name, numbered(0, 20))
        second = self.c.transactional(self.name)
        refused("a commit by the producer that was replaced", first.commit)
        second.begin()
        second.send(self.name, numbered(20, 20))
        second.commit()
        second.close()
        self.committed_are(self.name, 20, 20)

    def txn_offsets(self):
        source, sink = self.name + "-from", self.name + "-to"
        self.c.create_topic(source, 1)
        self.c.create_topic(sink, 1)
        self.c.produce(source, numbered(0, 60), codec="none")
        self.c.transform(source, sink, self.name, self.name, 60)
        self.committed_are(sink, 0, 60)
        until("the group's offset", lambda: (got := self.c.fetch_offset(self.name, source, 0)) == 60 or got)

    # Administration.

    def admin_topics(self):
        self.c.create_topic(self.name, 4, {"cleanup.policy": "compact"})
        refused("a second topic of the same name", lambda: self.c.create_topic(self.name, 4))
        refused("a topic with a slash", lambda: self.c.create_topic("no topic/name", 1))
        until("listed", lambda: self.name in self.c.list_topics())
        until("four partitions", lambda: (n := self.c.partitions(self.name)) == 4 or n)
        self.c.delete_topic(self.name)
        until("deleted", lambda: self.name not in self.c.list_topics())

    def admin_configs(self):
        def is_(key, want):
            until(key, lambda: (got := self.c.describe_config(self.name, key)) == want or got)

        self.c.create_topic(self.name, 1, {"retention.ms": "3600000"})
        is_("retention.ms", "3600000")
        is_("segment.bytes", "1073741824")
        self.c.alter_config(self.name, "retention.ms", "7200000")
        is_("retention.ms", "7200000")
        refused("retention.ms=often", lambda: self.c.alter_config(self.name, "retention.ms", "often"))

    def admin_partitions(self):
        self.c.create_topic(self.name, 2)
        self.c.create_partitions(self.name, 5)
        until("five partitions", lambda: (n := self.c.partitions(self.name)) == 5 or n)
        refused("fewer partitions", lambda: self.c.create_partitions(self.name, 3))

    def admin_groups(self):
        self.c.create_topic(self.name, GROUP_PARTITIONS)
        m = self.c.join(self.name, self.name)
        self.settled("one member", [m], 6)
        describe = lambda: tuple(self.c.describe_group(self.name))  # noqa: E731
        until("stable", lambda: (g := describe()) == ("stable", 1) or g)
        assert self.name in self.c.list_groups(), "the group is not listed"
        refused("deleting a group with a member", lambda: self.c.delete_group(self.name))
        self.c.produce(self.name, numbered(0, 50), codec="none")
        self.read_all([m], 0, 50)
        m.leave()
        until("empty", lambda: (g := describe()) == ("empty", 0) or g)
        self.c.delete_group(self.name)
        until("deleted", lambda: self.name not in self.c.list_groups())

    def admin_offsets(self):
        self.c.create_topic(self.name, 2)
        until("commit", lambda: self.c.commit_offset(self.name, self.name, 0, 17) or True)  # the topic may not be known everywhere yet
        self.c.commit_offset(self.name, self.name, 1, 4)
        fetch = lambda p: self.c.fetch_offset(self.name, self.name, p)  # noqa: E731
        assert (fetch(0), fetch(1)) == (17, 4), (fetch(0), fetch(1))
        if hasattr(self.c, "delete_offset"):
            self.c.delete_offset(self.name, self.name, 0)
            assert (fetch(0), fetch(1)) == (None, 4), (fetch(0), fetch(1))

    def admin_records(self):
        self.c.create_topic(self.name, 1)
        self.c.produce(self.name, numbered(0, 100), codec="none")
        assert self.c.bounds(self.name) == (0, 100), self.c.bounds(self.name)
        self.c.delete_records(self.name, 40)
        until("bounds", lambda: (got := self.c.bounds(self.name)) == (40, 100) or got)
        refused("deleting records beyond the end", lambda: self.c.delete_records(self.name, 1000))
        exactly(self.c.read(self.name, 1, 60), 40, 60)

    def admin_cluster(self):
        brokers, controller = self.c.cluster()
        assert brokers == self.c.replicas and controller >= 0, (brokers, controller)


def main(make, version):
    """Answers lines "FEATURE NAME" of standard input, as weir/test/matrix says. make(bootstrap, replicas) returns the Client."""
    client = make(sys.argv[1], int(sys.argv[2]))
    offered = [f for f, needs in NEEDS.items() if all(hasattr(client, n) for n in needs)]
    for line in sys.stdin:
        feature, _, name = line.strip().partition(" ")
        if feature == "features":
            print("features", version, *offered, flush=True)
            continue
        try:
            getattr(Run(client, name), feature.replace("-", "_"))()
            print(feature, "ok", flush=True)
        except Exception as e:  # noqa: BLE001: it is the cell's result
            traceback.print_exc()
            print(feature, "failed:", " | ".join(f"{type(e).__name__}: {e}".splitlines()), flush=True)
