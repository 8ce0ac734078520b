//! The table against the services there are, and its decisions.

use super::*;
use crate::journal::Entry;
use fleet_certs::peer::Serial;
use fleet_units::ids::Sha256Digest;
use fleet_units::time::Timestamp;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use tonic::Code;

/// The paths of every RPC in a set of compiled .proto files.
fn rpcs(descriptors: &[u8]) -> BTreeSet<String> {
    let set = prost_types::FileDescriptorSet::decode(descriptors).unwrap();
    let services = set.file.iter().flat_map(|file| file.service.iter().map(move |service| (file.package(), service)));
    services
        .flat_map(|(package, service)| {
            service.method.iter().map(move |method| format!("/{package}.{}/{}", service.name(), method.name()))
        })
        .collect()
}

/// Served on the node's own socket, never by the coordinator.
const LOCAL: &str = "/fleet.v1.LocalService/";

#[test]
fn every_rpc_has_a_row_and_every_row_an_rpc() {
    let mut there = rpcs(fleet_proto::FILE_DESCRIPTOR_SET);
    there.retain(|path| !path.starts_with(LOCAL));
    there.extend(rpcs(tonic_health::pb::FILE_DESCRIPTOR_SET));
    there.extend(rpcs(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET));
    let rows: BTreeSet<String> = TABLE.iter().map(|rule| rule.path.to_owned()).collect();
    assert_eq!(rows.len(), TABLE.len(), "no RPC has two rows");
    assert_eq!(there.difference(&rows).collect::<Vec<_>>(), Vec::<&String>::new(), "RPCs without a row");
    assert_eq!(rows.difference(&there).collect::<Vec<_>>(), Vec::<&String>::new(), "rows without an RPC");
}

fn peer(path: &str) -> PeerIdentity {
    PeerIdentity {
        identity: path.parse().unwrap(),
        domain: "fleet.test".parse().unwrap(),
        serial: Serial::new(Timestamp(1000), [1; 8]),
        not_before: Timestamp(0),
        not_after: Timestamp(u64::MAX),
    }
}

const NODE: &str = "node/develop/develop-1";

/// Alice is admin, Oscar operator, Vera viewer; one node has joined.
fn state() -> (tempfile::TempDir, Journal) {
    let folder = tempfile::tempdir().unwrap();
    let journal = Journal::create(&folder.path().join("journal")).unwrap();
    for (name, role) in [("alice", Role::Admin), ("oscar", Role::Operator), ("vera", Role::Viewer)] {
        let name = name.parse().unwrap();
        journal.append(Entry::OperatorAdded { name, role, serial: String::new(), by: "test".into() }).unwrap();
    }
    let enrolled = Entry::NodeEnrolled {
        node: "develop-1".parse().unwrap(),
        environment: "develop".parse().unwrap(),
        labels: BTreeMap::new(),
        token: None,
        serial: peer(NODE).serial.to_string(),
        key: Sha256Digest::of(b"key"),
    };
    journal.append(enrolled).unwrap();
    (folder, journal)
}

fn code(path: &str, who: &str, journal: &Journal) -> Option<Code> {
    decide(path, Some(&peer(who)), &journal.state()).err().map(|status| status.code())
}

#[test]
fn each_role_gets_exactly_its_rows() {
    let (_folder, journal) = state();
    for rule in TABLE {
        let lets_in = |who| match code(rule.path, who, &journal) {
            None => true,
            Some(code) => {
                assert_eq!(code, Code::PermissionDenied, "{} {who}", rule.path);
                false
            }
        };
        let got = ["operator/alice", "operator/oscar", "operator/vera", NODE].map(lets_in);
        let wanted = match rule.access {
            Access::Node => [false, false, false, true],
            Access::Operator(Role::Admin) => [true, false, false, false],
            Access::Operator(Role::Operator) => [true, true, false, false],
            Access::Operator(Role::Viewer) => [true, true, true, false],
            Access::Anyone => [true; 4],
            Access::NotHere => [false; 4],
        };
        assert_eq!(got, wanted, "{}", rule.path);
    }
}

#[test]
fn an_unknown_path_and_an_almost_right_one_are_denied_to_an_admin() {
    let (_folder, journal) = state();
    for path in [
        "/fleet.v1.OperatorService/Nothing",
        "/fleet.v1.OperatorService/status",
        "/fleet.v1.OperatorService/Status/",
        "//fleet.v1.OperatorService/Status",
        "/fleet.v1.OperatorService/",
        "/",
        "",
    ] {
        assert_eq!(code(path, "operator/alice", &journal), Some(Code::PermissionDenied), "{path}");
    }
}

#[test]
fn who_has_no_certificate_is_not_authenticated() {
    let (_folder, journal) = state();
    for rule in TABLE {
        let status = decide(rule.path, None, &journal.state()).unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated, "{}", rule.path);
    }
}

#[test]
fn who_is_not_in_the_journal_is_denied_whatever_the_certificate_says() {
    let (_folder, journal) = state();
    let status = "/fleet.v1.OperatorService/Status";
    let control = "/fleet.v1.NodeService/Control";
    assert_eq!(code(status, "operator/mallory", &journal), Some(Code::PermissionDenied));
    assert_eq!(code(control, "node/develop/other", &journal), Some(Code::PermissionDenied));
    assert_eq!(code(control, "node/production/develop-1", &journal), Some(Code::PermissionDenied));
    assert_eq!(code(status, "coordinator/main", &journal), Some(Code::PermissionDenied));
}

#[test]
fn a_removed_operator_and_a_removed_node_are_out_at_once() {
    let (_folder, journal) = state();
    journal.append(Entry::OperatorRemoved { name: "vera".parse().unwrap(), by: "test".into() }).unwrap();
    journal.append(Entry::NodeRemoved { node: "develop-1".parse().unwrap(), by: "test".into() }).unwrap();
    assert_eq!(code("/fleet.v1.OperatorService/Status", "operator/vera", &journal), Some(Code::PermissionDenied));
    assert_eq!(code("/fleet.v1.NodeService/Control", NODE, &journal), Some(Code::PermissionDenied));
}

#[test]
fn a_removed_operator_who_is_added_again_needs_the_new_certificate() {
    let (_folder, journal) = state();
    let vera = || "vera".parse().unwrap();
    journal.append(Entry::OperatorRemoved { name: vera(), by: "test".into() }).unwrap();
    let again = Entry::OperatorAdded { name: vera(), role: Role::Viewer, serial: String::new(), by: "test".into() };
    journal.append(again).unwrap();
    let status = "/fleet.v1.OperatorService/Status";
    assert_eq!(code(status, "operator/vera", &journal), Some(Code::PermissionDenied));
    let fresh =
        PeerIdentity { serial: Serial::new(Timestamp(journal.state().last.0 + 1), [2; 8]), ..peer("operator/vera") };
    assert!(decide(status, Some(&fresh), &journal.state()).is_ok());
}

#[test]
fn a_revoked_certificate_is_refused_and_another_of_the_same_name_is_not() {
    let (_folder, journal) = state();
    let revoked = peer("operator/alice");
    let serial = revoked.serial.to_string();
    journal.append(Entry::CertificateRevoked { serial, by: "test".into(), why: "lost".into() }).unwrap();
    let path = "/fleet.v1.OperatorService/Status";
    assert!(decide(path, Some(&revoked), &journal.state()).is_err());
    let other = PeerIdentity { serial: Serial::new(Timestamp(1000), [2; 8]), ..revoked };
    assert!(decide(path, Some(&other), &journal.state()).is_ok());
}

#[test]
fn a_node_that_replaces_another_shuts_out_the_older_certificates_of_the_name() {
    let (_folder, journal) = state();
    let new = PeerIdentity { serial: Serial::new(Timestamp(2000), [2; 8]), ..peer(NODE) };
    let enrolled = Entry::NodeEnrolled {
        node: "develop-1".parse().unwrap(),
        environment: "develop".parse().unwrap(),
        labels: BTreeMap::new(),
        token: None,
        serial: new.serial.to_string(),
        key: Sha256Digest::of(b"other key"),
    };
    journal.append(enrolled).unwrap();
    let path = "/fleet.v1.NodeService/Control";
    assert!(decide(path, Some(&peer(NODE)), &journal.state()).is_err());
    assert!(decide(path, Some(&new), &journal.state()).is_ok());
}
