//! `deploy diff`.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use miette::IntoDiagnostic;

use crate::{
    cli::{Ended, NodeArgs},
    pipeline,
    tree::Tree,
};

/// Tell what changes from a tree that was rendered before to the node as it is now.
///
/// Exit status 1 if anything does.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// A folder that `deploy render` wrote.
    #[arg(value_name = "DIR")]
    before: PathBuf,
}

/// Runs the verb.
///
/// # Errors
///
/// Everything that is wrong with the node, or if the folder is no rendered tree.
pub fn run(args: &Args) -> miette::Result<Ended> {
    let (_, tree) = pipeline::render(&args.node.node, args.node.variant)?;
    let differences = tree.differences(&Tree::read(&args.before)?);
    let mut out = io::stdout().lock();
    for difference in &differences {
        writeln!(out, "{difference}").into_diagnostic()?;
    }
    Ok(if differences.is_empty() { Ended::Well } else { Ended::Badly })
}
