//! `vaultgen rotate`: new values.

mod make;
mod select;

use std::{collections::BTreeSet, time::Duration};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Policy, SecretName,
    change::NewSecret,
    password::Strength,
    renewal::{Renewal, Renewals},
    report,
};

use self::make::{Made, Maker};
use crate::{
    authority, cli::Common, commands, commands::password, input, no_secret::NoSecret, usage::UsageError,
    vault::OpenVault,
};

/// Give secrets new values: vaultgen makes those that it can, and asks for the rest.
///
/// It makes passwords with their hashes, certificates that the vault's CA signs, and SSH keys. The CA is
/// made anew only when it is named; whatever it had signed is then signed anew too. What is derived from
/// a secret follows it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The secrets, such as passwords/root.txt
    #[arg(value_name = "NAME")]
    names: Vec<SecretName>,
    /// All whose value is older than a span of time with its unit: 90d, 6months, 1y
    #[arg(long, value_name = "SPAN", conflicts_with = "names", value_parser = humantime::parse_duration)]
    older_than: Option<Duration>,
    /// All that expire within a span of time, such as 30d
    #[arg(long, value_name = "SPAN", conflicts_with = "names", value_parser = humantime::parse_duration)]
    expiring: Option<Duration>,
    /// All that `status` calls due
    #[arg(long, conflicts_with = "names")]
    due: bool,
    /// Read the new value of the one NAME from standard input
    #[arg(long)]
    stdin: bool,
    /// Take an entered password that is easy to guess
    #[arg(long)]
    allow_weak: bool,
}

/// Makes or asks for the new values, puts them in, and says who must act.
///
/// # Errors
///
/// If the vault is not sound or trusted, a name is unknown, a key is missing, or a value is not taken.
/// Also if something was left as it is.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let filters = args.older_than.is_some() || args.expiring.is_some() || args.due;
    if args.names.is_empty() && !filters {
        return Err(UsageError::NothingToRotate.into());
    }
    if args.stdin && args.names.len() != 1 {
        return Err(UsageError::OneName.into());
    }
    // Before the vault is locked: whoever writes it may be reading the vault.
    let given = if args.stdin { Some(input::all()?) } else { None };
    let open = OpenVault::open(common, |name, _| authority::has(name))?;
    let renewals = Renewals::of(&open.vault);
    let mut plan = if filters {
        select::filtered(&open.vault, &renewals, args)
    } else {
        select::named(&open.vault, &renewals, args)?
    };
    select::add_what_the_ca_signed(&renewals, &mut plan);
    if plan.is_empty() {
        commands::say(common.quiet, "nothing to do: no secret is that old, or ends that soon");
        return Ok(());
    }

    let strength = if args.allow_weak { Strength::Any } else { Strength::Strong };
    let maker = Maker { open: &open, common, strength };
    let (made, left) = match given {
        Some(value) => (maker.take(&args.names[0], value)?, Vec::new()),
        None => maker.make(&plan)?,
    };
    apply(&open, made, &plan, common)?;
    conclude(open.vault.policy(), left)
}

/// What gets a new value and how, by the name that stands for all that belongs together.
type Plan = std::collections::BTreeMap<SecretName, Renewal>;

fn apply(open: &OpenVault, made: Made, plan: &Plan, common: &Common) -> miette::Result<()> {
    if made.groups.is_empty() {
        return Ok(());
    }
    let policy = open.vault.policy();
    let mut lines: Vec<String> =
        made.groups.iter().flat_map(|secrets| what_to_do(policy, secrets, plan)).collect();
    lines.dedup();
    let mut change = open.change()?;
    let mut names = Vec::new();
    for secret in made.groups.into_iter().flatten() {
        names.push(secret.name.clone());
        change.put_secret(secret);
    }
    made.public_files.into_iter().for_each(|(path, bytes)| change.put_public_file(&path, bytes));
    password::warn_of_others(&open.vault, &names);
    if open.apply(change, common)?.is_some() {
        lines.iter().for_each(|line| commands::say(common.quiet, line));
    }
    Ok(())
}

/// What was rotated together, and who must act.
fn what_to_do(policy: &Policy, secrets: &[NewSecret], plan: &Plan) -> Vec<String> {
    let names: Vec<&str> = secrets.iter().map(|secret| secret.name.as_str()).collect();
    let mut lines = vec![format!("rotated: {}", names.join(", "))];
    let policies = || secrets.iter().map(|secret| policy.secret(&secret.name));
    let sources: BTreeSet<&String> = policies().filter_map(|secret| secret.rotation.at.as_ref()).collect();
    lines.extend(sources.into_iter().map(|at| format!("  change it there too: {}", report::visible(at))));
    for secret in secrets {
        if let Some(end) = policy.secret(&secret.name).rotation.expires {
            let name = &secret.name;
            lines.push(format!("  {name} still expires on {end}: write the new date into vault.toml"));
        }
    }
    let units: BTreeSet<&str> =
        policies().flat_map(|secret| secret.access.services.iter().map(String::as_str)).collect();
    if !units.is_empty() {
        let units: Vec<&str> = units.into_iter().collect();
        lines.push(format!("  read by: {}", units.join(", ")));
    }
    match secrets.first().and_then(|secret| Some((&secret.name, plan.get(&secret.name)?))) {
        Some((name, Renewal::Authority(_))) => {
            lines.push(format!("  whoever trusts the CA must get {name} anew"));
        }
        Some((name, Renewal::SshKey)) => {
            lines.push(format!("  let the new key in wherever the old one logs in: {name}.pub"));
        }
        _ => {}
    }
    lines
}

/// Something that was left as it is means that the job is not done.
fn conclude(policy: &Policy, left: Vec<(SecretName, &'static str)>) -> miette::Result<()> {
    for (name, why) in &left {
        let at = policy.secret(name).rotation.at.as_ref();
        let at = at.map(|at| format!("; see {}", report::visible(at))).unwrap_or_default();
        commands::warn(&format!("not rotated: {name}: {why}{at}"));
    }
    if left.is_empty() { Ok(()) } else { Err(RotateError::Left(left.len()).into()) }
}

/// Why something has no new value. No message shows any of a value.
#[derive(Debug, Error, Diagnostic)]
enum RotateError {
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unknown(#[from] NoSecret),
    #[error("{name} is the hash of {source_name}")]
    #[diagnostic(help("rotate that one: `vaultgen rotate {source_name}` makes both anew"))]
    Derived { name: SecretName, source_name: SecretName },
    #[error("{name} is another key than that of {other}")]
    #[diagnostic(help(
        "a certificate and its key go together: take a bought one in with `vaultgen import CERT KEY`"
    ))]
    Pair { name: SecretName, other: SecretName },
    #[error("{name}: {error}")]
    Kind {
        name: SecretName,
        #[diagnostic_source]
        error: vault_format::facts::FactsError,
    },
    #[error("{0}: there is no value")]
    #[diagnostic(help("pipe one line of UTF-8 text in"))]
    NoText(SecretName),
    #[error("not everything that was meant has a new value: {0} left")]
    #[diagnostic(help(
        "the warnings above say which and why; give each its value: `vaultgen rotate NAME --stdin < FILE`"
    ))]
    Left(usize),
}
