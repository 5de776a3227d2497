//! `deploy list`.

use std::io::{self, Write};

use miette::IntoDiagnostic;

use crate::{
    cli::Ended,
    modules::MODULES,
    node::{Variant, shipped},
};

/// List the shipped nodes, their variants, and the modules with their options and defaults.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the verb.
///
/// # Errors
///
/// If nobody reads what it prints.
pub fn run(_: &Args) -> miette::Result<Ended> {
    let mut out = io::stdout().lock();
    write(&mut out).into_diagnostic().map(|()| Ended::Well)
}

fn write(out: &mut impl Write) -> io::Result<()> {
    let variants = [Variant::Run, Variant::Bootstrap].map(Variant::as_str).join(", ");
    writeln!(out, "nodes, each with the variants {variants}:")?;
    for (name, _) in shipped() {
        writeln!(out, "  {name}")?;
    }
    writeln!(out, "\nmodules, with their options and defaults:")?;
    for module in &MODULES {
        writeln!(out, "  {}: {}", module.name, module.summary)?;
        for option in module.options() {
            let default = option.default.map(|default| format!(" = {default}")).unwrap_or_default();
            writeln!(out, "    {}{default}  # {}", option.key, option.expected)?;
        }
    }
    Ok(())
}
