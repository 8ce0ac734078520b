//! Ships every unit's log to the coordinator, as long as there is a connection.
//!
//! ```text
//! file events --> units with something new --in turn, <= 64 KiB each--> LogBatch --> coordinator
//!                                                  in flight <= WINDOW        <-- LogAck, stored durably
//!                                                  acked: STATE/spool/<unit>/acked
//! ```
//! At least once: a batch counts when it is acknowledged, and a new connection begins behind the last one that
//! was. The coordinator stores each frame once. Nothing here waits for the coordinator but this task.

use super::cursor;
use super::read::{Cursor, Run, SpoolReader};
use super::watch::SpoolWatch;
use super::{SpoolError, boot_id};
use fleet_proto::v1;
use fleet_proto::v1::node_service_client::NodeServiceClient;
use fleet_units::ids::{NodeName, UnitName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::Status;
use tonic::transport::Channel;

/// Bytes of frames that may be unacknowledged: at 5 ms for an acknowledgement, 200 MB/s.
const WINDOW: usize = 1 << 20;
/// Batches between this task and the connection; the window bounds them, too.
const OUTBOUND: usize = 4;
/// The first line goes at once; what follows within this time goes together.
const COALESCE: Duration = Duration::from_millis(20);
/// Pauses after a stream that ended while the connection stayed: a full disk on either side, say.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// Ships what is in the spool `root` over `channel` until `shutdown`; one connection's life. Whatever goes wrong, it is
/// said and begun again after a pause: the units and the coordinator's commands must not suffer from a problem of logs.
pub async fn run(channel: Channel, root: PathBuf, node: NodeName, shutdown: CancellationToken) {
    let mut pause = RETRY.0;
    loop {
        let begun = Instant::now();
        let ended = tokio::select! {
            () = shutdown.cancelled() => return,
            ended = Shipment::serve(&channel, &root) => match ended { Ok(never) => match never {}, Err(ended) => ended },
        };
        if begun.elapsed() > RETRY.1 {
            pause = RETRY.0;
        }
        let reason = ended.reason();
        tracing::warn!(node = %node, reason, "logs stay on the node for now; trying again in {pause:?}");
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = (pause * 2).min(RETRY.1);
    }
}

/// Why a stream ended.
enum Ended {
    Spool(SpoolError),
    Stream(Status),
}

impl Ended {
    fn reason(&self) -> String {
        match self {
            Ended::Spool(error) => crate::error_chain(error),
            Ended::Stream(status) => status.message().to_owned(),
        }
    }
}

impl From<SpoolError> for Ended {
    fn from(error: SpoolError) -> Self {
        Ended::Spool(error)
    }
}

/// One unit on one stream.
struct Unit {
    reader: SpoolReader,
    /// Up to here it was sent.
    sent: Cursor,
    /// Batches without an answer: where each ends, and its bytes.
    in_flight: VecDeque<(Cursor, usize)>,
}

/// The state of one stream.
struct Shipment<'a> {
    root: &'a Path,
    boot_id: u128,
    units: BTreeMap<UnitName, Unit>,
    /// Units that may have something to send.
    pending: BTreeSet<UnitName>,
    /// Whose turn it was.
    turn: Option<UnitName>,
    in_flight: usize,
}

impl<'a> Shipment<'a> {
    async fn serve(channel: &Channel, root: &'a Path) -> Result<std::convert::Infallible, Ended> {
        let mut watch = SpoolWatch::all(root)?;
        let (outbound, batches) = mpsc::channel(OUTBOUND);
        let mut client = NodeServiceClient::new(channel.clone());
        let answer = client.logs(ReceiverStream::new(batches)).await.map_err(Ended::Stream)?;
        let mut acks = answer.into_inner();
        let mut shipment = Shipment {
            root,
            boot_id: boot_id(),
            units: BTreeMap::new(),
            pending: BTreeSet::new(),
            turn: None,
            in_flight: 0,
        };
        let mut look_at = Instant::now();
        loop {
            let may_send = !shipment.pending.is_empty() && shipment.in_flight < WINDOW;
            let changes = async {
                sleep_until(look_at).await;
                watch.changed().await
            };
            tokio::select! {
                ack = acks.message() => match ack.map_err(Ended::Stream)? {
                    Some(ack) => shipment.acknowledged(&ack),
                    None => return Err(Ended::Stream(Status::unavailable("the coordinator ended the stream"))),
                },
                changed = changes => {
                    shipment.pending.extend(changed?);
                    look_at = Instant::now() + COALESCE;
                }
                permit = outbound.reserve(), if may_send => match permit {
                    Ok(permit) => if let Some(batch) = shipment.next_batch() { permit.send(batch) },
                    Err(_) => return Err(Ended::Stream(Status::unavailable("the stream to the coordinator ended"))),
                },
            }
        }
    }

    /// The next run of the unit whose turn it is; units with nothing more leave `pending`.
    fn next_batch(&mut self) -> Option<v1::LogBatch> {
        loop {
            let after = self.turn.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
            let name = self.pending.range((after, Bound::Unbounded)).next().or_else(|| self.pending.first())?.clone();
            self.turn = Some(name.clone());
            match self.read(&name) {
                Ok(Some((run, lost_lines))) => return Some(self.batch(&name, run, lost_lines)),
                Ok(None) => {}
                // One unreadable spool keeps no other from being shipped; the next change tries again.
                Err(error) => tracing::warn!(unit = %name, "cannot ship its log: {error}"),
            }
            self.pending.remove(&name);
        }
    }

    fn read(&mut self, name: &UnitName) -> Result<Option<(Run, u64)>, SpoolError> {
        if !self.units.contains_key(name) {
            let sent = cursor::load(self.root, name)?;
            let reader = SpoolReader::from_cursor(self.root, name, sent)?;
            self.units.insert(name.clone(), Unit { reader, sent, in_flight: VecDeque::new() });
        }
        let unit = self.units.get_mut(name).expect("put there above");
        let Some(run) = unit.reader.read()? else { return Ok(None) };
        let lost_lines = run.first.next_sequence.saturating_sub(unit.sent.next_sequence.max(1));
        unit.sent = run.next;
        Ok(Some((run, lost_lines)))
    }

    fn batch(&mut self, name: &UnitName, run: Run, lost_lines: u64) -> v1::LogBatch {
        let unit = self.units.get_mut(name).expect("it was read from");
        unit.in_flight.push_back((run.next, run.frames.len()));
        self.in_flight += run.frames.len();
        let boot_id = if run.boot_id == 0 { self.boot_id } else { run.boot_id };
        v1::LogBatch {
            unit: name.to_string(),
            boot_id: format!("{boot_id:032x}"),
            first_sequence: run.first.next_sequence,
            next_sequence: run.next.next_sequence,
            lost_lines,
            frames: run.frames.into(),
            lineage: run.first.lineage,
            first_frame: run.first.next_frame,
            next_frame: run.next.next_frame,
        }
    }

    /// Forgets what is stored durably now; an answer to nothing that was sent is none.
    fn acknowledged(&mut self, ack: &v1::LogAck) {
        let Some((name, unit)) =
            ack.unit.parse().ok().and_then(|name: UnitName| self.units.get_mut(&name).map(|unit| (name, unit)))
        else {
            return;
        };
        let answers = |end: &Cursor| end.lineage == ack.lineage && end.next_frame == ack.next_frame;
        let Some(at) = unit.in_flight.iter().position(|(end, _)| answers(end)) else { return };
        let end = unit.in_flight[at].0;
        self.in_flight -= unit.in_flight.drain(..=at).map(|(_, bytes)| bytes).sum::<usize>();
        if let Err(error) = cursor::store(self.root, &name, end) {
            // Sent again after the next start, stored once all the same.
            tracing::warn!(unit = %name, "cannot note what the coordinator has: {error}");
        }
    }
}
