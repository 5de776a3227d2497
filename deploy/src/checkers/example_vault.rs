//! The vault of a node is the operator's own: one that is shipped as an example is nobody's to decrypt.

use super::{Outcome, Subject, Verdict};
use crate::node::shipped;

/// What judges it is this program itself.
const CHECKER: &str = "a vault of its own";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let Some(vault) = &subject.resolved.vault else { return Vec::new() };
    let first = || Verdict::Failed(what_to_run_first(&subject.resolved.machine.name));
    let verdict = if vault.is_example { first() } else { Verdict::Passed };
    vec![Outcome { subject: "/etc/vaultd/vault".to_owned(), checker: CHECKER, verdict }]
}

/// From nothing to a node with a vault of its own.
fn what_to_run_first(node: &str) -> String {
    let is_shipped = shipped().iter().any(|(name, _)| *name == node);
    let (machine, file) = if is_shipped {
        ("web-1", format!("write the node web-1.toml beside it:\n\n    from = \"{node}\"\n"))
    } else {
        (node, format!("write into {node}.toml:\n"))
    };
    format!(
        "it is the example, whose private keys nobody has; make your own:\n\n    \
             vaultgen init\n    \
             vaultgen machine add {machine}         # makes vault/machines/{machine}.key: move it to /etc/age.key there\n    \
             cp vault/allowed_signers allowed_signers\n\n\
         (a machine that runs already can have its SSH host key for it: `vaultgen machine add {machine} --ssh HOST`, and\n\
         identity = \"/etc/ssh/ssh_host_ed25519_key\" in [vault]), {file}\n    \
             [service-stack]\n    \
             domain = \"odoo.example.org\"          # by which browsers reach it\n\n    \
             [login]\n    \
             admin-email = \"you@example.org\"      # for the ACME server\n\n    \
             [vault]\n    \
             source = \"vault\"\n    \
             signers = \"allowed_signers\"\n    \
             root-ssh-key = \"vault/ssh/id_ed25519.pub\"\n    \
             admin-ssh-key = \"vault/ssh/id_ed25519.pub\"\n\n\
         and then: deploy check {machine}.toml\n"
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::modules::sample;

    fn outcome(node: &str, is_example: bool) -> Verdict {
        let mut resolved = sample::sound(sample::dev_vm("[vault]\nsnakeoil = true\n"));
        node.clone_into(&mut resolved.machine.name);
        resolved.vault.as_mut().expect("a vault").is_example = is_example;
        let tree = resolved.tree();
        let [Outcome { verdict, .. }] =
            check(&Subject::new(&resolved, &tree, Path::new("/"))).try_into().expect("one");
        verdict
    }

    fn failure(node: &str) -> String {
        match outcome(node, true) {
            Verdict::Failed(why) => why,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_vault_of_ones_own_passes() {
        assert_eq!(outcome("devm-x86_64", false), Verdict::Passed);
    }

    #[test]
    fn an_example_fails_with_what_to_run_first() {
        let said = failure("ec2-aarch64");
        for part in [
            "vaultgen init\n",
            "vaultgen machine add web-1 ",
            "vaultgen machine add web-1 --ssh HOST",
            "cp vault/allowed_signers allowed_signers\n",
            "from = \"ec2-aarch64\"\n",
            "signers = \"allowed_signers\"\n",
            "domain = \"odoo.example.org\" ",
            "admin-email = \"you@example.org\" ",
            "deploy check web-1.toml",
        ] {
            assert!(said.contains(part), "{part} is not in {said}");
        }
    }

    #[test]
    fn a_node_of_ones_own_keeps_its_name() {
        let said = failure("shop");
        assert!(
            said.contains("vaultgen machine add shop ") && said.contains("deploy check shop.toml"),
            "{said}"
        );
        assert!(!said.contains("from ="), "{said}");
    }
}
