//! Results for programs: one JSON object on standard output, and nothing else there.

use std::io::{self, Write};

use miette::Diagnostic;
use serde::Serialize;
use thiserror::Error;
use vault_format::report;

use crate::commands::audit::Found;

/// The version of every object. New fields may come; one that goes or changes makes a new version.
const VERSION: u32 = 1;

/// What every object has.
#[derive(Serialize)]
struct Versioned<'a, T> {
    version: u32,
    #[serde(flatten)]
    result: &'a T,
}

/// What there is to say where there is no result.
#[derive(Serialize)]
struct Failed {
    problems: [String; 1],
}

/// Prints a result. Whoever closed the pipe wants no more.
///
/// # Errors
///
/// None in practice: every result can be written as JSON.
pub fn print(result: &impl Serialize) -> miette::Result<()> {
    let json = serde_json::to_string_pretty(&Versioned { version: VERSION, result });
    let _ = writeln!(io::stdout(), "{}", json.map_err(JsonError)?);
    Ok(())
}

/// Prints why there is no result, unless that was the result.
pub fn print_failure(failure: &miette::Report) {
    if !(failure.is::<NotSound>() || failure.is::<Found>()) {
        // The error itself goes to standard error in any case.
        let _ = print(&Failed { problems: [report::render(failure.as_ref())] });
    }
}

/// Not sound, as the object on standard output says in full.
#[derive(Debug, Error, Diagnostic)]
#[error("the vault is not sound")]
#[diagnostic(help("`problems` on standard output has all that is wrong, and what to do about it"))]
pub struct NotSound;

/// Cannot be written.
#[derive(Debug, Error, Diagnostic)]
#[error("cannot write the result")]
struct JsonError(#[source] serde_json::Error);
