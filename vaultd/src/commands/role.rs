//! The hidden verbs: what the monitor starts.

use std::process::ExitCode;

use miette::IntoDiagnostic;

use crate::process::channel::Channel;
use crate::process::{Role, leave_terminal};
use crate::sys::process;
use crate::{decryptor, forgetter, opener, resolver, server, verifier};

pub(super) fn run(role: Role) -> miette::Result<ExitCode> {
    // Whoever loads a vault takes as much memory as its author chose.
    if !matches!(role, Role::Server | Role::Forgetter) {
        process::end_first();
    }
    process::forbid_dumps()?;
    leave_terminal().into_diagnostic()?;
    let channel = Channel::of_child().into_diagnostic()?;
    let outcome = match role {
        Role::Opener => opener::main(&channel),
        Role::Verifier => verifier::main(&channel),
        Role::Resolver => resolver::main(&channel),
        Role::Decryptor => decryptor::main(&channel),
        Role::Forgetter => forgetter::main(&channel),
        Role::Server => server::main(channel),
    };
    outcome.into_diagnostic()?;
    Ok(ExitCode::SUCCESS)
}
