//! The store as a whole: a pretended node makes batches as a spool does.

mod crash;
mod reading;
mod storing;

use super::query::{Item, LogQuery};
use super::*;
use fleet_units::ids::InvocationId;
use fleet_units::log_frame::{Numberer, frames};
use fleet_units::log_record::Stream;
use fleet_units::time::Timestamp;

/// One unit's spool on a pretended node.
struct Spool {
    source: Source,
    lineage: u64,
    numberer: Numberer,
    bytes: Vec<u8>,
    lost_lines: u64,
}

impl Spool {
    fn new(node: &str, unit: &str, lineage: u64) -> Self {
        let source = Source { node: node.parse().unwrap(), unit: unit.parse().unwrap() };
        Spool { source, lineage, numberer: Numberer::default(), bytes: Vec::new(), lost_lines: 0 }
    }

    /// Adds a chunk to the next batch.
    fn put(&mut self, time: u64, text: &str) -> &mut Self {
        let header = self.numberer.header(Stream::Stdout, InvocationId(1), Timestamp(time), text.as_bytes());
        self.bytes.extend_from_slice(&header.encode());
        self.bytes.extend_from_slice(text.as_bytes());
        self
    }

    /// Counts a chunk that is not stored.
    fn lose(&mut self, text: &str) -> &mut Self {
        self.numberer.header(Stream::Stdout, InvocationId(1), Timestamp(0), text.as_bytes());
        self
    }

    fn batch(&mut self) -> v1::LogBatch {
        let bytes = std::mem::take(&mut self.bytes);
        let first = frames(&bytes).next().unwrap().unwrap().header;
        v1::LogBatch {
            unit: self.source.unit.to_string(),
            boot_id: format!("{:032x}", 7),
            first_sequence: first.sequence,
            next_sequence: self.numberer.next_sequence(),
            lost_lines: self.lost_lines,
            frames: bytes.into(),
            lineage: self.lineage,
            first_frame: first.number,
            next_frame: self.numberer.next_number(),
        }
    }

    async fn send(&mut self, store: &LogStore, environment: &str) -> v1::LogBatch {
        let batch = self.batch();
        self.again(store, environment, &batch).await;
        batch
    }

    async fn again(&self, store: &LogStore, environment: &str, batch: &v1::LogBatch) {
        let environment = environment.parse().unwrap();
        let ack = store.ingest(self.source.node.clone(), environment, batch.clone()).await.unwrap();
        assert_eq!((ack.lineage, ack.next_frame), (batch.lineage, batch.next_frame));
    }
}

fn open(dir: &Path) -> LogStore {
    LogStore::open(dir, Retention::default()).unwrap()
}

/// `node/unit#sequence text` of each line, `lost N of node/unit` of each gap.
fn read(store: &LogStore, query: &LogQuery) -> Vec<String> {
    let mut past = store.query(query).unwrap();
    let mut all = Vec::new();
    loop {
        let items = past.next_items(3).unwrap();
        if items.is_empty() {
            return all;
        }
        all.extend(items.into_iter().map(show));
    }
}

fn show(item: Item) -> String {
    match item {
        Item::Lost(source, lines) => format!("lost {lines} of {}/{}", source.node, source.unit.stem()),
        Item::Line(line) => {
            let text = String::from_utf8(line.message).unwrap();
            format!("{}/{}#{} {text}", line.node, line.unit.stem(), line.sequence)
        }
    }
}

fn everything() -> LogQuery {
    LogQuery::default()
}
