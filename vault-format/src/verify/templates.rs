//! Templates must not show more than their secrets do: to no key and to no service.

use std::collections::BTreeMap;

use miette::Diagnostic;
use thiserror::Error;

use crate::{
    Lock, Policy, SecretName,
    policy::{TemplatePolicy, services_within},
    template::{Template, TemplateError},
};

/// The sources of templates by their paths in the vault: files that are what the lock says.
pub(crate) type Sources = BTreeMap<String, Vec<u8>>;

/// Where templates contradict the policy of the secrets that they show. A source that the lock covers
/// and that is not among `sources` could not be read, which is a problem of its own.
pub(super) fn disagreements(policy: &Policy, lock: &Lock, sources: &Sources) -> Vec<TemplateProblem> {
    let mut problems = Vec::new();
    for (path, template) in policy.templates() {
        let source = template.source.as_str();
        match sources.get(source).map(|bytes| parse(source, bytes)) {
            Some(Ok(parsed)) => problems.extend(Check { policy, lock, path, template }.problems(&parsed)),
            Some(Err(problem)) => problems.push(problem),
            None if lock.files.contains_key(source) => {}
            None => problems
                .push(TemplateProblem::NoSource { template: path.clone(), source_file: source.to_owned() }),
        }
    }
    problems
}

/// The templates of a policy that none of these disagree with.
pub(super) fn parsed(policy: &Policy, sources: &Sources) -> BTreeMap<SecretName, Template> {
    let parsed = policy.templates().iter().filter_map(|(path, template)| {
        let source = template.source.as_str();
        Some((path.clone(), parse(source, sources.get(source)?).ok()?))
    });
    parsed.collect()
}

fn parse(path: &str, bytes: &[u8]) -> Result<Template, TemplateProblem> {
    let text = std::str::from_utf8(bytes).map_err(|_| TemplateProblem::NotText(path.to_owned()))?;
    text.parse().map_err(|error| TemplateProblem::Language { path: path.to_owned(), error })
}

/// One template, held against the secrets that it shows.
struct Check<'a> {
    policy: &'a Policy,
    lock: &'a Lock,
    path: &'a SecretName,
    template: &'a TemplatePolicy,
}

impl Check<'_> {
    fn problems(&self, parsed: &Template) -> Vec<TemplateProblem> {
        let template = || self.path.clone();
        let mut problems = Vec::new();
        let shown = parsed.secrets();
        for &name in &shown {
            if !self.lock.secrets.contains_key(name) {
                problems.push(TemplateProblem::OfNothing { template: template(), name: name.clone() });
                continue;
            }
            let secret = self.policy.secret(name);
            if !self.template.audience.is_subset(&secret.audience) {
                problems.push(TemplateProblem::Audience { template: template(), name: name.clone() });
            }
            let own = self.template.services.as_ref();
            if own.is_some_and(|own| !services_within(own, &secret.access.services)) {
                problems.push(TemplateProblem::Services { template: template(), name: name.clone() });
            }
        }
        let services = self.policy.template_services(self.template, &shown);
        if services.is_some_and(|services| services.is_empty()) {
            problems.push(TemplateProblem::NoService(template()));
        }
        problems
    }
}

/// What is wrong with a template.
#[derive(Debug, Error, Diagnostic)]
pub enum TemplateProblem {
    /// The source is not in the vault.
    #[error("the template {template} has no source: {source_file} is not in the vault")]
    #[diagnostic(help("write the file, or remove the template from vault.toml; then run `vaultgen sign`"))]
    NoSource {
        /// The template.
        template: SecretName,
        /// Where its source should be.
        source_file: String,
    },
    /// Not UTF-8.
    #[error("{0} is not a text file")]
    #[diagnostic(help("a template is a text in UTF-8"))]
    NotText(String),
    /// Not in the language of templates.
    #[error("{path}: {error}")]
    Language {
        /// The source.
        path: String,
        /// What is wrong with it.
        #[diagnostic_source]
        error: TemplateError,
    },
    /// A secret that does not exist.
    #[error("the template {template} shows {name}, which is not in the vault")]
    #[diagnostic(help("correct the name in its source, or add the secret"))]
    OfNothing {
        /// The template.
        template: SecretName,
        /// What it should show.
        name: SecretName,
    },
    /// More keys than may read the secret.
    #[error("the audience of the template {template} has keys that cannot decrypt {name}")]
    #[diagnostic(help(
        "name fewer in the template's audience, or let the others have the secret: `vaultgen grant {name} GROUP`"
    ))]
    Audience {
        /// The template.
        template: SecretName,
        /// A secret that it shows.
        name: SecretName,
    },
    /// More services than may open the secret.
    #[error("the template {template} would be open to services that may not open {name}")]
    #[diagnostic(help(
        "name only services of the secret in the template's services, or leave them out: it then has those that all its secrets have in common"
    ))]
    Services {
        /// The template.
        template: SecretName,
        /// A secret that it shows.
        name: SecretName,
    },
    /// Services that have nothing in common.
    #[error("no service may open every secret that the template {0} shows")]
    #[diagnostic(help("let one service open all of them, or make a template for each"))]
    NoService(SecretName),
}
