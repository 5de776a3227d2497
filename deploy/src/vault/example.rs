//! The examples that the shipped nodes come with, whose private keys nobody has.

use vault_format::{LOCK_FILE, Lock, lock::VaultId};

use super::{MODULE, VaultOffer};
use crate::{
    node::SHIPPED,
    problem::{Problem, Problems},
    value::Located,
};

/// Whether a vault is one of those that ship with the nodes, wherever it was copied to.
pub(super) fn is_one(id: &VaultId) -> bool {
    let locks = SHIPPED.dirs().filter_map(|node| node.get_file(node.path().join("vault").join(LOCK_FILE)));
    let ids = locks.filter_map(|lock| Lock::parse(lock.contents_utf8()?).ok()).map(|lock| lock.id);
    ids.into_iter().any(|example| example == *id)
}

/// The examples' keys on a machine with a vault of its own: nobody has their private halves, so nobody could log in.
pub(super) fn keys(offer: &VaultOffer) -> Problems {
    let keys = [("root-ssh-key", &offer.root_ssh_key), ("admin-ssh-key", &offer.admin_ssh_key)];
    let mut problems = Problems::default();
    problems.extend(
        keys.into_iter()
            .filter(|(_, file)| matches!(file, Some(Located::InProgram(_))))
            .map(|(key, _)| left_over(key, "the path of a public key of yours")),
    );
    problems
}

/// What comes from the node that this one starts from, and is of no use with a vault of its own.
pub(super) fn left_over(key: &'static str, instead: &str) -> Problem {
    let message = format!("`{key}` is the example's, whose private keys nobody has");
    Problem::new(message).about(MODULE, key).help(format!("write `{key} = …` in [vault], {instead}"))
}
