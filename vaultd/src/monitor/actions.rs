//! What the policy wants done with units when a value changed, as far as this machine allows it.

use std::collections::BTreeSet;
use std::env;
use std::process::{Command, Stdio};
use std::thread;

use vault_format::policy::Action;

/// Names the unit that fails while the vault's present state is refused.
const VERIFY_UNIT: &str = "VAULTD_VERIFY_UNIT";

/// Has systemd do what is `allowed`, and waits for none of it: a unit may need the mount to start. Tells what is
/// not allowed.
pub fn run(actions: &BTreeSet<Action>, allowed: &[String]) -> Vec<String> {
    let (allowed, refused): (Vec<&Action>, Vec<_>) =
        actions.iter().partition(|action| allowed.contains(&action.unit));
    allowed.into_iter().cloned().for_each(start);
    let refused = refused.into_iter().map(|Action { verb, unit }| {
        format!("the vault wants to {verb} {unit}, which on-change-units of vaultd.toml does not allow")
    });
    refused.collect()
}

/// Has the unit look again which is to fail while the vault's present state is refused, if we are run with one.
pub fn verify_again() {
    if let Ok(unit) = env::var(VERIFY_UNIT) {
        start(Action { verb: "restart".to_owned(), unit });
    }
}

fn start(action: Action) {
    let started = Command::new("systemctl")
        .args(["--no-block", &action.verb, "--", &action.unit])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn();
    let Action { verb, unit } = action;
    match started {
        Err(error) => eprintln!("warning: cannot {verb} {unit}: systemctl: {error}"),
        // On a thread of its own: one that hangs must not keep the next reload waiting.
        Ok(mut systemctl) => drop(thread::spawn(move || match systemctl.wait() {
            Ok(status) if status.success() => {}
            Ok(status) => eprintln!("warning: cannot {verb} {unit}: systemctl: {status}"),
            Err(error) => eprintln!("warning: cannot {verb} {unit}: {error}"),
        })),
    }
}
