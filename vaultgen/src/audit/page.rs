//! The result as one page that explains itself: for a browser, for paper, for the file of an auditor.
//!
//! It has no script and loads nothing, and says so to the browser. Everything in a report came from somebody who may
//! be hostile: each value is escaped where it is written, and characters that nobody sees are spelled out. Ids come
//! from positions, never from names. The rooms:
//!
//! | room | what it knows |
//! | --- | --- |
//! | [`anchors`] | which id a secret, a finding or a step has |
//! | [`overview`] | each vault at a glance |
//! | [`bundles`] | secrets that the same readers have |
//! | [`picture`] | where boxes and lines of "who can read what" are |
//! | [`timeline`] | the history by month |
//! | [`steps`] | the history, commit by commit |
//! | [`findings`] | what is wrong, and where it is told |
//! | [`secrets`] | each secret, with its findings and its steps |
//! | [`labels`] | names that fit into boxes |
//! | [`escape`] | values as HTML |

mod anchors;
mod bundles;
mod escape;
mod findings;
mod labels;
mod overview;
mod picture;
mod secrets;
mod steps;
#[cfg(test)]
mod tests;
mod timeline;

use miette::Diagnostic;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use thiserror::Error;

use self::anchors::Anchors;
use super::{
    report::{Report, VaultReport},
    words,
};

const TEMPLATES: [(&str, &str); 7] = [
    ("page.html", include_str!("page/page.html")),
    ("overview.html", include_str!("page/overview.html")),
    ("picture.html", include_str!("page/picture.html")),
    ("timeline.html", include_str!("page/timeline.html")),
    ("findings.html", include_str!("page/findings.html")),
    ("details.html", include_str!("page/details.html")),
    ("access.html", include_str!("page/access.html")),
];
const STYLE: &str = include_str!("page/style.css");

/// The page cannot be made.
#[derive(Debug, Error, Diagnostic)]
#[error("the page cannot be made")]
#[diagnostic(help("this is an error in vaultgen; --json has the same facts"))]
pub struct PageError(#[from] minijinja::Error);

/// The page of a report.
///
/// # Errors
///
/// If a template does not fit the report, which is an error of ours.
pub fn render(report: &Report) -> Result<String, PageError> {
    let environment = environment()?;
    Ok(environment.get_template("page.html")?.render(page(report))?)
}

fn environment() -> Result<Environment<'static>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_formatter(escape::write);
    environment.set_trim_blocks(true);
    environment.set_lstrip_blocks(true);
    environment.add_filter("day", escape::day);
    environment.add_filter("moment", escape::moment);
    environment.add_filter("short", escape::short);
    for (name, text) in TEMPLATES {
        environment.add_template(name, text)?;
    }
    Ok(environment)
}

fn page(report: &Report) -> Value {
    let anchors = Anchors::of(report);
    let vaults = report.vaults.iter().enumerate();
    let vaults: Vec<Value> = vaults.map(|(index, vault)| of_vault(report, &anchors, index, vault)).collect();
    context! {
        style => Value::from_safe_string(STYLE.to_owned()),
        made => report.made.to_string(),
        scope => words::scope(&report.question),
        at => report.question.at.as_ref().map(|at| context! { name => at.name, source => at.source }),
        shallow => report.question.shallow,
        trust => Value::from_serialize(&report.trust),
        counts => findings::counts(report.findings.iter()),
        findings => findings::list(report, &anchors),
        allowed => findings::allowed(report),
        notes => report.notes,
        vaults => vaults,
    }
}

fn of_vault(report: &Report, anchors: &Anchors<'_>, index: usize, vault: &VaultReport) -> Value {
    let state = vault.state.as_ref();
    context! {
        id => format!("v{index}"),
        name => vault_name(vault),
        overview => overview::of(report, anchors, index, vault),
        picture => state.map(|state| picture::of(state, index)),
        timeline => timeline::of(report, vault),
        steps => steps::by_year(report, vault, index),
        secrets => state.map(|state| secrets::list(report, anchors, index, vault, state)),
        machines => state.map(|state| secrets::machines(index, state)),
        readers => state.map(|state| secrets::readers(index, state)),
        signers => state.map(|state| Value::from_serialize(&state.signers)),
        views => state.map(|state| Value::from_serialize(&state.views)),
        templates => state.map(|state| Value::from_serialize(&state.templates)),
        access => vault.access.as_ref().map(Value::from_serialize),
    }
}

/// What a vault is called in a heading.
fn vault_name(vault: &VaultReport) -> &str {
    if vault.path.is_empty() { "Vault at the top of the repository" } else { &vault.path }
}
