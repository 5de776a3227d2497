//! What the modules of the host render is taken by the programs that it is for.

mod metadata;
mod node;
mod passwords;
mod server;
mod tools;
mod units;
mod vaultd;
