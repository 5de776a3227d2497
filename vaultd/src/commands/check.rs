//! `vaultd check`.

use std::io::{self, Write};
use std::process::ExitCode;

use serde::Serialize;

use crate::sys::features::{self, Feature};

/// Tell which guarantees hold on this machine
///
/// Mounts nothing and changes nothing. Some of it only root can tell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What the kernel and the machine's setup allow
    #[arg(long, required = true)]
    features: bool,

    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> miette::Result<ExitCode> {
    debug_assert!(args.features, "clap requires it");
    let features = features::all();
    let text = if args.json { json(&features)? } else { table(&features) };
    io::stdout().lock().write_all(text.as_bytes()).map_err(CheckError::Output)?;
    Ok(ExitCode::SUCCESS)
}

/// Why nothing could be told.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum CheckError {
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    #[error("cannot write JSON")]
    Json(#[source] serde_json::Error),
}

#[derive(Serialize)]
struct Report<'a> {
    features: &'a [Feature],
}

fn json(features: &[Feature]) -> Result<String, CheckError> {
    let text = serde_json::to_string_pretty(&Report { features }).map_err(CheckError::Json)?;
    Ok(text + "\n")
}

/// A line each: whether it holds, what was found, and what that means.
fn table(features: &[Feature]) -> String {
    let names = features.iter().map(|feature| feature.name.len()).max().unwrap_or(0);
    let found = features.iter().map(|feature| feature.found.chars().count()).max().unwrap_or(0);
    let line = |feature: &Feature| {
        let (holds, meaning) = match feature.holds {
            Some(true) => ("yes", feature.purpose.to_owned()),
            Some(false) => ("no", format!("{}; without: {}", feature.purpose, feature.without)),
            None => ("unknown", format!("{}; without: {}", feature.purpose, feature.without)),
        };
        format!("{:names$}  {holds:7}  {:found$}  {meaning}\n", feature.name, feature.found)
    };
    features.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::{Feature, json, table};

    fn feature(holds: Option<bool>) -> Feature {
        Feature { name: "name", holds, found: "found".to_owned(), purpose: "purpose", without: "harm" }
    }

    #[test]
    fn says_what_is_lost_where_it_is() {
        assert_eq!(table(&[feature(Some(true))]), "name  yes      found  purpose\n");
        assert_eq!(table(&[feature(Some(false))]), "name  no       found  purpose; without: harm\n");
        assert_eq!(table(&[feature(None)]), "name  unknown  found  purpose; without: harm\n");
    }

    #[test]
    fn json_has_a_list_of_features() {
        let value: serde_json::Value =
            serde_json::from_str(&json(&[feature(None)]).expect("json")).expect("json");
        assert_eq!(value["features"][0]["name"], "name");
        assert!(value["features"][0]["holds"].is_null());
    }
}
