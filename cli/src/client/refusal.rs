//! tonic::Status -> CommandError: what the other side said, with its hints, under the right exit code.

use crate::error::{CommandError, ErrorKind};
use tonic::{Code, Status};

/// What `status`, answered by `peer` ("the coordinator of …"), means. Lines of its message that begin with
/// `hint:` are hints.
pub(crate) fn error_of(status: Status, peer: &str) -> CommandError {
    let transport = std::error::Error::source(&status).is_some();
    let kind = kind(status.code(), transport);
    if transport || (status.code() == Code::Unavailable && status.message().is_empty()) {
        return CommandError::because(format!("lost the connection to {peer}"), status).of_kind(kind);
    }
    let mut lines = status.message().lines();
    let first = lines.next().unwrap_or_default();
    let what = match status.code() {
        Code::Unauthenticated => format!("{peer} does not know this identity: {first}"),
        Code::PermissionDenied => format!("permission denied: {first}"),
        Code::Unimplemented => format!("{peer} is too old for this command: {first}"),
        Code::Internal | Code::Unknown | Code::DataLoss => format!("{peer} failed: {first}"),
        _ if first.is_empty() => format!("{peer} refused: {}", status.code()),
        _ => first.to_owned(),
    };
    lines.fold(CommandError::new(kind, what), |error, line| {
        let line = line.trim();
        error.hint(line.strip_prefix("hint:").unwrap_or(line).trim())
    })
}

fn kind(code: Code, transport: bool) -> ErrorKind {
    match code {
        Code::Unavailable | Code::Unauthenticated | Code::DeadlineExceeded => ErrorKind::Unreachable,
        _ if transport => ErrorKind::Unreachable,
        Code::PermissionDenied | Code::FailedPrecondition => ErrorKind::Refused,
        Code::InvalidArgument | Code::OutOfRange => ErrorKind::Usage,
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::NotFound
        | Code::Aborted
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => ErrorKind::Failed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_refusal_has_its_exit_code() {
        let kind = |status: Status| error_of(status, "the coordinator").kind;
        assert_eq!(kind(Status::unavailable("no leader")), ErrorKind::Unreachable);
        assert_eq!(kind(Status::unauthenticated("expired")), ErrorKind::Unreachable);
        assert_eq!(kind(Status::failed_precondition("frozen")), ErrorKind::Refused);
        assert_eq!(kind(Status::permission_denied("viewer")), ErrorKind::Refused);
        assert_eq!(kind(Status::not_found("no environment tset")), ErrorKind::Failed);
        assert_eq!(kind(Status::invalid_argument("no")), ErrorKind::Usage);
    }

    #[test]
    fn the_message_is_shown_as_the_coordinator_wrote_it() {
        let error = error_of(Status::not_found("there is no environment tset\nhint: did you mean test?"), "x");
        assert_eq!(error.to_string(), "there is no environment tset");
        assert_eq!(error.hints(), ["did you mean test?"]);
    }
}
