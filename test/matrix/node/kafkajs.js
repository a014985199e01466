// kafkajs in the client matrix: see weir/test/matrix, and go/cell, which tells the same. Usage: node kafkajs.js BOOTSTRAP REPLICAS
'use strict'
const assert = require('node:assert')
const crypto = require('node:crypto')
const readline = require('node:readline')
const kafkajs = require('kafkajs')
const lz4 = require('lz4js')
const snappy = require('snappyjs')
const zstd = require('@bokuweb/zstd-wasm')
const { CompressionTypes, CompressionCodecs, ConfigResourceTypes, Kafka, logLevel } = kafkajs

const [bootstrap, replicas] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'matrix', brokers: bootstrap.split(','), logLevel: logLevel.ERROR, retry: { initialRetryTime: 50, retries: 8 } })
const LIMIT_MS = 90_000, KEYS = 10, GROUP_PARTITIONS = 6

// The codecs that kafkajs leaves to plug-ins: it has gzip itself.
// A frame of LZ4 made of independent blocks: what lz4js writes as one, with its checksums, other readers refuse.
const FRAME = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0x82]), BLOCK_BYTES = 64 << 10
CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: async (encoder) => {
    const parts = [FRAME]
    for (let at = 0; at < encoder.buffer.length; at += BLOCK_BYTES) {
      const raw = encoder.buffer.subarray(at, at + BLOCK_BYTES)
      const packed = Buffer.alloc(lz4.compressBound(raw.length))
      const size = lz4.compressBlock(raw, packed, 0, raw.length, new Uint32Array(1 << 16))
      const head = Buffer.alloc(4)
      head.writeUInt32LE(size > 0 ? size : (raw.length | 0x80000000) >>> 0)
      parts.push(head, size > 0 ? packed.subarray(0, size) : raw)
    }
    return Buffer.concat([...parts, Buffer.alloc(4)])
  },
  decompress: async (buffer) => Buffer.from(lz4.decompress(buffer)),
})
CompressionCodecs[CompressionTypes.ZSTD] = () => ({
  compress: async (encoder) => Buffer.from(zstd.compress(encoder.buffer)),
  decompress: async (buffer) => Buffer.from(zstd.decompress(buffer)),
})
// Java's framing of snappy, which is what is read everywhere: a magic word, two versions, and blocks behind their length.
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1])
CompressionCodecs[CompressionTypes.Snappy] = () => ({
  compress: async (encoder) => {
    const block = Buffer.from(snappy.compress(encoder.buffer))
    const length = Buffer.alloc(4)
    length.writeUInt32BE(block.length)
    return Buffer.concat([XERIAL, length, block])
  },
  decompress: async (buffer) => {
    if (!buffer.subarray(0, 8).equals(XERIAL.subarray(0, 8))) return Buffer.from(snappy.uncompress(buffer))
    const parts = []
    for (let at = 16; at < buffer.length;) {
      const length = buffer.readUInt32BE(at)
      parts.push(Buffer.from(snappy.uncompress(buffer.subarray(at + 4, at + 4 + length))))
      at += 4 + length
    }
    return Buffer.concat(parts)
  },
})

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms))

// until polls condition until it returns true; another value says why not.
async function until(what, condition) {
  const end = Date.now() + LIMIT_MS
  for (;;) {
    let state
    try { state = await condition() } catch (err) { state = String(err) }
    if (state === true) return
    assert(Date.now() < end, `${what}: still ${JSON.stringify(state)}`)
    await sleep(10)
  }
}

async function refused(what, attempt) {
  try { await attempt() } catch { return }
  assert.fail(`not refused: ${what}`)
}

const numbered = (first, count) =>
  Array.from({ length: count }, (_, i) => ({ key: `key-${(first + i) % KEYS}`, value: `${first + i} ${'weir '.repeat(30)}` }))
const number = (r) => parseInt(r.value.toString(), 10)

// exactly checks that each numbered record came once, and in order within each key.
function exactly(records, first, count) {
  const numbers = records.map(number).sort((a, b) => a - b)
  assert.deepStrictEqual(numbers, Array.from({ length: count }, (_, i) => first + i), 'a record is lost, doubled or foreign')
  const last = new Map()
  for (const r of [...records].sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset))) {
    const key = r.key.toString()
    assert(key === `key-${number(r) % KEYS}` && (last.get(key) ?? -1) < number(r), `${key}: ${number(r)} after ${last.get(key)}`)
    last.set(key, number(r))
  }
}

const withAdmin = async (f) => {
  const admin = kafka.admin()
  await admin.connect()
  try { return await f(admin) } finally { await admin.disconnect() }
}

async function create(topic, numPartitions, configs = {}) {
  const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }))
  const topics = [{ topic, numPartitions, replicationFactor: Number(replicas), configEntries }]
  const made = await withAdmin((admin) => admin.createTopics({ topics, waitForLeaders: true }))
  assert(made, `the topic ${topic} exists`) // kafkajs answers false
}

async function produce(topic, messages, { compression, idempotent = false } = {}) {
  const producer = kafka.producer({ idempotent, maxInFlightRequests: 1 })
  await producer.connect()
  try { await producer.send({ topic, messages, acks: -1, compression }) } finally { await producer.disconnect() }
}

let readers = 0

// reader consumes a topic outside of any story's group: kafkajs reads in groups only.
async function reader(topic, options, onRecord) {
  const consumer = kafka.consumer({ groupId: `${topic}-reader-${readers++}`, maxWaitTimeInMs: 200, maxBytesPerPartition: 10 << 20, ...options })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => onRecord({ ...message, partition, offset: BigInt(message.offset) }),
  })
  return consumer
}

async function read(topic, want, { committed = true } = {}) {
  const got = []
  const consumer = await reader(topic, { readUncommitted: !committed }, (r) => got.push(r))
  await until('reading', () => got.length >= want || `${got.length} of ${want} records`)
  await consumer.disconnect()
  return got
}

async function roundTrip(topic, how) {
  await create(topic, 3)
  await produce(topic, numbered(0, 300), how)
  exactly(await read(topic, 300), 0, 300)
}

async function headers(topic) {
  await create(topic, 1)
  const base = 1_700_000_000_000
  const sent = [
    { key: 'k', value: 'v', timestamp: String(base), headers: { a: ['1', '2'], b: Buffer.from([0, 255, 10]) } },
    { key: 'tombstone', value: null, timestamp: String(base + 5), headers: { empty: '' } },
    { key: null, value: 'no key', timestamp: String(base + 3) },
    { key: 'x', value: '', timestamp: String(base + 1_000_000), headers: { 'ü': '✓' } },
  ]
  await produce(topic, sent)
  const got = await read(topic, sent.length)
  const text = (v) => (v === null || v === undefined ? v : Array.isArray(v) ? v.map(text) : Buffer.from(v).toString('latin1'))
  sent.forEach((want, i) => {
    const g = got[i]
    const seen = [text(g.key), text(g.value), g.timestamp, Object.entries(g.headers).map(([k, v]) => [k, text(v)])]
    const expected = [text(want.key), text(want.value), want.timestamp, Object.entries(want.headers ?? {}).map(([k, v]) => [k, text(v)])]
    assert.deepStrictEqual(seen, expected)
  })
}

async function large(topic) {
  await create(topic, 1, { 'max.message.bytes': String(8 << 20) })
  const sent = [0, 1, 2].map((i) => ({ key: String(i), value: crypto.randomBytes((3 << 20) + i) }))
  for (const m of sent) await produce(topic, [m]) // kafkajs makes one batch of what is sent at once
  for (const r of await read(topic, 3)) assert(r.value.equals(sent[Number(r.key)].value), 'a large record is not what was sent')
  await create(`${topic}-small`, 1)
  await refused("a record over the topic's limit", () => produce(`${topic}-small`, sent.slice(0, 1)))
}

async function seek(topic) {
  await create(topic, 1)
  await produce(topic, numbered(0, 100))
  let wanted, found
  const consumer = await reader(topic, {}, (r) => { if (found && wanted !== undefined) { wanted = undefined; found(r) } })
  for (const offset of [60, 10, 99, 0]) {
    const first = new Promise((resolve, reject) => {
      found = (r) => (r.offset === BigInt(offset) && number(r) === offset ? resolve() : (wanted = offset)) // what was on its way comes first
      setTimeout(() => reject(new Error(`record ${offset} does not come`)), LIMIT_MS).unref()
    })
    wanted = offset
    consumer.seek({ topic, partition: 0, offset: String(offset) })
    await first
  }
  await consumer.disconnect()
}

async function times(topic) {
  await create(topic, 1)
  const base = 1_700_000_000_000
  await produce(topic, numbered(0, 50).map((m, i) => ({ ...m, timestamp: String(base + 60_000 * i) })))
  await withAdmin(async (admin) => {
    for (const [at, want] of [[-3_600_000, 0], [0, 0], [1_200_000, 20], [1_200_001, 21], [49 * 60_000, 49], [50 * 60_000, 50]]) {
      const [{ offset }] = await admin.fetchTopicOffsetsByTimestamp(topic, base + at)
      assert.strictEqual(Number(offset), want, `the offset at ${at}`) // kafkajs answers the end where no record is as late
    }
  })
}

// member joins a group, commits what it gets, and notes what it owns.
async function join(topic, groupId) {
  const m = { records: [], assigned: [] }
  const consumer = kafka.consumer({ groupId, heartbeatInterval: 200, sessionTimeout: 30_000, maxWaitTimeInMs: 100, metadataMaxAge: 2000 })
  consumer.on(consumer.events.GROUP_JOIN, (e) => { m.assigned = e.payload.memberAssignment[topic] || [] })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, heartbeat }) => {
      m.records.push(...batch.messages.map((r) => ({ ...r, partition: batch.partition, offset: BigInt(r.offset) })))
      await consumer.commitOffsets([{ topic, partition: batch.partition, offset: String(BigInt(batch.lastOffset()) + 1n) }])
      await heartbeat()
    },
  })
  m.leave = () => consumer.disconnect()
  return m
}

const settled = (what, members, ...counts) => until(what, () => {
  const owned = members.map((m) => m.assigned.length)
  const all = new Set(members.flatMap((m) => m.assigned))
  return (owned.join() === counts.join() && all.size === GROUP_PARTITIONS) || owned
})

async function readAll(members, first, count, skip = 0) {
  const got = () => members.flatMap((m) => m.records.slice(skip))
  await until('reading', () => got().length >= count || `${got().length} of ${count} records`)
  exactly(got(), first, count)
}

async function group(name) {
  await create(name, GROUP_PARTITIONS)
  const a = await join(name, name)
  await settled('one member', [a], 6)
  const b = await join(name, name)
  await settled('two members', [a, b], 3, 3)
  await produce(name, numbered(0, 600))
  await readAll([a, b], 0, 600)
  await b.leave()
  await settled('one member left', [a], 6)
  const before = a.records.length
  await produce(name, numbered(600, 200))
  await readAll([a], 600, 200, before)
  await a.leave()
  await produce(name, numbered(800, 50))
  const c = await join(name, name)
  await readAll([c], 800, 50)
  await c.leave()
}

async function transactional(transactionalId) {
  const producer = kafka.producer({ transactionalId, idempotent: true, maxInFlightRequests: 1, transactionTimeout: 60_000, retry: { retries: 3 } })
  await producer.connect()
  return producer
}

async function commit(topic) {
  await create(topic, 1)
  const producer = await transactional(topic)
  for (const i of [0, 1, 2]) {
    const t = await producer.transaction()
    await t.send({ topic, messages: numbered(20 * i, 20), acks: -1 })
    await t.commit()
  }
  await producer.disconnect()
  exactly(await read(topic, 60), 0, 60)
}

async function abort(topic) {
  await create(topic, 1)
  const producer = await transactional(topic)
  for (const i of [0, 1]) {
    const t = await producer.transaction()
    await t.send({ topic, messages: numbered(20 * i, 20), acks: -1 })
    await (i === 0 ? t.abort() : t.commit())
  }
  await producer.disconnect()
  exactly(await read(topic, 20), 20, 20)
  exactly(await read(topic, 40, { committed: false }), 0, 40)
}

async function fencing(topic) {
  await create(topic, 1)
  const first = await transactional(topic)
  const open = await first.transaction()
  await open.send({ topic, messages: numbered(0, 20), acks: -1 })
  const second = await transactional(topic)
  const t = await second.transaction()
  await refused('a commit by the producer that was replaced', () => open.commit())
  await t.send({ topic, messages: numbered(20, 20), acks: -1 })
  await t.commit()
  await second.disconnect()
  await first.disconnect()
  exactly(await read(topic, 20), 20, 20)
}

async function transform(name) {
  const [from, to] = [`${name}-from`, `${name}-to`]
  await create(from, 1)
  await create(to, 1)
  await produce(from, numbered(0, 60))
  const producer = await transactional(name)
  const records = await read(from, 60)
  const parts = [[records.slice(0, 30), 'abort'], [records.slice(0, 30), 'commit'], [records.slice(30), 'commit']]
  for (const [part, end] of parts) {
    const t = await producer.transaction()
    await t.send({ topic: to, messages: part.map(({ key, value }) => ({ key, value })), acks: -1 })
    const offset = String(part[part.length - 1].offset + 1n)
    await t.sendOffsets({ consumerGroupId: name, topics: [{ topic: from, partitions: [{ partition: 0, offset }] }] })
    await t[end]()
  }
  await producer.disconnect()
  exactly(await read(to, 60), 0, 60)
  assert.strictEqual(await fetchOffset(name, from, 0), 60)
}

const fetchOffset = (groupId, topic, partition) => withAdmin(async (admin) => {
  const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] })
  return Number((partitions.find((p) => p.partition === partition) ?? { offset: -1 }).offset)
})

async function topics(name) {
  await create(name, 4, { 'cleanup.policy': 'compact' })
  await refused('a second topic of the same name', () => create(name, 4))
  await refused('a topic with a slash', () => create('no topic/name', 1))
  await withAdmin(async (admin) => {
    await until('listed', async () => (await admin.listTopics()).includes(name))
    const { topics: [{ partitions }] } = await admin.fetchTopicMetadata({ topics: [name] })
    assert.strictEqual(partitions.length, 4)
    await admin.deleteTopics({ topics: [name] })
    await until('deleted', async () => !(await admin.listTopics()).includes(name))
  })
}

async function configs(name) {
  await create(name, 1, { 'retention.ms': '3600000' })
  await withAdmin(async (admin) => {
    const is = (key, want) => until(key, async () => {
      const { resources: [{ configEntries }] } = await admin.describeConfigs({
        includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name, configNames: [key] }],
      })
      return configEntries[0].configValue === want || configEntries
    })
    const alter = (value) => admin.alterConfigs({
      validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name, configEntries: [{ name: 'retention.ms', value }] }],
    })
    await is('retention.ms', '3600000')
    await is('segment.bytes', '1073741824')
    await alter('7200000')
    await is('retention.ms', '7200000')
    await refused('retention.ms=often', () => alter('often'))
  })
}

async function partitions(name) {
  await create(name, 2)
  await withAdmin(async (admin) => {
    const grow = (count) => admin.createPartitions({ topicPartitions: [{ topic: name, count }] })
    await grow(5)
    await until('five partitions', async () => {
      const { topics: [t] } = await admin.fetchTopicMetadata({ topics: [name] })
      return t.partitions.length === 5 || t.partitions.length
    })
    await refused('fewer partitions', () => grow(3))
  })
}

async function groups(name) {
  await create(name, GROUP_PARTITIONS)
  const m = await join(name, name)
  await settled('one member', [m], 6)
  await withAdmin(async (admin) => {
    const state = async () => {
      const { groups: [g] } = await admin.describeGroups([name])
      return `${g.state} ${g.members.length}`
    }
    const listed = async () => (await admin.listGroups()).groups.some((g) => g.groupId === name)
    await until('stable', async () => await state() === 'Stable 1' || state())
    assert(await listed(), 'the group is not listed')
    await refused('deleting a group with a member', () => admin.deleteGroups([name]))
    await produce(name, numbered(0, 50))
    await readAll([m], 0, 50)
    await m.leave()
    await until('empty', async () => await state() === 'Empty 0' || state())
    await admin.deleteGroups([name])
    await until('deleted', async () => !(await listed()))
  })
}

async function offsets(name) {
  await create(name, 2)
  const partitions = [{ partition: 0, offset: '17' }, { partition: 1, offset: '4' }]
  await withAdmin((admin) => until('commit', async () => { // the topic may not be known everywhere yet
    await admin.setOffsets({ groupId: name, topic: name, partitions })
    return true
  }))
  assert.deepStrictEqual([await fetchOffset(name, name, 0), await fetchOffset(name, name, 1)], [17, 4])
}

async function records(name) {
  await create(name, 1)
  await produce(name, numbered(0, 100))
  await withAdmin(async (admin) => {
    const bounds = async () => {
      const [{ low, high }] = await admin.fetchTopicOffsets(name)
      return `${low} ${high}`
    }
    assert.strictEqual(await bounds(), '0 100')
    const before = (offset) => admin.deleteTopicRecords({ topic: name, partitions: [{ partition: 0, offset }] })
    await before('40')
    await until('bounds', async () => await bounds() === '40 100' || bounds())
    await refused('deleting records beyond the end', () => before('1000'))
  })
  exactly(await read(name, 60), 40, 60)
}

async function cluster() {
  const { brokers, controller, clusterId } = await withAdmin((admin) => admin.describeCluster())
  assert(brokers.length === Number(replicas) && controller >= 0 && clusterId, `${brokers.length} brokers, controller ${controller}`)
}

const features = {
  none: (name) => roundTrip(name, {}),
  gzip: (name) => roundTrip(name, { compression: CompressionTypes.GZIP }),
  snappy: (name) => roundTrip(name, { compression: CompressionTypes.Snappy }),
  lz4: (name) => roundTrip(name, { compression: CompressionTypes.LZ4 }),
  zstd: (name) => roundTrip(name, { compression: CompressionTypes.ZSTD }),
  idempotent: (name) => roundTrip(name, { idempotent: true }),
  headers, large, seek, times, group,
  'txn-commit': commit, 'txn-abort': abort, 'txn-fencing': fencing, 'txn-offsets': transform,
  'admin-topics': topics, 'admin-configs': configs, 'admin-partitions': partitions, 'admin-groups': groups, 'admin-offsets': offsets,
  'admin-records': records, 'admin-cluster': cluster,
}

async function main() {
  await zstd.init()
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [feature, name] = line.split(' ')
    if (feature === 'features') {
      console.log('features', require('kafkajs/package.json').version, ...Object.keys(features))
      continue
    }
    try {
      await features[feature](name)
      console.log(feature, 'ok')
    } catch (err) {
      console.error(err)
      console.log(feature, 'failed:', String(err).replaceAll('\n', ' | '))
    }
  }
  process.exit(0) // members that a failure left behind are not waited for
}

main()
