//! `deploy render`.

use std::path::PathBuf;

use crate::{
    cli::{Ended, NodeArgs},
    pipeline,
};

/// Render a node: its files, packages, users and units, into a folder.
///
/// The same node gives the same bytes. It needs no root and no network, and what it writes holds no plaintext of the
/// vault.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// The folder: not there yet, empty, or rendered before.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// Runs the verb.
///
/// # Errors
///
/// Everything that is wrong with the node; then nothing was written.
pub fn run(args: &Args) -> miette::Result<Ended> {
    let (_, tree) = pipeline::render(&args.node.node, args.node.variant)?;
    tree.write(&args.out)?;
    Ok(Ended::Well)
}
