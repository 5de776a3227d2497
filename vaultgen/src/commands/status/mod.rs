//! `vaultgen status`: what is missing, known to others, due or at risk.

mod findings;
pub mod key_files;
mod print;

use serde::Serialize;
use vault_format::{Timestamp, VaultFolder, Verified, report, ssh, verify};

use self::{findings::Findings, key_files::KeyFiles};
use crate::{
    cli::Common,
    commands,
    json::{self, NotSound},
    trust::{Memory, TrustError},
    vault,
};

/// Show what is missing, known to removed keys, due, or at risk. Needs no private key.
///
/// The exit status is 1 only if the vault is not sound: all else is advice.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// The whole result, as its JSON has it.
#[derive(Serialize)]
struct Status {
    sound: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<State>,
    #[serde(flatten)]
    findings: Option<Findings>,
    key_files: KeyFiles,
    problems: Vec<String>,
}

/// Where nobody said yet that the signer is known.
const FIRST_USE: &str = "this vault was never used here before; compare the fingerprint with its owner, or check \
    it once by a list from elsewhere: `vaultgen verify --allowed-signers FILE`";

/// Which state this is, and who vouches for it.
#[derive(Serialize)]
struct State {
    id: String,
    serial: u64,
    secrets: usize,
    signer: String,
    fingerprint: String,
    /// Whether this operator knows the signer, and the state descends from the last one seen here.
    trusted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    distrust: Option<String>,
}

/// Verifies the vault, gathers everything that is worth doing, and prints it.
///
/// # Errors
///
/// If the vault cannot be read or is not sound.
pub fn run(_: &Args, common: &Common) -> miette::Result<()> {
    let folder = vault::open(&common.vault)?;
    let key_files = KeyFiles::look(folder.path(), common)?;
    let verified = match verify(&folder, &vault::own_signers(&folder)?, |_, _| false) {
        Ok(verified) => verified,
        Err(unsound) if common.json => {
            let problems = unsound.problems().iter().map(|problem| report::render(problem)).collect();
            json::print(&Status { sound: false, state: None, findings: None, key_files, problems })?;
            return Err(NotSound.into());
        }
        Err(unsound) => return Err(unsound.into()),
    };
    let state = State::of(&verified, judge(&folder, &verified).err());
    let findings = Findings::of(&verified, Timestamp::now())?;
    let problems = Vec::new();
    let (state, findings) = (Some(state), Some(findings));
    let status = Status { sound: true, state, findings, key_files, problems };
    if common.json {
        return json::print(&status);
    }
    for line in print::lines(&status) {
        // Policy and file names come from the repository: they may not write on the terminal.
        commands::say(common.quiet, &report::visible(&line).replace('\n', " "));
    }
    Ok(())
}

/// Holds the state against what was seen last, and asks nobody.
fn judge(folder: &VaultFolder, vault: &Verified) -> Result<(), TrustError> {
    Memory::open()?.judge(folder, vault::state(vault), true)
}

impl State {
    fn of(vault: &Verified, distrust: Option<TrustError>) -> Self {
        Self {
            id: vault.lock().id.to_string(),
            serial: vault.lock().serial,
            secrets: vault.lock().secrets.len(),
            signer: vault.signer().principal().to_owned(),
            fingerprint: ssh::fingerprint(vault.signer().key()),
            trusted: distrust.is_none(),
            distrust: distrust.map(|error| match error {
                // The signer is named already.
                TrustError::FirstUse { .. } => FIRST_USE.to_owned(),
                error => error.to_string(),
            }),
        }
    }
}
