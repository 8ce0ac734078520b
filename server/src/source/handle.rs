//! The asynchronous remote control of a [`Source`].

use super::environments::Source;
use super::error::SourceError;
use std::sync::{Arc, Mutex};

/// Runs blocking work on the repository on tokio's blocking pool, one piece after another.
#[derive(Clone)]
pub struct SourceHandle {
    source: Arc<Mutex<Source>>,
}

impl SourceHandle {
    /// A handle to `source`.
    #[must_use]
    pub fn new(source: Source) -> Self {
        SourceHandle { source: Arc::new(Mutex::new(source)) }
    }

    /// Runs `work` with the repository. When the caller is dropped, the work still ends.
    ///
    /// # Errors
    /// [`SourceError::Interrupted`] when the work panicked or the runtime ends.
    pub async fn run<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Source) -> R + Send + 'static,
    ) -> Result<R, SourceError> {
        let source = Arc::clone(&self.source);
        let result = tokio::task::spawn_blocking(move || {
            // A panic in earlier work leaves caches at worst incomplete, never wrong: they are keyed by object id.
            let mut source = source.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            work(&mut source)
        });
        result.await.map_err(|_| SourceError::Interrupted)
    }
}
