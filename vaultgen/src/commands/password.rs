//! `vaultgen password`, and the short verbs for the standard passwords.

use std::{collections::BTreeSet, ffi::OsString};

use miette::Diagnostic;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use thiserror::Error;
use vault_format::{
    SecretName, Verified,
    change::NewSecret,
    lock::Origin,
    password::{Password, Strength},
    policy::Kind,
    progress::Work,
    renewal,
    standard::{self, PASSWORDS, StandardError},
};

use crate::{cli::Common, commands, input, prompt, usage::UsageError, vault::OpenVault};

/// Make or replace passwords, with all that is derived from them.
///
/// Asks for each; an empty answer generates a strong one, and so does --batch. A password that was
/// replaced keeps its place in the policy, and its hashes are made anew. Needs no identity.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A password's name, such as root for passwords/root.txt, or any secret that is a password
    // As the system gives them: one that is no name may be a password, and is not repeated.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<OsString>,
    #[command(flatten)]
    source: Source,
}

/// Where the password comes from.
#[derive(Clone, Copy, Debug, clap::Args)]
pub struct Source {
    /// Generate it, and do not ask
    #[arg(long, conflicts_with = "stdin")]
    generate: bool,
    /// Read it from standard input: one line
    #[arg(long)]
    stdin: bool,
    /// Take a password that is easy to guess
    #[arg(long)]
    allow_weak: bool,
}

macro_rules! short_verb {
    ($args:ident, $name:literal) => {
        #[doc = concat!("Short for `password ", $name, "`.")]
        #[derive(Debug, clap::Args)]
        #[command(
            about = concat!("Make or replace the password of ", $name, ": short for `password ", $name, "`"),
            long_about = concat!(
                "Make or replace the password of ", $name, ", with its hashes: short for `password ", $name,
                "`.\n\nAsks for it; an empty answer generates a strong one, and so does --batch."
            )
        )]
        pub struct $args {
            #[command(flatten)]
            source: Source,
            /// Taken only to be refused without being repeated.
            #[arg(hide = true)]
            password: Vec<OsString>,
        }

        impl $args {
            /// Makes or replaces the password.
            ///
            /// # Errors
            ///
            /// As [`run`], and if the password was given as an argument.
            pub fn run(&self, common: &Common) -> miette::Result<()> {
                if !self.password.is_empty() {
                    return Err(UsageError::PasswordArgument.into());
                }
                run(&Args { names: vec![$name.into()], source: self.source }, common)
            }
        }
    };
}

short_verb!(RootArgs, "root");
short_verb!(AdminArgs, "admin");
short_verb!(OdooAdminArgs, "odoo-admin");
short_verb!(PgadminAdminArgs, "pgadmin-admin");

/// Asks for or generates the passwords, and puts them in with their hashes.
///
/// # Errors
///
/// If the vault is not sound or trusted, a name is no password's, or a password is not taken.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let names = names(&args.names)?;
    // Read before the vault is locked: whoever writes it may be reading the vault.
    let line = match args.source.stdin {
        true if names.len() > 1 => return Err(UsageError::OneName.into()),
        true => Some(input::line()?),
        false => None,
    };
    let open = OpenVault::open(common, |_, _| false)?;
    for name in &names {
        check(&open.vault, name, names.len() == 1)?;
    }
    let strength = args.source.strength();
    let mut passwords = Vec::new();
    match line {
        Some(line) => {
            let password = prompt::password(names[0].as_str(), strength, line)?;
            passwords.push((&names[0], Some(password)));
        }
        None => {
            for name in &names {
                let ask = !args.source.generate && !common.batch;
                let entered = if ask { prompt::new_password(short(name), strength)? } else { None };
                passwords.push((name, entered));
            }
        }
    }
    let work = Work::on("making", passwords.len());
    let made = passwords.into_par_iter().map(|(name, entered)| make(&open.vault, name, entered));
    let made = made.inspect(|_| work.advances()).collect::<Result<Vec<_>, _>>()?;
    drop(work);

    let mut change = open.change()?;
    let lines: Vec<String> = made.iter().map(|secrets| describe(secrets)).collect();
    made.into_iter().flatten().for_each(|secret| change.put_secret(secret));
    warn_of_others(&open.vault, &names);
    if open.apply(change, common)?.is_some() {
        lines.iter().for_each(|line| commands::say(common.quiet, line));
    }
    Ok(())
}

impl Source {
    fn strength(self) -> Strength {
        if self.allow_weak { Strength::Any } else { Strength::Strong }
    }
}

/// The secrets that are meant, each once.
fn names(given: &[OsString]) -> miette::Result<Vec<SecretName>> {
    let mut seen = BTreeSet::new();
    let mut names = Vec::new();
    for text in given {
        let name = text.to_str().and_then(name).ok_or(UsageError::PasswordArgument)?;
        if seen.insert(name.clone()) {
            names.push(name);
        }
    }
    Ok(names)
}

/// `root` stands for `passwords/root.txt`.
fn name(text: &str) -> Option<SecretName> {
    if text.contains('/') { text.parse().ok() } else { standard::password_name(text).ok() }
}

/// What the name is short for, if it is.
fn short(name: &SecretName) -> &str {
    let stem = name.as_str().strip_prefix("passwords/").and_then(|file| file.strip_suffix(".txt"));
    stem.unwrap_or(name.as_str())
}

/// A new name is taken only by itself: `password root hunter2` must make no secret called hunter2.
fn check(vault: &Verified, name: &SecretName, alone: bool) -> miette::Result<()> {
    let policy = vault.policy().secret(name);
    let has_table = vault.policy().tables().any(|known| known == name);
    let known = vault.lock().secrets.contains_key(name);
    if !known && !alone && !PASSWORDS.contains(&short(name)) {
        return Err(PasswordVerbError::Unknown.into());
    }
    if let Some(source) = &policy.from {
        return Err(PasswordVerbError::Derived { name: name.clone(), source_name: source.clone() }.into());
    }
    if (known || has_table) && policy.kind != Kind::Password {
        return Err(PasswordVerbError::Kind { name: name.clone(), kind: policy.kind.as_str() }.into());
    }
    if !known && !has_table {
        for new in new_secrets(name)? {
            if &new != name
                && vault.lock().secrets.contains_key(&new)
                && vault.policy().secret(&new).from.as_ref() != Some(name)
            {
                return Err(PasswordVerbError::InTheWay { name: name.clone(), other: new }.into());
            }
        }
    }
    Ok(())
}

/// What a password that the vault does not have is made with.
fn new_secrets(name: &SecretName) -> Result<Vec<SecretName>, StandardError> {
    let stem = short(name);
    if stem == name.as_str() { Ok(vec![name.clone()]) } else { Ok(standard::password_names(stem)?) }
}

fn make(
    vault: &Verified,
    name: &SecretName,
    entered: Option<Password>,
) -> Result<Vec<NewSecret>, StandardError> {
    let (password, origin) = match entered {
        Some(password) => (password, Origin::Entered),
        None => (Password::generate()?, Origin::Generated),
    };
    let stem = short(name);
    let known = vault.lock().secrets.contains_key(name) || vault.policy().tables().any(|table| table == name);
    if known || stem == name.as_str() {
        return renewal::password(vault, name, &password, origin);
    }
    standard::password(stem, &password, origin)
}

fn describe(secrets: &[NewSecret]) -> String {
    let names: Vec<&str> = secrets.iter().map(|secret| secret.name.as_str()).collect();
    match secrets.first() {
        Some(NewSecret { name, origin: Origin::Generated, .. }) => {
            format!("generated: {}; see it with `vaultgen show {name}`", names.join(", "))
        }
        _ => format!("taken: {}", names.join(", ")),
    }
}

/// Says what is derived from a password in a way that only people know.
pub fn warn_of_others(vault: &Verified, names: &[SecretName]) {
    for source in names {
        for name in renewal::derived(vault, source) {
            if vault.policy().secret(name).kind != Kind::PasswordHash {
                commands::warn(&format!(
                    "{name} is derived from {source} and is no hash: make it anew with `vaultgen rotate {name}`"
                ));
            }
        }
    }
}

/// Why no password was made.
#[derive(Debug, Error, Diagnostic)]
enum PasswordVerbError {
    // Not repeated: it may be a password.
    #[error("one of the names is no password of this vault")]
    #[diagnostic(help(
        "make a new one by itself: `vaultgen password NAME`; if it was a password, change it wherever it is in use: \
         the shell's history has it"
    ))]
    Unknown,
    #[error("{name} is derived from {source_name}")]
    #[diagnostic(help("change that one: `vaultgen password {source_name}` makes both anew"))]
    Derived { name: SecretName, source_name: SecretName },
    #[error("{name} is no password: vault.toml says that it is of kind \"{kind}\"")]
    #[diagnostic(help("give it a new value with `vaultgen rotate {name}`"))]
    Kind { name: SecretName, kind: &'static str },
    #[error("{other} is in the vault, and is not derived from {name}")]
    #[diagnostic(help(
        "write from = \"{name}\" into [secret.\"{other}\"] of vault.toml and run `vaultgen sign`, or remove it: \
         `vaultgen remove {other}`"
    ))]
    InTheWay { name: SecretName, other: SecretName },
}
