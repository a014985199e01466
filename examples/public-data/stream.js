// Streams public data sets through the cluster at WEIR_BOOTSTRAP and reads them back, complete and in order. See README.md.
'use strict'
const assert = require('node:assert')
const fs = require('node:fs')
const path = require('node:path')
const { Kafka, CompressionTypes, logLevel } = require('kafkajs')

// The package lets only programs for browsers require it; its folder is where Node.js looks for packages.
const data = require.resolve.paths('vega-datasets').map((dir) => path.join(dir, 'vega-datasets', 'data')).find((dir) => fs.existsSync(dir))
const read = (name) => fs.readFileSync(path.join(data, name), 'utf8')

// Each data set: its records in order, and the key of each.
const sets = {
  flights: {
    records: () => JSON.parse(read('flights-20k.json')),
    key: (r) => r.origin,
  },
  delays: {
    records: () => JSON.parse(read('flights-200k.json')),
    key: (r) => String(Math.floor(r.time)),
  },
  earthquakes: {
    records: () => JSON.parse(read('earthquakes.json')).features,
    key: (r) => r.properties.net,
  },
  github: {
    records: () => read('github.csv').trim().split('\n').slice(1).map((line) => {
      const [time, count] = line.split(',')
      return { time, count: Number(count) }
    }),
    key: (r) => r.time.split(' ')[0],
  },
}

const bootstrap = process.env.WEIR_BOOTSTRAP
if (!bootstrap) {
  console.error('WEIR_BOOTSTRAP is not set.\nStart a cluster with "weir up", then type: eval "$(weir env)"')
  process.exit(2)
}
const kafka = new Kafka({ clientId: 'public-data', brokers: bootstrap.split(','), logLevel: logLevel.ERROR })

async function main() {
  const wanted = process.argv.slice(2)
  const names = wanted.length ? wanted : Object.keys(sets)
  const admin = kafka.admin()
  await admin.connect()
  const results = {}
  for (const name of names) {
    assert(sets[name], `no data set "${name}": there are ${Object.keys(sets).join(', ')}`)
    await recreate(admin, name)
    const sent = sets[name].records().map((r) => ({ key: sets[name].key(r), value: JSON.stringify(r) }))
    const producing = await timed(() => produce(name, sent))
    const consuming = await timed(() => consume(name, sent.length))
    compare(name, sent, consuming.result)
    results[name] = consuming.result
    console.log(`${name.padEnd(12)} ${String(sent.length).padStart(7)} records: sent in ${producing.ms} ms, ` +
      `read back in ${consuming.ms} ms, complete and in order`)
  }
  await admin.disconnect()
  look(results)
}

// recreate makes the topic new and empty.
async function recreate(admin, topic) {
  const exists = async () => (await admin.listTopics()).includes(topic)
  if (await exists()) {
    await admin.deleteTopics({ topics: [topic] })
    while (await exists()) await new Promise((resolve) => setTimeout(resolve, 50))
  }
  await admin.createTopics({ topics: [{ topic, numPartitions: 6 }], waitForLeaders: true })
}

// produce sends all records, in order, with an idempotent producer: a retry neither doubles nor reorders them.
async function produce(topic, records) {
  const producer = kafka.producer({ idempotent: true, maxInFlightRequests: 1 })
  await producer.connect()
  for (let i = 0; i < records.length; i += 2000) {
    await producer.send({ topic, acks: -1, compression: CompressionTypes.GZIP, messages: records.slice(i, i + 2000) })
  }
  await producer.disconnect()
}

// consume reads with a group of three members until count records came, and returns them by partition.
async function consume(topic, count) {
  const partitions = new Map()
  let n = 0, done, failed
  const complete = new Promise((resolve, reject) => { done = resolve; failed = reject })
  const deadline = setTimeout(() => failed(new Error(`${topic}: ${n} of ${count} records came within a minute`)), 60_000)
  const groupId = `public-data-${topic}-${process.pid}-${Date.now()}`
  const members = [1, 2, 3].map(() => kafka.consumer({ groupId, maxWaitTimeInMs: 100 }))
  await Promise.all(members.map(async (consumer) => {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      eachBatch: async ({ batch }) => {
        for (const m of batch.messages) {
          if (!partitions.has(batch.partition)) partitions.set(batch.partition, new Map())
          partitions.get(batch.partition).set(m.offset, { key: m.key.toString(), value: m.value.toString() })
        }
        n = [...partitions.values()].reduce((sum, p) => sum + p.size, 0)
        if (n >= count) done()
      },
    })
  }))
  await complete
  clearTimeout(deadline)
  await Promise.all(members.map((consumer) => consumer.disconnect()))
  return [...partitions.values()].map((p) => [...p].sort((a, b) => Number(a[0]) - Number(b[0])).map(([, record]) => record))
}

// compare checks that what came back is what was sent: per key the same values in the same order, and nothing else.
function compare(name, sent, partitions) {
  const byKey = (records) => {
    const keys = new Map()
    for (const { key, value } of records) keys.has(key) ? keys.get(key).push(value) : keys.set(key, [value])
    return keys
  }
  const want = byKey(sent), got = byKey(partitions.flat())
  assert.strictEqual(partitions.flat().length, sent.length, `${name}: number of records`)
  assert.strictEqual(got.size, want.size, `${name}: number of keys`)
  for (const [key, values] of want) assert.deepStrictEqual(got.get(key), values, `${name}: records of key ${key}`)
}

// look computes something to see from what was read.
function look(results) {
  if (results.flights) {
    const airports = new Map()
    for (const { key, value } of results.flights.flat()) {
      const a = airports.get(key) || { flights: 0, minutes: 0 }
      airports.set(key, { flights: a.flights + 1, minutes: a.minutes + JSON.parse(value).delay })
    }
    const worst = [...airports].filter(([, a]) => a.flights >= 100)
      .map(([airport, a]) => [airport, a.minutes / a.flights]).sort((a, b) => b[1] - a[1]).slice(0, 3)
    console.log('latest departures: ' + worst.map(([airport, m]) => `${airport} ${m.toFixed(1)} min`).join(', '))
  }
  if (results.earthquakes) {
    const strongest = results.earthquakes.flat().map((r) => JSON.parse(r.value).properties).sort((a, b) => b.mag - a.mag)[0]
    console.log(`strongest earthquake: magnitude ${strongest.mag}, ${strongest.place}`)
  }
}

async function timed(work) {
  const start = performance.now()
  const result = await work()
  return { result, ms: Math.round(performance.now() - start) }
}

main().catch((err) => {
  console.error(err)
  process.exit(1)
})
