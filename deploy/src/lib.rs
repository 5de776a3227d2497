//! One typed description of a machine in, the whole provisioned system out.
//!
//! | room | what it knows |
//! | --- | --- |
//! | [`node`] | the files that describe a machine, and their options with their places |
//! | [`value`] | what an option can be: a type for each kind |
//! | [`problem`] | what is wrong with a node, all of it at once |
//! | [`modules`] | the parts of a box, each turning its options into contributions |
//! | [`system`] | what they contribute to: the whole box as a plain value |
//! | [`vault`] | the vault of a node, verified, as the bytes that travel |
//! | [`addons`] | the addons of Odoo that a node names, as the bytes that travel |
//! | [`assertions`] | what must hold of a whole system |
//! | [`pipeline`] | load, resolve, assert, render: from top to bottom |
//! | [`formats`] | what quotes: units, Nginx, SQL, shell and others |
//! | [`tree`] | the rendered files, written, read back and compared |
//! | [`checkers`] | what the programs themselves say of the files that are theirs |
//! | [`commands`] | the verbs |
#![forbid(unsafe_code)]

pub mod addons;
pub mod assertions;
pub mod checkers;
mod cli;
pub mod commands;
pub mod formats;
pub mod modules;
pub mod node;
pub mod pipeline;
pub mod problem;
pub mod system;
pub mod tree;
pub mod value;
pub mod vault;

pub use cli::run;
