//! Results for programs: one JSON object, as docs/json.md has it.

use std::io::{self, Write};

use serde::{Serialize, Serializer};
use vault_format::report;

use crate::problem::Problems;

/// The version of every object. New fields may come; one that goes or changes makes a new version.
const VERSION: u32 = 1;

#[derive(Serialize)]
struct Versioned<'a, T> {
    version: u32,
    #[serde(flatten)]
    result: &'a T,
}

/// What there is to say where there is no result.
#[derive(Serialize)]
pub(super) struct Failed {
    problems: Vec<String>,
}

impl Failed {
    pub fn of(problems: &Problems) -> Self {
        Self { problems: problems.iter().map(|problem| report::render(problem)).collect() }
    }
}

/// Writes a result.
pub(super) fn write(out: &mut impl Write, result: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Versioned { version: VERSION, result })?;
    writeln!(out)
}

/// A value as a node file has it, for a field: text, a number, a boolean or a list.
#[expect(clippy::ref_option, reason = "serde's signature")]
pub(super) fn value<S: Serializer>(written: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let value = written.as_deref().map(str::parse::<toml::Value>).transpose();
    value.map_err(serde::ser::Error::custom)?.serialize(serializer)
}
