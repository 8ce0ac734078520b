//! The frames of the control socket: a little-endian `u32` length, then that many bytes of one protobuf message.
//!
//! Used by both ends: the supervisor ([`super::control`]) and the agent's client ([`crate::control`]).

use prost::Message;

/// The longest message either end accepts, in bytes. The kernel's own limit for arguments and environment together is
/// 2 MiB by default and 6 MiB at most; what a unit may ask for fits twice.
pub(crate) const MAX_MESSAGE: usize = 8 * 1024 * 1024;

/// Length of the header, in bytes.
pub(crate) const HEADER: usize = 4;

/// Unacknowledged events the supervisor tells at most. The client's queue has room for exactly these, so that a slow
/// reader of events never delays replies.
pub(crate) const EVENT_WINDOW: usize = 1024;

/// What is wrong with a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The peer announces more than is accepted.
    #[error("a message of {0} bytes is longer than the {MAX_MESSAGE} bytes allowed")]
    TooLong(usize),
    /// The bytes are not such a message.
    #[error("a message cannot be read")]
    Malformed(#[from] prost::DecodeError),
}

/// Appends the frame of `message` to `out`.
pub(crate) fn append(out: &mut Vec<u8>, message: &impl Message) -> Result<(), FrameError> {
    let length = message.encoded_len();
    if length > MAX_MESSAGE {
        return Err(FrameError::TooLong(length));
    }
    out.reserve(HEADER + length);
    out.extend_from_slice(&u32::try_from(length).expect("at most MAX_MESSAGE, which fits").to_le_bytes());
    message.encode(out).expect("a Vec grows as needed");
    Ok(())
}

/// Length of the message a header announces.
pub(crate) fn announced(header: [u8; HEADER]) -> Result<usize, FrameError> {
    let length = u32::from_le_bytes(header) as usize;
    if length > MAX_MESSAGE { Err(FrameError::TooLong(length)) } else { Ok(length) }
}

/// Takes the first whole message off `buffer`; `None` until it is all there.
pub(crate) fn take<M: Message + Default>(buffer: &mut Vec<u8>) -> Result<Option<M>, FrameError> {
    let Some(header) = buffer.first_chunk::<HEADER>() else { return Ok(None) };
    let end = HEADER + announced(*header)?;
    if buffer.len() < end {
        return Ok(None);
    }
    let message = M::decode(&buffer[HEADER..end])?;
    buffer.drain(..end);
    Ok(Some(message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_proto::control::{Reply, Request};

    #[test]
    fn a_message_arrives_as_it_was_sent_also_in_pieces() {
        let sent = Request { id: 7, request: None };
        let mut wire = Vec::new();
        append(&mut wire, &sent).unwrap();
        append(&mut wire, &Request { id: 8, request: None }).unwrap();
        let mut buffer = Vec::new();
        let mut got = Vec::new();
        for byte in wire {
            buffer.push(byte);
            while let Some(message) = take::<Request>(&mut buffer).unwrap() {
                got.push(message.id);
            }
        }
        assert_eq!(got, [7, 8]);
    }

    #[test]
    fn an_absurd_length_is_refused_before_anything_is_allocated() {
        let mut buffer = u32::MAX.to_le_bytes().to_vec();
        assert!(matches!(take::<Reply>(&mut buffer), Err(FrameError::TooLong(_))));
    }

    #[test]
    fn bytes_that_are_no_message_are_an_error() {
        let mut buffer = vec![2, 0, 0, 0, 0xff, 0xff];
        assert!(matches!(take::<Reply>(&mut buffer), Err(FrameError::Malformed(_))));
    }
}
