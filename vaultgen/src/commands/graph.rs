//! `vaultgen graph`: what depends on what, for Graphviz.

use std::fmt::Display;

use vault_format::{SecretName, Verified, certificate::CertificateFacts, facts::Facts};

use crate::{cli::Common, commands, vault};

/// Print what depends on what in the vault, in the DOT language of Graphviz.
///
/// An arrow leads from what is needed to what is made of it: from a password to its hashes, from a CA to
/// the certificates that it signed, from a certificate to its key, from secrets to the views and
/// templates that show them, and from the groups and machines that can decrypt a secret to it. Names are
/// public: no key is needed. `vaultgen graph | dot -Tsvg > vault.svg`
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Prints the graph.
///
/// # Errors
///
/// If it is no vault, or not sound.
pub fn run(_: &Args, common: &Common) -> miette::Result<()> {
    let vault = vault::read(common)?;
    commands::say(false, "digraph vault {\n  rankdir = LR;\n  node [shape = box];");
    for line in nodes(&vault).chain(edges(&vault)) {
        commands::say(false, &format!("  {line};"));
    }
    commands::say(false, "}");
    Ok(())
}

fn nodes(vault: &Verified) -> impl Iterator<Item = String> {
    let readers = vault.policy().groups().keys().map(|name| format!("{} [shape = ellipse]", reader(name)));
    let secrets = vault.lock().secrets.keys().map(id);
    let templates = vault.policy().templates().keys().map(|path| format!("{} [style = dashed]", id(path)));
    let views = vault.policy().views().keys().map(|path| format!("{} [style = dashed]", id(path)));
    readers.chain(secrets).chain(views).chain(templates)
}

fn edges(vault: &Verified) -> impl Iterator<Item = String> {
    let mut edges = Vec::new();
    let mut arrow = |from: String, to: String, what: &str| {
        edges.push(format!("{from} -> {to} [label = {what:?}]"));
    };
    let (policy, secrets) = (vault.policy(), &vault.lock().secrets);
    for name in secrets.keys() {
        let secret = policy.secret(name);
        secret.groups.iter().for_each(|group| arrow(reader(group), id(name), "decrypts"));
        secret.from.iter().for_each(|source| arrow(id(source), id(name), "derived"));
    }
    for (name, certificate) in certificates(vault) {
        for (other, issued) in certificates(vault) {
            if name != other && issued.issuer == certificate.subject {
                arrow(id(name), id(other), "signs");
            }
        }
        for (key, facts) in secrets {
            let Some(Facts::PrivateKey { spki_sha256 }) = &facts.facts else { continue };
            if *spki_sha256 == certificate.spki_sha256 {
                arrow(id(name), id(key), "key");
            }
        }
    }
    policy.views().iter().for_each(|(path, view)| arrow(id(&view.of), id(path), "view"));
    for (path, template) in vault.templates() {
        template.secrets().into_iter().for_each(|secret| arrow(id(secret), id(path), "template"));
    }
    edges.into_iter()
}

fn certificates(vault: &Verified) -> impl Iterator<Item = (&SecretName, &CertificateFacts)> {
    vault.lock().secrets.iter().filter_map(|(name, secret)| match &secret.facts {
        Some(Facts::Certificate(facts)) => Some((name, facts)),
        _ => None,
    })
}

/// A node of the mount. Names of secrets have no quote and no backslash.
fn id(name: &impl Display) -> String {
    format!("\"{name}\"")
}

/// A group may be called as a secret is, and has whatever characters TOML takes.
fn reader(name: &str) -> String {
    let plain = name.escape_default().to_string();
    format!("\"group {}\"", plain.replace('\\', "\\\\").replace('"', "\\\""))
}
