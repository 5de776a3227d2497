//! Serves a verified odbox vault from memory, each file to the services it is for.
//!
//! [`commands`] reads top-down: [`load()`] reads, verifies and decrypts a vault into a
//! [`Generation`], [`monitor`] mounts it, [`server`] answers the kernel. The server never mounts:
//! it is given a `/dev/fuse` descriptor and a generation, so it may run in another process.
//! [`configuration`] and [`signers`] are what the machine's owner decides, [`snapshot`] the bytes of a vault as
//! they were verified, and [`state`] what was accepted of it and what may follow.
//! [`sys`] is the only module with `unsafe`.

pub mod commands;
pub mod configuration;
pub mod generation;
pub mod load;
pub mod monitor;
pub mod owner;
pub mod server;
pub mod signers;
pub mod snapshot;
pub mod state;
pub mod sys;

pub use commands::main;
pub use generation::{Entry, Generation};
pub use load::load;
