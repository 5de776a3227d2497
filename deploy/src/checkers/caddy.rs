//! Caddy: `caddy validate` reads its configuration and sets up all of it, but serves nothing.
//!
//! It looks at a copy, in which certificates and keys from credentials are ones made for the check, and all other paths are
//! in its folder.

use std::{fs, path::Path};

use serde_json::Value;

use super::{
    Outcome, Subject, Verdict,
    program::{Program, run},
    stand_in::certified,
};
use crate::value::AbsolutePath;

const CADDY: Program = Program { name: "caddy", package: Some("caddy") };
/// What its files are called.
const NAME: &str = "/caddy.json";
/// Where systemd puts what comes from the vault.
const CREDENTIALS: &str = "/run/credentials/";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let files = subject.texts_below("/").filter(|(path, _)| path.as_str().ends_with(NAME));
    files
        .map(|(path, text)| Outcome::of("caddy validate", path.as_str(), judge(subject, path, text)))
        .collect()
}

fn judge(subject: &Subject<'_>, path: &AbsolutePath, text: &str) -> Result<Verdict, Verdict> {
    let mut caddy = CADDY.command()?;
    let folder = subject.folder(&format!("caddy{}", path.as_str().replace('/', "-")))?;
    let stand_in = certified()?;
    fs::write(folder.join("cert.pem"), stand_in.certificate.expose())?;
    fs::write(folder.join("key.pem"), stand_in.key.expose())?;
    let copy = folder.join("caddy.json");
    // What is no JSON is for the program to tell.
    let here = serde_json::from_str::<Value>(text).map(|value| here(value, &folder).to_string());
    fs::write(&copy, here.unwrap_or_else(|_| text.to_owned()))?;
    caddy.env("HOME", &folder).env("XDG_DATA_HOME", &folder).env("XDG_CONFIG_HOME", &folder);
    caddy.arg("validate").arg("--config").arg(&copy);
    let said = run(caddy)?.without(&folder);
    if said.is_content() {
        return Ok(Verdict::Passed);
    }
    // Its log comes before.
    let error = said.text.lines().find(|line| line.starts_with("Error: ")).unwrap_or(&said.text);
    Err(Verdict::Failed(error.to_owned()))
}

/// The configuration with paths that are here.
fn here(value: Value, folder: &Path) -> Value {
    let again = |value| here(value, folder);
    match value {
        Value::String(text) if text.starts_with('/') => Value::String(path(&text, folder)),
        Value::Array(values) => values.into_iter().map(again).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, value)| (key, again(value))).collect())
        }
        other => other,
    }
}

fn path(text: &str, folder: &Path) -> String {
    let name = match text.strip_prefix(CREDENTIALS) {
        Some(name) if name.contains("key") => "key.pem".to_owned(),
        Some(_) => "cert.pem".to_owned(),
        None => text.trim_start_matches('/').replace('/', "-"),
    };
    folder.join(name).display().to_string()
}
