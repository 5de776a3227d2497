//! `vaultgen certs`: server certificates signed by the vault's own CA.

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use vault_format::{
    Timestamp,
    certificate::{Authority, CA_DAYS, KeyType, LEAF_DAYS, Scope, ServerName},
    change::NewSecret,
    standard::{self, LOCALHOST},
};

use crate::{authority, certificate::NewPair, cli::Common, key_type::KeyTypeName, vault::OpenVault};

/// Make keys and certificates for servers, signed by the vault's CA.
///
/// Each name gets a new key, certs/NAME-key.pem, and a certificate, certs/NAME-cert.pem, in place of
/// those that are there. In file names, `_` stands for `*` and `:`. localhost is good for the loopback
/// addresses too. A vault that has no CA gets one.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The name by which clients reach the server: a DNS name, *.DOMAIN or an IP address
    #[arg(default_value = LOCALHOST, value_name = "CN")]
    names: Vec<ServerName>,
    /// One more name that each certificate is good for; repeatable
    #[arg(long = "san", value_name = "NAME")]
    also: Vec<ServerName>,
    /// The type of the keys
    #[arg(long, value_enum, default_value_t)]
    key_type: KeyTypeName,
    /// For how many days they are valid, but no longer than the CA; browsers take 398 at most
    #[arg(long, value_name = "N", default_value_t = LEAF_DAYS, value_parser = clap::value_parser!(u32).range(1..))]
    days: u32,
}

/// Makes a key and a certificate for each name.
///
/// # Errors
///
/// If the vault is not sound or trusted, has a CA that no identity opens or that may not sign for the
/// names, or the change cannot be made.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let requests = requests(args)?;
    let open = OpenVault::open(common, |name, _| authority::has(name))?;
    let now = Timestamp::now();
    let (ca, new_ca) = if has_ca(&open) {
        (authority::open(&open.vault, common)?, None)
    } else {
        let key = KeyType::from(args.key_type).generate()?;
        let (ca, pair) = authority::make(authority::SUBJECT, Scope::Any, &key, CA_DAYS, now)?;
        (ca, Some(pair))
    };
    requests.iter().try_for_each(|names| ca.permits(names, now))?;
    let made = requests.par_iter().map(|names| make(&ca, names, args, now));
    let made = made.collect::<miette::Result<Vec<_>>>()?;

    let mut change = open.change()?;
    let made = new_ca.into_iter().chain(made);
    let pairs = made.map(|secrets| NewPair::put(&open, &mut change, secrets));
    let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
    if open.apply(change, common)?.is_some() {
        pairs.iter().for_each(|pair| pair.say(&open.vault, common));
    }
    Ok(())
}

/// Whether there is any of a CA: half of one is not made anew here.
fn has_ca(open: &OpenVault) -> bool {
    open.vault.lock().secrets.keys().any(authority::has)
}

/// The names of each certificate, the first of which names its files.
fn requests(args: &Args) -> miette::Result<Vec<Vec<ServerName>>> {
    let mut requests: Vec<Vec<ServerName>> = Vec::new();
    for name in &args.names {
        standard::check_server(&name.file_stem())?;
        let own =
            if name.to_string() == LOCALHOST { standard::localhost_names()? } else { vec![name.clone()] };
        let mut names: Vec<ServerName> = Vec::new();
        for one in own.iter().chain(&args.also) {
            if !names.contains(one) {
                names.push(one.clone());
            }
        }
        if !requests.contains(&names) {
            requests.push(names);
        }
    }
    Ok(requests)
}

fn make(ca: &Authority, names: &[ServerName], args: &Args, now: Timestamp) -> miette::Result<[NewSecret; 2]> {
    let key = KeyType::from(args.key_type).generate()?;
    Ok(standard::server(ca, names, &key, args.days, now)?)
}
