//! What happened lately, for `fleet events`: the last thousand, and whoever listens.

use fleet_proto::v1::Event;
use std::collections::VecDeque;
use tokio::sync::broadcast;

/// Events kept for those who ask later.
const KEPT: usize = 1000;
/// Events a slow listener may lag behind before it misses some; it is told how many.
const LAG: usize = 1024;

/// The last events, and a channel for the next.
#[derive(Debug)]
pub(super) struct Events {
    kept: VecDeque<Event>,
    channel: broadcast::Sender<Event>,
}

impl Default for Events {
    fn default() -> Self {
        Events { kept: VecDeque::new(), channel: broadcast::channel(LAG).0 }
    }
}

impl Events {
    /// Tells and keeps one event.
    pub(super) fn tell(&mut self, event: Event) {
        tracing::info!(
            kind = event.kind,
            environment = event.environment,
            node = event.node,
            unit = event.unit,
            revision = event.revision,
            "{}",
            event.text
        );
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(event.clone());
        // No listener is no error.
        let _ = self.channel.send(event);
    }

    /// What is kept, oldest first, and the channel for what follows.
    #[must_use]
    pub(super) fn listen(&self) -> (Vec<Event>, broadcast::Receiver<Event>) {
        (self.kept.iter().cloned().collect(), self.channel.subscribe())
    }
}
