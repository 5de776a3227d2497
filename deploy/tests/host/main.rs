//! What the modules of the host render is taken by the programs that it is for.

mod node;
mod passwords;
mod server;
mod units;
mod vaultd;
