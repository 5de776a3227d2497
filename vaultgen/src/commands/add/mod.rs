//! `vaultgen add`: any other secret, or a whole tree of them.

mod table;
mod tree;

use std::path::PathBuf;

use miette::Diagnostic;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use thiserror::Error;
use vault_format::{
    Change, Plaintext, SecretName, Verified,
    change::NewSecret,
    facts::{Facts, FactsError},
    lock::Origin,
    policy::Kind,
    progress::Work,
};

use self::table::TableArgs;
use crate::{cli::Common, commands, input, prompt, vault::OpenVault};

/// Add a secret from standard input or a file, or a whole folder of them.
///
/// Takes the exact bytes; only a password or a hash loses the end of its line. On a terminal it asks for
/// one line and shows nothing. What the policy says of the name already holds, unless a flag says
/// otherwise. Needs no identity.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The new secret's name, such as odoo/smtp-password
    #[arg(required_unless_present = "from", conflicts_with = "from")]
    name: Option<SecretName>,
    /// Take the value from a file or pipe instead of standard input
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    file: Option<PathBuf>,
    /// Take every file of a folder, each under its path in there, in one change
    #[arg(long, value_name = "DIR")]
    from: Option<PathBuf>,
    #[command(flatten)]
    table: TableArgs,
}

/// Reads the values, and puts them in.
///
/// # Errors
///
/// If the vault is not sound or trusted, has the name already, or a value cannot be read or is not of its
/// kind.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    // Before the vault is locked: whoever writes the value may be reading the vault.
    let read = match (&args.from, &args.file, &args.name) {
        (Some(folder), ..) => tree::read(folder, &common.vault)?,
        (None, Some(file), Some(name)) => vec![(name.clone(), input::file(file)?)],
        (None, None, Some(name)) if !input::is_terminal() => vec![(name.clone(), input::all()?)],
        _ => Vec::new(),
    };
    let open = OpenVault::open(common, |_, _| false)?;
    let read = match &args.name {
        Some(name) if read.is_empty() => vec![(name.clone(), ask(&open.vault, name, args, common)?)],
        _ => read,
    };
    refuse_present(&open.vault, &read)?;
    let count = read.len();
    let secrets = read.into_par_iter().map(|(name, plaintext)| secret(&open.vault, name, plaintext, args));
    let work = Work::on("reading", count);
    let secrets = secrets.inspect(|_| work.advances()).collect::<miette::Result<Vec<_>>>()?;
    drop(work);

    let mut change = open.change()?;
    secrets.into_iter().for_each(|secret| put(&mut change, secret, &args.table));
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    let what = match &args.name {
        Some(name) => name.to_string(),
        None => commands::counted(count),
    };
    commands::say(common.quiet, &format!("added: {what}; serial {}", applied.lock.serial));
    if let Some(path) = args.file.as_ref().or(args.from.as_ref()) {
        commands::say(common.quiet, &format!("{} still has it in plain text", path.display()));
    }
    Ok(())
}

/// On a terminal: one line, for a secret that may well be one.
fn ask(vault: &Verified, name: &SecretName, args: &Args, common: &Common) -> miette::Result<Plaintext> {
    refuse_present(vault, &[(name.clone(), Plaintext::zeroed(0))])?;
    let kind = args.table.kind(vault, name);
    if common.batch || !matches!(kind, Kind::Password | Kind::PasswordHash | Kind::Opaque) {
        return Err(AddError::Terminal(name.clone()).into());
    }
    Ok(prompt::new_value(name)?.ok_or_else(|| AddError::Nothing(name.clone()))?)
}

fn refuse_present(vault: &Verified, read: &[(SecretName, Plaintext)]) -> Result<(), AddError> {
    let mut present =
        read.iter().map(|(name, _)| name).filter(|name| vault.lock().secrets.contains_key(*name));
    let Some(name) = present.next() else { return Ok(()) };
    Err(AddError::Present { name: name.clone(), others: present.count() })
}

fn secret(
    vault: &Verified,
    name: SecretName,
    plaintext: Plaintext,
    args: &Args,
) -> miette::Result<NewSecret> {
    let kind = args.table.kind(vault, &name);
    let plaintext = match kind {
        Kind::Password | Kind::PasswordHash => input::without_line_end(&plaintext),
        _ => plaintext,
    };
    if plaintext.expose().is_empty() {
        return Err(AddError::Nothing(name).into());
    }
    let facts = Facts::of(kind, &plaintext).map_err(|error| AddError::Kind { name: name.clone(), error })?;
    Ok(NewSecret { table: args.table.table(kind)?, name, plaintext, origin: Origin::Imported, facts })
}

/// What the flags say takes the place of what the policy said.
fn put(change: &mut Change, secret: NewSecret, table: &TableArgs) {
    if table.says_something() {
        change.policy().set_secret(&secret.name, &secret.table);
    }
    change.put_secret(secret);
}

/// Why nothing was added. No message shows any of a value.
#[derive(Debug, Error, Diagnostic)]
enum AddError {
    #[error("{name} is in the vault already{}", and_others(*others))]
    #[diagnostic(help(
        "give it a new value with `vaultgen rotate {name}` (a password: `vaultgen password {name}`), or take it out \
         with `vaultgen remove {name}`"
    ))]
    Present { name: SecretName, others: usize },
    #[error("{0}: there is no value")]
    #[diagnostic(help("a secret has one byte at least: pipe the value in, or name a file with --file"))]
    Nothing(SecretName),
    #[error("{0}: its value is not something to type")]
    #[diagnostic(help("name its file with --file FILE, or pipe it in: `vaultgen add {0} < FILE`"))]
    Terminal(SecretName),
    #[error("{name}: {error}")]
    Kind {
        name: SecretName,
        #[diagnostic_source]
        error: FactsError,
    },
}

fn and_others(count: usize) -> String {
    if count == 0 { String::new() } else { format!(", and so are {count} others") }
}
