//! The units that the vault's policy names are units of this machine. A warning only: a vault may be of several
//! machines, and packages bring units too.

use std::collections::BTreeMap;

use vault_format::SecretName;

use super::{Outcome, Subject, Verdict};
use crate::{pipeline::Resolved, value::AbsolutePath, vault::NodeVault};

/// What judges it is this program itself.
const CHECKER: &str = "units of the vault's policy";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let Some(vault) = &subject.resolved.vault else { return Vec::new() };
    let mut unknown: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (unit, why) in named(vault).filter(|(unit, _)| !is_there(subject, unit)) {
        unknown.entry(unit).or_default().push(why);
    }
    let verdict = if unknown.is_empty() { Verdict::Passed } else { Verdict::Warned(told(&unknown)) };
    vec![Outcome { subject: "/etc/vaultd/vault/vault.toml".to_owned(), checker: CHECKER, verdict }]
}

fn told(unknown: &BTreeMap<String, Vec<String>>) -> String {
    let one = |(unit, why): (&String, &Vec<String>)| format!("there is no {unit} here ({})", why.join(", "));
    unknown.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// The units that the policy names for secrets that this machine can decrypt, each with where.
fn named(vault: &NodeVault) -> impl Iterator<Item = (String, String)> {
    let policy = vault.verified().policy();
    let keys = vault.machine_keys();
    let is_ours =
        move |name: &&SecretName| keys.is_some_and(|keys| keys.is_subset(&policy.secret(name).audience));
    policy.tables().filter(is_ours).flat_map(move |name| {
        let secret = policy.secret(name);
        let services =
            secret.access.services.iter().map(move |unit| (unit.clone(), format!("services of `{name}`")));
        let actions = secret
            .on_change
            .iter()
            .map(move |action| (action.unit.clone(), format!("on-change of `{name}`")));
        services.chain(actions).collect::<Vec<_>>()
    })
}

/// Whether a unit is ours, of a package that we know to have it, or a file of the tree.
fn is_there(subject: &Subject<'_>, unit: &str) -> bool {
    let Resolved { system, .. } = subject.resolved;
    let path = AbsolutePath::of_file(&format!("/etc/systemd/system/{unit}"));
    let is_file = || path.is_ok_and(|path| subject.tree.files.contains_key(&path));
    system.units.contains_key(unit) || system.packaged_units.contains_key(unit) || is_file()
}

#[cfg(test)]
mod tests {
    use std::{fs, path::Path};

    use fixtures::vault::Vault;

    use super::*;
    use crate::{
        modules::sample,
        node::{NodeFile, Variant},
        pipeline,
    };

    /// What is said of a vault with a secret that has these lines in its table.
    fn verdict(lines: &str) -> Verdict {
        let vault = Vault::with("api/token", "x").policy(lines).machine("box").build();
        let node = vault.beside("node.toml");
        let text = "architecture = \"x86_64\"\nplatform = \"devm\"\nhost-name = \"a\"\n\
                    [vault]\nsource = \"vault\"\nsigners = \"allowed_signers\"\nmachine = \"box\"\n";
        fs::write(&node, text).expect("a node");
        let files = NodeFile::find(node.to_str().expect("a path")).expect("a node");
        let resolved = sample::sound(pipeline::resolve(&files, Variant::Run));
        let tree = resolved.tree();
        let subject = Subject::new(&resolved, &tree, Path::new("/"));
        check(&subject).remove(0).verdict
    }

    #[test]
    fn units_that_are_not_there_are_told() {
        let lines =
            "services = [\"vaultd.service\", \"gone.service\"]\non-change = [\"restart gone.service\"]";
        let told =
            "there is no gone.service here (services of `api/token`, on-change of `api/token`)".to_owned();
        assert_eq!(verdict(lines), Verdict::Warned(told));
        assert_eq!(verdict("services = [\"vaultd.service\"]"), Verdict::Passed);
        assert_eq!(verdict(""), Verdict::Passed);
    }
}
