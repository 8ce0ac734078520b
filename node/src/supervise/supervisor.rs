//! The seam to the supervisor process: one request, one answer.

use crate::control::{Control, ControlError};
use fleet_proto::control::{Reply, request};
use std::future::Future;
use std::pin::Pin;

/// The answer to a request, later.
pub type Answer = Pin<Box<dyn Future<Output = Result<Reply, ControlError>> + Send>>;

/// What can be asked of the supervisor. Requests are done in the order in which their answers are first polled.
pub trait Supervisor: Send + 'static {
    /// Asks.
    fn request(&self, request: request::Request) -> Answer;
}

impl Supervisor for Control {
    fn request(&self, request: request::Request) -> Answer {
        let control = self.clone();
        Box::pin(async move { Control::request(&control, request).await })
    }
}
