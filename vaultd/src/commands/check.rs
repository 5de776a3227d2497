//! `vaultd check`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::source::Source;
use crate::configuration::Configuration;
use crate::monitor::loader::{Intent, Loader};
use crate::monitor::mount;
use crate::sys::features::{self, Feature};
use crate::sys::process;
use crate::sys::store::Store;

/// Verify and decrypt a vault as `mount` would, and mount nothing
///
/// For CI, and before a switch. Nothing is remembered of it. With --features it tells which guarantees hold on
/// this machine instead; some of it only root can tell.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,

    /// Tell what the kernel and the machine's setup allow
    #[arg(long)]
    features: bool,

    /// Print what --features tells as JSON
    #[arg(long, requires = "features")]
    json: bool,

    /// Where it would be mounted: what was accepted there before counts [default: /run/vault]
    #[arg(value_name = "MOUNTPOINT")]
    mount_point: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> miette::Result<ExitCode> {
    match args.features {
        true => show_features(args),
        false => check(args),
    }
}

/// read → verify → judge → decrypt → forget
fn check(args: &Args) -> miette::Result<ExitCode> {
    mount::require_root()?;
    process::forbid_dumps()?;
    process::raise_descriptor_limit();
    let flags = Configuration { mountpoint: args.mount_point.clone(), ..Configuration::default() };
    let settings = args.source.settings(flags)?;
    let store = Store::open(settings.locking, settings.decryptor().user())?;
    let loader = Loader::new(settings, store)?;
    let loaded = loader.present(1, None, Intent::Look)?;
    for warning in &loaded.warnings {
        eprintln!("warning: {warning}");
    }
    let state = loaded.facts.map(|facts| format!(", serial {}, signed by {}", facts.serial, facts.principal));
    super::say(&format!("sound: {} files to serve{}", loaded.report.files, state.unwrap_or_default()));
    Ok(ExitCode::SUCCESS)
}

fn show_features(args: &Args) -> miette::Result<ExitCode> {
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
