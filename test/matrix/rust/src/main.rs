//! rskafka in the client matrix: see weir/test/matrix, and go/cell, which tells the same. Arguments: BOOTSTRAP REPLICAS.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::future::Future;
use std::io::BufRead;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::{Record, RecordAndOffset};

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

const KEYS: i64 = 10;
const LIMIT: Duration = Duration::from_secs(90);
const VERSION: &str = "0.6.0"; // of rskafka, which Cargo.toml pins
const FEATURES: &str =
    "none gzip snappy lz4 zstd headers large seek times admin-topics admin-records";

struct Run {
    client: Client,
    replicas: i16,
}

fn time(ms: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_700_000_000_000 + ms).expect("a time")
}

fn numbered(first: i64, count: i64) -> Vec<Record> {
    (first..first + count)
        .map(|n| Record {
            key: Some(format!("key-{}", n % KEYS).into_bytes()),
            value: Some(format!("{n} {}", "weir ".repeat(30)).into_bytes()),
            headers: BTreeMap::new(),
            timestamp: time(60_000 * n),
        })
        .collect()
}

fn number(r: &Record) -> Outcome<i64> {
    let value = String::from_utf8(r.value.clone().unwrap_or_default())?;
    Ok(value.split(' ').next().unwrap_or_default().parse()?)
}

fn check(ok: bool, why: impl FnOnce() -> String) -> Outcome {
    if ok { Ok(()) } else { Err(why().into()) }
}

/// Each numbered record came once, and in order within each key.
fn exactly(records: &[RecordAndOffset], first: i64, count: i64) -> Outcome {
    let mut seen = HashSet::new();
    let mut last = HashMap::new();
    for r in records {
        let n = number(&r.record)?;
        let key = r.record.key.clone().unwrap_or_default();
        check(n >= first && n < first + count && seen.insert(n), || {
            format!("record {n} is foreign or came twice")
        })?;
        let before = last.insert(key.clone(), n).unwrap_or(-1);
        check(key == format!("key-{}", n % KEYS).into_bytes() && before < n, || {
            format!("record {n} after record {before}")
        })?;
    }
    check(seen.len() as i64 == count, || format!("{} of {count} records came", seen.len()))
}

/// Polls until condition is Ok.
async fn until<F: Future<Output = Outcome>>(what: &str, mut condition: impl FnMut() -> F) -> Outcome {
    let end = Instant::now() + LIMIT;
    loop {
        match condition().await {
            Ok(()) => return Ok(()),
            Err(e) if Instant::now() > end => return Err(format!("{what}: still {e}").into()),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

impl Run {
    async fn create(&self, topic: &str, partitions: i32) -> Outcome {
        self.client.controller_client()?.create_topic(topic, partitions, self.replicas, 10_000).await?;
        Ok(())
    }

    async fn partition(&self, topic: &str, partition: i32) -> Outcome<PartitionClient> {
        Ok(self.client.partition_client(topic, partition, UnknownTopicHandling::Retry).await?)
    }

    async fn read(&self, topic: &str, partition: i32, from: i64, want: usize) -> Outcome<Vec<RecordAndOffset>> {
        let p = self.partition(topic, partition).await?;
        let (mut got, mut next) = (Vec::new(), from);
        let end = Instant::now() + LIMIT;
        while got.len() < want {
            check(Instant::now() < end, || format!("{} of {want} records", got.len()))?;
            let (records, _) = p.fetch_records(next, 1..10 << 20, 200).await?;
            if let Some(r) = records.last() {
                next = r.offset + 1;
            }
            got.extend(records);
        }
        Ok(got)
    }

    /// A record's partition is the caller's to choose: its key's number, here.
    async fn round_trip(&self, topic: &str, codec: Compression) -> Outcome {
        self.create(topic, 3).await?;
        let mut all = Vec::new();
        for partition in 0..3 {
            let mine: Vec<_> = numbered(0, 300)
                .into_iter()
                .enumerate()
                .filter(|(n, _)| (*n as i64 % KEYS) % 3 == partition as i64)
                .map(|(_, r)| r)
                .collect();
            let count = mine.len();
            self.partition(topic, partition).await?.produce(mine, codec).await?;
            all.extend(self.read(topic, partition, 0, count).await?);
        }
        exactly(&all, 0, 300)
    }

    async fn headers(&self, topic: &str) -> Outcome {
        self.create(topic, 1).await?;
        let record = |key: Option<&[u8]>, value: Option<&[u8]>, ms, headers: &[(&str, &[u8])]| Record {
            key: key.map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            headers: headers.iter().map(|(k, v)| (k.to_string(), v.to_vec())).collect(),
            timestamp: time(ms),
        };
        let sent = vec![
            record(Some(b"k"), Some(b"v"), 0, &[("a", b"1"), ("b", &[0, 255, 10])]),
            record(Some(b"tombstone"), None, 5, &[("empty", b"")]),
            record(None, Some(b"no key"), 3, &[]),
            record(Some(b""), Some(b""), 1_000_000, &[("ü", "✓".as_bytes())]),
        ];
        self.partition(topic, 0).await?.produce(sent.clone(), Compression::NoCompression).await?;
        let got = self.read(topic, 0, 0, sent.len()).await?;
        for (want, g) in sent.iter().zip(&got) {
            check(*want == g.record, || format!("{:?}, want {want:?}", g.record))?;
        }
        Ok(())
    }

    /// Records of 900 kB, below the default limit: rskafka makes no topics with configurations.
    async fn large(&self, topic: &str) -> Outcome {
        self.create(topic, 1).await?;
        let p = self.partition(topic, 0).await?;
        let large = |n: usize, size: usize| {
            let mut value = Vec::with_capacity(size);
            let mut x = n as u32 + 1;
            while value.len() < size {
                x ^= x << 13;
                x ^= x >> 17;
                x ^= x << 5;
                value.extend(x.to_le_bytes());
            }
            Record { key: None, value: Some(value), headers: BTreeMap::new(), timestamp: time(n as i64) }
        };
        for n in 0..3 {
            p.produce(vec![large(n, 900_000)], Compression::NoCompression).await?;
        }
        for (n, r) in self.read(topic, 0, 0, 3).await?.iter().enumerate() {
            check(r.record == large(n, 900_000), || format!("large record {n} is not what was sent"))?;
        }
        let refused = p.produce(vec![large(3, 3 << 20)], Compression::NoCompression).await.is_err();
        check(refused, || "a record over the topic's limit was taken".into())
    }

    async fn seek(&self, topic: &str) -> Outcome {
        self.create(topic, 1).await?;
        self.partition(topic, 0).await?.produce(numbered(0, 100), Compression::NoCompression).await?;
        for offset in [60, 10, 99, 0] {
            let got = self.read(topic, 0, offset, 1).await?;
            check(got[0].offset == offset && number(&got[0].record)? == offset, || {
                format!("from {offset} comes {}", got[0].offset)
            })?;
        }
        Ok(())
    }

    async fn times(&self, topic: &str) -> Outcome {
        self.create(topic, 1).await?;
        let p = self.partition(topic, 0).await?;
        p.produce(numbered(0, 50), Compression::NoCompression).await?;
        for (at, want) in [(-3_600_000, 0), (0, 0), (1_200_000, 20), (1_200_001, 21), (49 * 60_000, 49)] {
            let got = p.get_offset(OffsetAt::Timestamp(time(at))).await?;
            check(got == want, || format!("the offset at {at} is {got}, want {want}"))?;
        }
        Ok(())
    }

    async fn topics(&self, topic: &str) -> Outcome {
        self.create(topic, 4).await?;
        check(self.create(topic, 4).await.is_err(), || "a second topic of the same name was made".into())?;
        check(self.create("no topic/name", 1).await.is_err(), || "a topic with a slash was made".into())?;
        until("listed", || async {
            let topics = self.client.list_topics().await?;
            let found = topics.iter().find(|t| t.name == topic);
            check(found.is_some_and(|t| t.partitions.len() == 4), || format!("{found:?}"))
        })
        .await?;
        self.client.controller_client()?.delete_topic(topic, 10_000).await?;
        until("deleted", || async {
            let topics = self.client.list_topics().await?;
            check(!topics.iter().any(|t| t.name == topic), || "listed".into())
        })
        .await
    }

    async fn records(&self, topic: &str) -> Outcome {
        self.create(topic, 1).await?;
        let p = self.partition(topic, 0).await?;
        p.produce(numbered(0, 100), Compression::NoCompression).await?;
        let bounds = async || -> Outcome<(i64, i64)> {
            Ok((p.get_offset(OffsetAt::Earliest).await?, p.get_offset(OffsetAt::Latest).await?))
        };
        check(bounds().await? == (0, 100), || "the log's bounds".into())?;
        p.delete_records(40, 10_000).await?;
        until("bounds", || async { check(bounds().await? == (40, 100), || "others".into()) }).await?;
        check(p.delete_records(1000, 10_000).await.is_err(), || "records beyond the end were deleted".into())?;
        exactly(&self.read(topic, 0, 40, 60).await?, 40, 60)
    }

    async fn feature(&self, feature: &str, name: &str) -> Outcome {
        match feature {
            "none" => self.round_trip(name, Compression::NoCompression).await,
            "gzip" => self.round_trip(name, Compression::Gzip).await,
            "snappy" => self.round_trip(name, Compression::Snappy).await,
            "lz4" => self.round_trip(name, Compression::Lz4).await,
            "zstd" => self.round_trip(name, Compression::Zstd).await,
            "headers" => self.headers(name).await,
            "large" => self.large(name).await,
            "seek" => self.seek(name).await,
            "times" => self.times(name).await,
            "admin-topics" => self.topics(name).await,
            "admin-records" => self.records(name).await,
            _ => Err("no such feature".into()),
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome {
    let args: Vec<String> = std::env::args().collect();
    let bootstrap = args[1].split(',').map(str::to_string).collect();
    let client = ClientBuilder::new(bootstrap).build().await?;
    let run = Run { client, replicas: args[2].parse()? };
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (feature, name) = line.split_once(' ').unwrap_or((&line, ""));
        if feature == "features" {
            println!("features {VERSION} {FEATURES}");
            continue;
        }
        let outcome = match tokio::time::timeout(LIMIT, run.feature(feature, name)).await {
            Ok(outcome) => outcome,
            Err(_) => Err("it takes too long".into()),
        };
        match outcome {
            Ok(()) => println!("{feature} ok"),
            Err(e) => println!("{feature} failed: {}", e.to_string().replace('\n', " | ")),
        }
    }
    Ok(())
}
