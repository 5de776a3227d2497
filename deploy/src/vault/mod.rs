//! The vault of a node: opened, verified, and held as the bytes that travel to the machine.
//!
//! It stays ciphertext: nothing here has, or asks for, a key that opens it.

mod embedded;
mod example;
mod offer;

use std::collections::{BTreeMap, BTreeSet};

use miette::Diagnostic;
use vault_format::{
    LOCK_FILE, Policy, Recipient, SIGNATURE_FILE, SIGNERS_FILE, VaultFiles, VaultFolder, Verified,
    folder::FolderError,
    policy::GroupKind,
    report,
    signers::AllowedSigners,
    verify::{self, Unsound},
};

use self::embedded::Embedded;
pub use self::offer::VaultOffer;
use crate::{
    node::{Machine, Platform, SHIPPED},
    problem::{Problem, Problems},
    value::{Located, MachineName, SshKey},
};

/// Most bytes of a file with signers, and of a file of the vault.
const MAX_BYTES: u64 = 1 << 30;

/// Most problems of a vault that are told one by one.
const MAX_TOLD: usize = 10;
const VERIFY: &str = "`vaultgen verify` tells all that is wrong with it";

/// The name of the module that a vault's problems are about.
const MODULE: &str = "vault";

/// The vault that a machine gets.
#[derive(Debug)]
pub struct NodeVault {
    /// Every file that the machine needs of it, by path below its folder: ciphertext, and what is public.
    pub files: BTreeMap<String, Vec<u8>>,
    /// The text of the signers that the machine is to trust.
    pub signers: String,
    /// The machine's identity: only of the snake-oil vault, whose private keys everybody knows.
    pub identity: Option<&'static str>,
    /// The public keys that root logs in with.
    pub root_keys: Vec<SshKey>,
    /// The public keys that the administrator logs in with.
    pub admin_keys: Vec<SshKey>,
    /// Whether it is one that was shipped as an example, whose private keys nobody has.
    pub is_example: bool,
    verified: Verified,
    machine: MachineName,
}

impl NodeVault {
    /// Opens and verifies the vault that a node names.
    ///
    /// # Errors
    ///
    /// If there is none, it is not sound, or its signers come from the vault itself.
    pub fn open(offer: &VaultOffer, machine: &Machine) -> Result<Self, Problems> {
        let name = machine_name(offer, machine)?;
        if offer.snakeoil {
            return Self::snake_oil(offer, machine, name);
        }
        let (Some(source), Some(signers)) = (&offer.source, &offer.signers) else {
            let problem =
                Problem::new("the vault has no source, or nobody who may sign it").about(MODULE, "source");
            return Err(problem
                .help("write `source`, the folder of the vault, and `signers`, a file outside of it; or `snakeoil = true` on a dev VM")
                .into());
        };
        let mut problems = Problems::default();
        if let (Located::OnDisk(_), Located::InProgram(_)) = (source, signers) {
            problems.push(example::left_over(
                "signers",
                "a copy of the vault's own allowed_signers, outside of it",
            ));
            problems.extend(example::keys(offer));
            return Err(problems);
        }
        let signers = noted(outside(signers, source).and_then(|()| read(signers, "signers")), &mut problems);
        let files = noted(vault_files(source), &mut problems);
        let keys = LoginKeys::read(offer).map_err(|wrong| problems.extend(wrong)).ok();
        let (Some(signers), Some(files), Some(keys)) = (signers, files, keys) else { return Err(problems) };
        let mut vault = Self::of(files.as_ref(), signers, keys, name)?;
        vault.is_example = example::is_one(&vault.verified.lock().id);
        snakeoil::refuse_vault(vault.verified.lock()).map_err(|error| {
            Problem::new(error.to_string()).about(MODULE, "source").help("make a vault with `vaultgen init`")
        })?;
        if vault.is_example {
            vault.take_machine_of_example();
            return Ok(vault);
        }
        example::keys(offer).none()?;
        Ok(vault)
    }

    /// What was verified.
    #[must_use]
    pub fn verified(&self) -> &Verified {
        &self.verified
    }

    /// What the machine is called in it.
    #[must_use]
    pub fn machine(&self) -> &str {
        self.machine.as_str()
    }

    /// The public keys of this machine; none if the vault does not know it, as a machine and not as a person or group.
    #[must_use]
    pub fn machine_keys(&self) -> Option<&BTreeSet<Recipient>> {
        let policy: &Policy = self.verified.policy();
        let group = policy.groups().get(self.machine())?;
        let is_machine = matches!(group.kind, GroupKind::Machine(_)) && !group.keys.is_empty();
        is_machine.then_some(&group.keys)
    }

    /// An example knows one machine, by the name of its node. A node of another name that starts from that one is told by
    /// `deploy check` what to make first, and not that this machine is missing in a vault which nobody can change.
    fn take_machine_of_example(&mut self) {
        let groups = self.verified.policy().groups().iter();
        let mut machines = groups.filter(|(_, group)| matches!(group.kind, GroupKind::Machine(_)));
        if let Some(known) = machines.next().and_then(|(name, _)| MachineName::new(name).ok()) {
            self.machine = known;
        }
    }

    fn snake_oil(offer: &VaultOffer, machine: &Machine, name: MachineName) -> Result<Self, Problems> {
        if machine.platform != Platform::DevVm {
            let problem =
                Problem::new("snake-oil secrets on a machine that is no dev VM: everybody knows them");
            return Err(problem
                .about(MODULE, "snakeoil")
                .help("make a vault with `vaultgen init`, and write its folder as `source`")
                .into());
        }
        if offer.source.is_some() || offer.signers.is_some() {
            let problem = Problem::new("a vault of its own beside the snake-oil vault: a machine has one");
            return Err(problem
                .about(MODULE, "source")
                .help("write `snakeoil = false`, also where it is what this node starts from that has it on; or leave out `source` and `signers`")
                .into());
        }
        let files =
            Embedded(snakeoil::files().iter().map(|(path, bytes)| ((*path).to_owned(), *bytes)).collect());
        let signers = String::from_utf8_lossy(files.0[SIGNERS_FILE]).into_owned();
        let mut vault = Self::of(&files, signers, LoginKeys::read(offer)?, name)?;
        vault.identity = snakeoil::identity(vault.machine());
        Ok(vault)
    }

    fn of(
        files: &dyn VaultFiles,
        signers: String,
        keys: LoginKeys,
        machine: MachineName,
    ) -> Result<Self, Problems> {
        let trusted = AllowedSigners::parse(&signers).map_err(|error| {
            Problem::new(format!("the signers: {}", report::one_line(&error))).about(MODULE, "signers")
        })?;
        let verified = verify::verify(files, &trusted, |_, _| true).map_err(|error| unsound(&error))?;
        let mut carried = BTreeMap::new();
        for path in
            [LOCK_FILE, SIGNATURE_FILE].into_iter().chain(verified.lock().files.keys().map(String::as_str))
        {
            carried.insert(path.to_owned(), files.read(path, MAX_BYTES).map_err(unread)?);
        }
        for name in verified.lock().secrets.keys() {
            let bytes = verified.ciphertext(name).map(<[u8]>::to_vec).unwrap_or_default();
            carried.insert(name.ciphertext_path(), bytes);
        }
        Ok(Self {
            files: carried,
            signers,
            identity: None,
            root_keys: keys.root,
            admin_keys: keys.admin,
            is_example: false,
            verified,
            machine,
        })
    }
}

/// Who logs in over SSH.
struct LoginKeys {
    root: Vec<SshKey>,
    admin: Vec<SshKey>,
}

impl LoginKeys {
    fn read(offer: &VaultOffer) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let root = noted(ssh_keys(offer.root_ssh_key.as_ref(), "root-ssh-key"), &mut problems);
        let admin = noted(ssh_keys(offer.admin_ssh_key.as_ref(), "admin-ssh-key"), &mut problems);
        let (Some(root), Some(admin)) = (root, admin) else { return Err(problems) };
        Ok(Self { root, admin })
    }
}

/// What is there; or else what is wrong is noted, and the rest can be looked at.
fn noted<T>(result: Result<T, Problem>, problems: &mut Problems) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

fn vault_files(source: &Located) -> Result<Box<dyn VaultFiles>, Problem> {
    Ok(match source {
        Located::OnDisk(path) => Box::new(VaultFolder::open(path).map_err(unread)?),
        Located::InProgram(path) => Box::new(Embedded::shipped(path)?),
    })
}

/// What the machine is called in the vault: what the node says, or else the node's own name. The snake-oil vault knows
/// one for each processor, for any node that starts from them.
fn machine_name(offer: &VaultOffer, machine: &Machine) -> Result<MachineName, Problem> {
    let named = || {
        MachineName::new(&machine.name).map_err(|why| {
            Problem::new(format!(
                "the node's name `{}` {why}, so it names no machine",
                machine.name.escape_debug()
            ))
            .about(MODULE, "machine")
            .help("write `machine = …`, as `vaultgen machine add` was told")
        })
    };
    match (&offer.machine, offer.snakeoil) {
        (Some(name), _) => Ok(name.clone()),
        (None, true) => Ok(MachineName::known(&format!("devm-{}", machine.architecture.as_str()))),
        (None, false) => named(),
    }
}

/// Refuses signers that lie in the vault: who can change it could name themselves.
fn outside(signers: &Located, vault: &Located) -> Result<(), Problem> {
    let resolved =
        |located: &Located| std::fs::canonicalize(located.path()).unwrap_or(located.path().to_owned());
    match resolved(signers).starts_with(resolved(vault)) {
        false => Ok(()),
        true => Err(Problem::new(
            "the signers are taken from the vault itself: whoever can change it could name themselves",
        )
        .about(MODULE, "signers")
        .help(
            "keep a copy of its allowed_signers elsewhere, and change it only when you know why it changed",
        )),
    }
}

/// Reads a short text that a node names.
fn read(file: &Located, key: &'static str) -> Result<String, Problem> {
    let text = match file {
        Located::OnDisk(path) => std::fs::read_to_string(path).map_err(|error| error.to_string()),
        Located::InProgram(path) => {
            let text = SHIPPED.get_file(path).and_then(|file| file.contents_utf8()).map(str::to_owned);
            text.ok_or_else(|| "the program has no such file".to_owned())
        }
    };
    text.map_err(|why| {
        let problem = Problem::new(format!("cannot read `{}`: {why}", file.path().display()));
        problem.about(MODULE, key).help(what_to_write(key))
    })
}

fn what_to_write(key: &str) -> &'static str {
    match key {
        "signers" => {
            "copy the vault's allowed_signers there, once you know its fingerprint (`ssh-keygen -lf`) to be the signer's; \
             a path begins at the file that it is written in"
        }
        _ => {
            "write the path of a file with public keys, such as id_ed25519.pub; it begins at the file that it is written in"
        }
    }
}

/// Reads the public keys of a user.
fn ssh_keys(file: Option<&Located>, key: &'static str) -> Result<Vec<SshKey>, Problem> {
    let Some(file) = file else { return Ok(Vec::new()) };
    let text = read(file, key)?;
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    let wrong = |why| {
        let problem = Problem::new(format!("`{}` {why}", file.path().display()));
        problem.about(MODULE, key).help(what_to_write(key))
    };
    lines.map(|line| SshKey::new(line).map_err(wrong)).collect()
}

/// What is wrong with the vault itself, as far as it is worth reading here.
fn unsound(error: &Unsound) -> Problems {
    let mut problems = Problems::default();
    problems.extend(error.problems().iter().take(MAX_TOLD).map(|problem| {
        let told = Problem::new(format!("the vault is not sound: {}", report::one_line(problem)));
        let help = problem.help().map_or_else(|| VERIFY.to_owned(), |help| help.to_string());
        told.about(MODULE, "source").help(help)
    }));
    if let Some(more) = error.problems().len().checked_sub(MAX_TOLD + 1) {
        let told = Problem::new(format!("the vault is not sound: {} problems more", more + 1));
        problems.push(told.about(MODULE, "source").help(VERIFY));
    }
    problems
}

fn unread(error: FolderError) -> Problem {
    Problem::new(format!("the vault: {}", report::one_line(&error)))
        .about(MODULE, "source")
        .help("make one with `vaultgen init`")
}
