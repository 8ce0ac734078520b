//! The wire: messages and services of Fleet, and the only translation between them and the domain.

/// Package `fleet.v1`: coordinator, nodes, operators, enrolment, the node's local socket.
pub mod v1 {
    #![allow(missing_docs, clippy::all, clippy::pedantic)] // generated; the .proto files hold the documentation
    tonic::include_proto!("fleet.v1");
}

/// Package `fleet.control.v1`: a node's agent and its supervisor.
pub mod control {
    #![allow(missing_docs, clippy::all, clippy::pedantic)] // generated; the .proto file holds the documentation
    tonic::include_proto!("fleet.control.v1");
}

pub mod convert;

/// The compiled descriptors of all packages, for gRPC reflection and for the authorization table's test.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/fleet_descriptor.bin"));

/// Version of the node link.
pub const NODE_PROTOCOL: u32 = 1;
/// Version of the control protocol between agent and supervisor.
pub const CONTROL_PROTOCOL: u32 = 1;
