//! Transcripts of real commands: the built binary, its own folders, and coordinators and nodes that answer from a
//! script behind real mTLS and a real socket.

mod contexts;
mod coordinator;
mod explain;
mod hook;
mod import;
mod lint;
mod local;
mod remote;
mod render;
mod run;
mod service;
mod shell;
mod terminal;
