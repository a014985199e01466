// The story of package peer, told with kafkajs. Usage: node kafkajs.js BOOTSTRAP TOPIC REPLICAS
'use strict'
const assert = require('node:assert')
const { Kafka, CompressionTypes, logLevel } = require('kafkajs')

const [bootstrap, topic, replicas] = process.argv.slice(2)
const kafka = new Kafka({ clientId: 'story', brokers: bootstrap.split(','), logLevel: logLevel.ERROR })
const groupId = topic + '-group'
const PARTITIONS = 6, KEYS = 50, DEADLINE_MS = 60_000

async function until(what, condition) {
  const end = Date.now() + DEADLINE_MS
  for (;;) {
    const state = await condition()
    if (state === true) return
    assert(Date.now() < end, `${what}: ${JSON.stringify(state)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

async function produce(first, count) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (let i = first; i < first + count; i += 100) {
    const messages = Array.from({ length: 100 }, (_, j) => ({ key: `key-${(i + j) % KEYS}`, value: String(i + j) }))
    await producer.send({ topic, messages, acks: -1, compression: CompressionTypes.GZIP })
  }
  await producer.disconnect()
}

// member joins the group and returns the records that it gets.
async function member() {
  const records = []
  let assigned = 0
  const consumer = kafka.consumer({ groupId, heartbeatInterval: 500, sessionTimeout: 10_000, maxWaitTimeInMs: 100 })
  consumer.on(consumer.events.GROUP_JOIN, (e) => { assigned = (e.payload.memberAssignment[topic] || []).length })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
      for (const m of batch.messages) {
        records.push({ partition: batch.partition, offset: BigInt(m.offset), key: m.key.toString(), value: Number(m.value) })
        resolveOffset(m.offset)
      }
      const next = (BigInt(batch.lastOffset()) + 1n).toString()
      await consumer.commitOffsets([{ topic, partition: batch.partition, offset: next }])
      await heartbeat()
    },
  })
  return { records, assigned: () => assigned, stop: () => consumer.disconnect() }
}

function check(members, first, count) {
  const all = members.flatMap((m) => m.records)
  const values = all.map((r) => r.value).sort((a, b) => a - b)
  assert.deepStrictEqual(values, Array.from({ length: count }, (_, i) => first + i), 'a record is lost, doubled or foreign')
  const last = new Map()
  all.sort((a, b) => a.partition - b.partition || Number(a.offset - b.offset))
  for (const r of all) {
    assert(r.key === `key-${r.value % KEYS}` && (last.get(r.key) ?? -1) < r.value, `${r.key}: ${r.value} after ${last.get(r.key)}`)
    last.set(r.key, r.value)
  }
}

const total = (members) => members.reduce((n, m) => n + m.records.length, 0)

async function story() {
  const admin = kafka.admin()
  await admin.connect()
  const description = { topics: [{ topic, numPartitions: PARTITIONS, replicationFactor: Number(replicas) }] }
  assert(await admin.createTopics({ ...description, waitForLeaders: true }))
  assert.strictEqual(await admin.createTopics(description), false, 'a second topic of the same name was made')

  const members = await Promise.all([member(), member(), member()])
  await until('three members share six partitions', () => {
    const counts = members.map((m) => m.assigned()).sort()
    return counts.join() === '2,2,2' || counts
  })
  await produce(0, 3000)
  await until('3,000 records read', () => total(members) >= 3000 || total(members))
  assert(members.every((m) => m.records.length > 0), 'a member got nothing')
  await until('all commits are in', async () => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId, topics: [topic] })
    const sum = partitions.reduce((n, p) => n + Math.max(0, Number(p.offset)), 0)
    return sum === 3000 || sum
  })
  await Promise.all(members.map((m) => m.stop()))
  check(members, 0, 3000)

  await produce(3000, 1000)
  const late = await member()
  await until('1,000 records read', () => late.records.length >= 1000 || late.records.length)
  await late.stop()
  check([late], 3000, 1000)
  const offsets = await admin.fetchTopicOffsets(topic)
  assert.strictEqual(offsets.reduce((n, p) => n + Number(p.high) - Number(p.low), 0), 4000)

  await admin.deleteTopics({ topics: [topic] })
  await until('the deleted topic is gone', async () => !(await admin.listTopics()).includes(topic))
  await admin.disconnect()
  console.log('ok')
}

story().catch((err) => {
  console.error(err)
  process.exit(1)
})
