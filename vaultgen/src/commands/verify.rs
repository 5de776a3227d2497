//! `vaultgen verify`: whether a vault is sound, without any private key.

use std::{fs, path::PathBuf};

use miette::Diagnostic;
use serde::Serialize;
use thiserror::Error;
use vault_format::{
    Timestamp, VaultFolder, Verified, due, inspect, inspect::Mismatch, report, signers::AllowedSigners, ssh,
    verify, verify::Unsound,
};

use crate::{
    cli::Common,
    commands::{self, counted},
    json::{self, NotSound},
    keys,
    trust::{Memory, TrustError},
    vault,
};

/// Check the signature, every digest, the policy and the age headers. Needs no private key.
///
/// With --identity it also opens every secret that the identity can, and holds it against the lock
/// and the secret that it is derived from.
///
/// The exit status is 1 if anything is not sound. Without --allowed-signers the vault's own copy
/// of the signers is used, which cannot tell whether somebody replaced the whole folder. With
/// --allowed-signers a sound state is remembered, and another vault in its place refused from then on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The signers that you trust, from outside of the repository
    #[arg(long, value_name = "FILE")]
    allowed_signers: Option<PathBuf>,
}

/// Whom the signature was checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trust {
    /// A list that the caller brought.
    Outside,
    /// The vault's own copy.
    Repository,
}

/// Verifies the vault and reports every problem.
///
/// # Errors
///
/// If the vault cannot be read or is not sound.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let folder = vault::open(&common.vault)?;
    let (signers, trust) = trusted_signers(args, &folder)?;
    let result = verify(&folder, &signers, |_, _| false);
    let opened = match &result {
        Ok(vault) if !common.identities.is_empty() => {
            let (count, mismatches) = inspect(&folder, vault, keys::identities(common)?);
            Some(Opened { count, mismatches })
        }
        _ => None,
    };
    let (problem, doubt) = match (&result, trust) {
        // Whoever brought a list of signers from outside has said whom to trust.
        (Ok(vault), Trust::Outside) => remember(&folder, vault)?,
        _ => (None, None),
    };
    if common.json {
        let mut report = Report::of(&result, opened.as_ref(), trust);
        report.sound &= problem.is_none();
        report.problems.extend(problem.iter().map(|problem| report::render(problem)));
        report.warnings.extend(doubt.iter().map(ToString::to_string));
        json::print(&report)?;
        return if report.sound { Ok(()) } else { Err(NotSound.into()) };
    }
    let vault = result?;
    if let Some(problem) = problem {
        return Err(problem.into());
    }
    if let Some(doubt) = doubt {
        commands::say(common.quiet, &format!("warning: {doubt}"));
    }
    print(&vault, trust, common.quiet);
    if let Some(opened) = opened {
        commands::say(common.quiet, &format!("opened: {}", counted(opened.count)));
        if !opened.mismatches.is_empty() {
            return Err(Mismatches { mismatches: opened.mismatches }.into());
        }
    }
    Ok(())
}

/// Remembers the state, and gives back what speaks against it. Another vault in its place, or an older
/// state, is a problem: both are what somebody who can only push would try. Another branch is not.
fn remember(
    folder: &VaultFolder,
    vault: &Verified,
) -> Result<(Option<TrustError>, Option<TrustError>), TrustError> {
    Ok(match Memory::open()?.remember_if_newer(folder, vault::state(vault))? {
        Some(problem @ (TrustError::OtherVault { .. } | TrustError::Older { .. })) => (Some(problem), None),
        doubt => (None, doubt),
    })
}

/// What the identities opened, and what was not as the lock has it.
struct Opened {
    count: usize,
    mismatches: Vec<Mismatch>,
}

fn trusted_signers(args: &Args, folder: &VaultFolder) -> miette::Result<(AllowedSigners, Trust)> {
    let Some(path) = &args.allowed_signers else {
        return Ok((vault::own_signers(folder)?, Trust::Repository));
    };
    let bytes = fs::read(path).map_err(|error| VerifyError::Signers { path: path.clone(), error })?;
    Ok((vault::parse_signers(path, bytes)?, Trust::Outside))
}

fn print(vault: &Verified, trust: Trust, quiet: bool) {
    let lock = vault.lock();
    let signer = vault.signer();
    for warning in warnings(vault) {
        commands::say(quiet, &format!("warning: {warning}"));
    }
    let fingerprint = ssh::fingerprint(signer.key());
    commands::say(
        quiet,
        &format!(
            "sound: {}, serial {}, signed by {} {fingerprint}",
            counted(lock.secrets.len()),
            lock.serial,
            signer.principal(),
        ),
    );
    if trust == Trust::Repository {
        commands::say(quiet, "signer not authenticated: trust anchored in this repository");
    }
}

/// What is not wrong, but worth a look; also what is due.
fn warnings(vault: &Verified) -> Vec<String> {
    let now = Timestamp::now();
    let due = due(vault, now).into_iter().map(|due| format!("{}: {}", due.name, due.describe(now)));
    // Instructions come from the policy: they may not write on the terminal.
    vault
        .warnings()
        .iter()
        .map(ToString::to_string)
        .chain(due)
        .map(|line| report::visible(&line).replace('\n', " "))
        .collect()
}

/// The result for machines.
#[derive(Serialize)]
struct Report {
    sound: bool,
    signer_authenticated: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened: Option<usize>,
    problems: Vec<String>,
    warnings: Vec<String>,
}

/// What was verified.
#[derive(Serialize)]
struct State {
    id: String,
    serial: u64,
    lock_sha256: String,
    signer: String,
    fingerprint: String,
    secrets: usize,
}

impl Report {
    fn of(result: &Result<Verified, Unsound>, opened: Option<&Opened>, trust: Trust) -> Self {
        let mismatches = opened.map(|opened| opened.mismatches.as_slice()).unwrap_or_default();
        let signer_authenticated = result.is_ok() && trust == Trust::Outside;
        match result {
            Ok(vault) => Self {
                sound: mismatches.is_empty(),
                opened: opened.map(|opened| opened.count),
                signer_authenticated,
                state: Some(State {
                    id: vault.lock().id.to_string(),
                    serial: vault.lock().serial,
                    lock_sha256: vault.lock_digest().to_string(),
                    signer: vault.signer().principal().to_owned(),
                    fingerprint: ssh::fingerprint(vault.signer().key()),
                    secrets: vault.lock().secrets.len(),
                }),
                problems: mismatches.iter().map(|mismatch| report::render(mismatch)).collect(),
                warnings: warnings(vault),
            },
            Err(unsound) => Self {
                sound: false,
                opened: None,
                signer_authenticated,
                state: None,
                problems: unsound.problems().iter().map(|problem| report::render(problem)).collect(),
                warnings: Vec::new(),
            },
        }
    }
}

/// Why a vault could not be verified at all.
#[derive(Debug, Error, Diagnostic)]
pub enum VerifyError {
    /// The outside list cannot be read.
    #[error("{path}")]
    #[diagnostic(help("--allowed-signers names a file in the format of OpenSSH's allowed_signers"))]
    Signers {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: std::io::Error,
    },
}

/// Secrets that are not what the vault says of them.
#[derive(Debug, Error, Diagnostic)]
#[error("{} not what the vault says", counted(mismatches.len()))]
struct Mismatches {
    #[related]
    mismatches: Vec<Mismatch>,
}
