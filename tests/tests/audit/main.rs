//! `vaultgen audit`: everything that a clone tells without a key, and nothing that it does not.

mod bad_input;
mod chain;
mod everything;
mod formats;
mod memory;
mod pages;
mod sarif;
mod scene;
mod schema;
mod story;
mod told;

use fixtures::machine::Need::{self, Program};

const NEEDS: [Need; 3] = [Program("git"), Program("age-keygen"), Program("ssh-keygen")];
