//! `deploy list`.

mod catalogue;
mod json;
mod node;

use std::io;

use miette::IntoDiagnostic;

use self::{catalogue::Catalogue, node::NodeOptions};
use crate::{cli::Ended, pipeline::Effective};

/// List what there is; or, of a node, what each option is and who says so.
///
/// Without NODE: the shipped nodes, their variants, and the modules with their options and defaults. With NODE: the
/// options of the modules that it has, as they are when its own file, those that it starts from and the defaults have had
/// their say, the same in both variants. It opens no vault: whether all of it fits together, `deploy check` tells.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The name of a shipped node, or the path of a node file.
    #[arg(value_name = "NODE")]
    node: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
///
/// # Errors
///
/// Everything that is wrong with the options of the node; or if nobody reads what it prints.
pub fn run(args: &Args) -> miette::Result<Ended> {
    let mut out = io::stdout().lock();
    let Some(node) = &args.node else {
        let catalogue = Catalogue::new();
        let written = if args.json { json::write(&mut out, &catalogue) } else { catalogue.write(&mut out) };
        return written.into_diagnostic().map(|()| Ended::Well);
    };
    let effective = match Effective::of(node) {
        Ok(effective) => effective,
        Err(problems) => {
            if args.json {
                json::write(&mut out, &json::Failed::of(&problems)).into_diagnostic()?;
            }
            return Err(problems.into());
        }
    };
    let options = NodeOptions::of(&effective);
    let written = if args.json { json::write(&mut out, &options) } else { options.write(&mut out) };
    written.into_diagnostic().map(|()| Ended::Well)
}
