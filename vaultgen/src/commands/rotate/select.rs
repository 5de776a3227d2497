//! Which secrets get a new value.

use vault_format::{
    SecretName, Timestamp, Verified, due,
    facts::Facts,
    lock::LockedSecret,
    renewal::{Renewal, Renewals},
};

use super::{Args, Plan, RotateError};
use crate::no_secret::NoSecret;

/// Those that were named.
pub fn named(vault: &Verified, renewals: &Renewals<'_>, args: &Args) -> Result<Plan, RotateError> {
    let mut plan = Plan::new();
    for name in &args.names {
        if !vault.lock().secrets.contains_key(name) {
            return Err(NoSecret::new(vault, name).into());
        }
        match renewals.how(name) {
            // A login would change with it, which nobody said.
            Renewal::Derived(source_name) if !args.names.contains(&source_name) && !args.stdin => {
                return Err(RotateError::Derived { name: name.clone(), source_name });
            }
            how => insert(&mut plan, renewals, name, how),
        }
    }
    Ok(plan)
}

/// Those that a filter picks. The CA is not made anew unless somebody says so.
pub fn filtered(vault: &Verified, renewals: &Renewals<'_>, args: &Args) -> Plan {
    let now = Timestamp::now();
    let is_due: Vec<SecretName> = match args.due {
        true => due(vault, now).into_iter().map(|due| due.name).collect(),
        false => Vec::new(),
    };
    let mut plan = Plan::new();
    for (name, secret) in &vault.lock().secrets {
        let old = args.older_than.is_some_and(|span| secret.rotated.after(span) <= now);
        let ends = args
            .expiring
            .is_some_and(|span| end(vault, name, secret).is_some_and(|end| end <= now.after(span)));
        if old || ends || is_due.contains(name) {
            insert(&mut plan, renewals, name, renewals.how(name));
        }
    }
    // What else is left says so.
    plan.values_mut()
        .filter(|how| matches!(how, Renewal::Authority(_)))
        .for_each(|how| *how = Renewal::Elsewhere);
    plan
}

/// The moment from which a secret is of no use.
fn end(vault: &Verified, name: &SecretName, secret: &LockedSecret) -> Option<Timestamp> {
    let certificate = match &secret.facts {
        Some(Facts::Certificate(facts)) => Some(facts.not_after),
        _ => None,
    };
    vault.policy().secret(name).rotation.expires.into_iter().chain(certificate).min()
}

/// With a new CA, everything that the old one signed is worth nothing.
pub fn add_what_the_ca_signed(renewals: &Renewals<'_>, plan: &mut Plan) {
    if plan.values().any(|how| matches!(how, Renewal::Authority(_))) {
        for name in renewals.signed_by_ca() {
            let how = renewals.how(&name);
            insert(plan, renewals, &name, how);
        }
    }
}

/// A pair goes by its certificate, and a hash by its password.
fn insert(plan: &mut Plan, renewals: &Renewals<'_>, name: &SecretName, how: Renewal) {
    match how {
        Renewal::Leaf(ref pair) | Renewal::Authority(ref pair) | Renewal::LocalCa(ref pair, _) => {
            plan.insert(pair.certificate.clone(), how)
        }
        Renewal::Derived(source) => {
            let how = renewals.how(&source);
            plan.insert(source, how)
        }
        how => plan.insert(name.clone(), how),
    };
}
