use crate::world::{HOUR, World};
use fleet_certs::clock::TrustClock;
use fleet_certs::tls;
use fleet_server::journal::Role;
use fleet_server::listen::{self, Limits, ListenError};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;

const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_handshake_that_never_begins_is_given_up() {
    let limits = Limits { handshake: Duration::from_millis(100), ..Limits::main() };
    let world = World::with(HOUR, limits).await;
    let mut silent = TcpStream::connect(world.main).await.unwrap();
    let closed = tokio::time::timeout(SOON, silent.read(&mut [0; 1])).await.expect("it is closed");
    assert!(matches!(closed, Ok(0) | Err(_)));
}

#[tokio::test]
async fn slow_handshakes_do_not_keep_others_out_for_longer_than_the_timeout() {
    let limits = Limits { handshake: Duration::from_millis(200), handshakes: 2, ..Limits::main() };
    let world = World::with(HOUR, limits).await;
    let mut silent = Vec::new();
    for _ in 0..4 {
        silent.push(TcpStream::connect(world.main).await.unwrap());
    }
    world.connect(&world.operator("alice", Role::Admin)).await.unwrap();
}

#[tokio::test]
async fn connections_above_the_cap_are_closed_and_room_is_used_again() {
    let world = World::with(HOUR, Limits { connections: 1, ..Limits::main() }).await;
    let keystore = world.operator("alice", Role::Admin);
    let first = world.connect(&keystore).await.unwrap();
    assert!(world.connect(&keystore).await.is_err());
    drop(first);
    let again = async { while world.connect(&keystore).await.is_err() {} };
    tokio::time::timeout(SOON, again).await.expect("the place is free again");
}

/// The SETTINGS a server opens with (RFC 9113, 6.5), by their numbers.
async fn settings(address: SocketAddr, config: Arc<rustls::ClientConfig>) -> HashMap<u16, u32> {
    let tcp = TcpStream::connect(address).await.unwrap();
    let mut tls = tokio_rustls::TlsConnector::from(config).connect("x".try_into().unwrap(), tcp).await.unwrap();
    let mut head = [0; 9];
    tls.read_exact(&mut head).await.unwrap();
    assert_eq!(head[3], 4, "SETTINGS comes first");
    let mut body = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
    tls.read_exact(&mut body).await.unwrap();
    let pair = |field: &[u8]| {
        (u16::from_be_bytes([field[0], field[1]]), u32::from_be_bytes([field[2], field[3], field[4], field[5]]))
    };
    body.chunks(6).map(pair).collect()
}

#[tokio::test]
async fn the_limits_of_http2_are_advertised_on_both_ports() {
    const STREAMS: u16 = 3;
    const HEADER_LIST: u16 = 6;
    let world = World::new().await;
    let credentials = world.operator("alice", Role::Admin).load().unwrap();
    let main = settings(world.main, tls::client_config(&credentials, TrustClock::system()).unwrap()).await;
    assert_eq!((main.get(&STREAMS), main.get(&HEADER_LIST)), (Some(&128), Some(&16384)));
    let pinned = tls::enrolment_client_config(world.authority.root_digest(), TrustClock::system()).unwrap();
    let enrolment = settings(world.enrolment, pinned).await;
    assert_eq!((enrolment.get(&STREAMS), enrolment.get(&HEADER_LIST)), (Some(&4), Some(&16384)));
}

#[tokio::test]
async fn a_taken_port_names_its_holder() {
    let world = World::new().await;
    let Err(error) = listen::bind(world.main).await else { panic!("the port is taken") };
    let ListenError::Taken { holder, .. } = &error else { panic!("{error}") };
    assert!(holder.contains(&std::process::id().to_string()), "{holder}");
    assert!(error.to_string().contains(&world.main.to_string()));
}
