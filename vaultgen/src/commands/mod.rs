//! The verbs, one file each.

pub mod add;
pub mod adopt;
pub mod audience;
pub mod audit;
pub mod certs;
pub mod completions;
pub mod edit;
pub mod git;
pub mod graph;
pub mod import;
pub mod init;
pub mod machine;
pub mod merge;
pub mod password;
pub mod recipients;
pub mod rekey;
pub mod remove;
pub mod revert;
pub mod rotate;
pub mod show;
pub mod sign;
pub mod signers;
pub mod status;
pub mod verify;

use std::io::{self, Write};

use similar::TextDiff;
use vault_format::{Recipient, Verified, change::Applied, report};

/// Lines shown around each change of a policy: enough to see whose it is.
const POLICY_CONTEXT: usize = 3;

/// How many secrets, in words.
#[must_use]
pub fn counted(secrets: usize) -> String {
    if secrets == 1 { "1 secret".to_owned() } else { format!("{secrets} secrets") }
}

/// Prints a line for people, unless they asked for silence. Whoever closed the pipe wants no more.
pub fn say(quiet: bool, text: &str) {
    if !quiet {
        let _ = writeln!(io::stdout(), "{text}");
    }
}

/// Prints a warning on standard error, which may be closed: that is no reason to fail.
pub fn warn(text: &str) {
    let _ = writeln!(io::stderr(), "warning: {text}");
}

/// Says on standard error what the person at the terminal has to do now.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// The lines of a policy that came and went.
#[must_use]
pub fn policy_diff(before: &str, after: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(before, after);
    let diff = diff.unified_diff().context_radius(POLICY_CONTEXT).to_string();
    // The policy comes from the repository: it may not write on the terminal.
    diff.lines().map(report::visible).collect()
}

/// Warns of a key that makes every secret slow to open.
pub fn warn_of_cost(key: &Recipient) {
    if key.is_costly() {
        warn(
            "an ssh-rsa key takes some hundred times as long to open each secret as an age1… or ssh-ed25519 key, \
             and adds half a kilobyte or more to it; prefer one of those",
        );
    }
}

/// Says what was encrypted anew, and which secrets a removed key still knows.
pub fn say_reencrypted(before: &Verified, applied: &Applied, quiet: bool) {
    say(
        quiet,
        &format!("encrypted anew: {}; serial {}", counted(applied.reencrypted.len()), applied.lock.serial),
    );
    let exposed = applied.reencrypted.iter().filter(|name| {
        let old = before.lock().secrets.get(*name).map(|secret| &secret.exposed_to);
        let new = applied.lock.secrets.get(*name).map(|secret| &secret.exposed_to);
        new.is_some_and(|new| old.is_none_or(|old| !new.is_subset(old)))
    });
    let mut exposed = exposed.peekable();
    if exposed.peek().is_some() {
        say(quiet, "known to a removed key, so change these at their source:");
        exposed.for_each(|name| say(quiet, &format!("  {name}")));
        say(quiet, "`vaultgen rotate NAME` makes or takes the new value");
    }
}
