//! Serves a verified odbox vault from memory, each file to the services it is for.
//!
//! [`commands`] reads top-down. The [`monitor`] loads a vault with four short-lived processes, the [`opener`], the
//! [`verifier`], the [`resolver`] and the [`decryptor`], into a [`Generation`] that lies in memory objects, mounts
//! it, and keeps a [`server`] alive, which answers the kernel. [`process`] is how they speak with each other.
//! [`opens`] is who opens files, and what is recorded of it.
//! [`configuration`] and [`signers`] are what the machine's owner decides, [`snapshot`] the bytes of a vault as
//! they were verified, and [`state`] what was accepted of it and what may follow.
//! [`sys`] is the only module with `unsafe`.

pub mod commands;
pub mod configuration;
pub mod decryptor;
pub mod forgetter;
pub mod generation;
pub mod monitor;
pub mod opener;
pub mod opens;
pub mod process;
pub mod resolver;
pub mod server;
pub mod signers;
pub mod snapshot;
pub mod state;
pub mod sys;
pub mod verifier;

pub use commands::main;
pub use generation::Generation;
