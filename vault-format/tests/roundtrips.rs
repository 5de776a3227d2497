//! What is written reads back as the same, for any content: the formats that take more than one
//! room of the crate to write.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection, option, prelude::*};
use vault_format::{
    Identities, Plaintext, Policy, SecretName, Timestamp, VaultFiles, VaultFolder,
    folder::FolderError,
    passphrase::Nobody,
    policy::{Kind, PolicyEditor, SecretTable},
    signers::{AllowedSigners, Signer},
    ssh::SshKey,
    transaction::ExclusiveFolder,
};

const KEY: &str = "age1gye3k9xdwclzjlxvky74h6cdzh6vh88m6lax3chvfsdpshz3zfuqn367l2";

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Password),
        Just(Kind::PasswordHash),
        Just(Kind::Certificate),
        Just(Kind::PrivateKey),
        Just(Kind::SshKey),
        Just(Kind::Opaque),
    ]
}

/// Names of secrets that cannot collide: one part each, lower case, none a folder of another.
fn name() -> impl Strategy<Value = SecretName> {
    "[a-z0-9_][a-z0-9._+@=,-]{0,12}[a-z0-9]"
        .prop_filter_map("no name", |text| text.parse().ok())
        .prop_filter("a name of the fixed tables", |name: &SecretName| !name.as_str().starts_with("kept"))
}

fn table() -> impl Strategy<Value = SecretTable> {
    (kind(), any::<String>(), option::of(name()), option::of("[a-z_][a-z0-9_-]{0,30}"), any::<bool>())
        .prop_map(|(kind, description, from, owner, world_readable)| SecretTable {
            kind,
            description,
            from,
            owner,
            world_readable,
            ..SecretTable::default()
        })
}

/// A policy written by a person, with a comment that must survive wherever TOML allows one.
fn by_hand(comment: &str) -> String {
    format!(
        "# {comment} 1\nversion = 1 # {comment} 2\n\n[recipients] # {comment} 3\n# {comment} 4\nops = [ # {comment} 5\n    \"{KEY}\", # {comment} 6\n]\n\n\
         # {comment} 7\n[secret.\"kept/a\"] # {comment} 8\nowner = \"odoo\" # {comment} 9\n\n[defaults]\naudience = [\"ops\"]\n\n\
         # {comment} 10\n[view.\"kept/v\"]\nof = \"kept/a\"\n# {comment} 11\n"
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_policy_gives_back_what_was_set_and_keeps_all_else(
        comment in "[a-zA-Z \u{e4}\u{65e5}\"\\[\\]=#]{0,20}",
        sets in collection::btree_map(name(), table(), 1..6),
    ) {
        let before = by_hand(&comment);
        let mut editor = PolicyEditor::of(&before).unwrap();
        for (name, table) in &sets {
            editor.set_secret(name, table);
        }
        let text = editor.text();
        let policy = Policy::parse(&text).unwrap();
        for (name, table) in &sets {
            let set = policy.secret(name);
            prop_assert_eq!(set.kind, table.kind);
            prop_assert_eq!(&set.from, &table.from);
            prop_assert_eq!(&set.access.owner, table.owner.as_deref().unwrap_or("root"));
            prop_assert_eq!(&set.access.group, table.owner.as_deref().unwrap_or("root"));
            prop_assert_eq!(set.access.mode.is_world_readable(), table.world_readable);
            let parsed: toml::Table = text.parse().unwrap();
            let description = parsed["secret"][name.as_str()].get("description").and_then(|text| text.as_str());
            prop_assert_eq!(description.unwrap_or_default(), &table.description);
        }
        // Everything that was there stands as it stood, each line in its order.
        let mut lines = text.lines();
        for line in before.lines() {
            prop_assert!(lines.any(|kept| kept == line), "{:?} is lost or moved in\n{}", line, text);
        }
        prop_assert_eq!(&policy.secret(&"kept/a".parse().unwrap()).access.owner, "odoo");
        prop_assert_eq!(policy.views().len(), 1);
    }

    #[test]
    fn setting_a_secret_anew_leaves_its_comment_and_place(first in table(), second in table()) {
        let name: SecretName = "kept/a".parse().unwrap();
        let before = by_hand("ours");
        let set = |table| {
            let mut editor = PolicyEditor::of(&before).unwrap();
            editor.set_secret(&name, table);
            editor
        };
        let mut twice = set(&first);
        twice.set_secret(&name, &first);
        prop_assert_eq!(twice.text(), set(&first).text());
        twice.set_secret(&name, &second);
        let text = twice.text();
        let at = |what: &str| text.find(what);
        prop_assert!(at("# ours 7\n[secret.\"kept/a\"] # ours 8\n").is_some(), "{}", text);
        prop_assert!(at("[secret") < at("[defaults]"), "{}", text);
        prop_assert_eq!(Policy::parse(&text).unwrap().secret(&name).kind, second.kind);
    }

    #[test]
    fn signers_read_back_between_comments_and_empty_lines(
        principals in collection::vec("[A-Za-z0-9._+@-]{1,20}", 0..5),
        comment in "[ -~]{0,20}",
        ended: Vec<bool>,
    ) {
        let mut text = String::new();
        let mut expected = Vec::new();
        for (index, principal) in principals.iter().enumerate() {
            let key = SshKey::generate("a comment").unwrap().public_key().clone();
            let mut line = Signer::new(principal, key.clone()).unwrap().to_string();
            let ended = ended.get(index).copied().unwrap_or_default();
            if ended {
                line = line.replacen("namespaces", "valid-before=\"20270101\",namespaces", 1);
            }
            text.push_str(&format!("# {comment}\n\n \t{line}\n"));
            expected.push((principal.clone(), key, ended));
        }
        let signers = AllowedSigners::parse(&text).unwrap();
        prop_assert_eq!(&AllowedSigners::parse(&signers.to_string()).unwrap(), &signers);
        let read: Vec<_> = signers
            .iter()
            .map(|signer| (signer.principal().to_owned(), signer.key().clone(), signer.ended()))
            .collect();
        prop_assert_eq!(&read, &expected);
        for (principal, key, ended) in expected {
            let found = signers.find(key.key_data()).map(Signer::principal);
            prop_assert_eq!(found, (!ended).then_some(principal.as_str()));
        }
    }

    #[test]
    fn identity_files_read_back_between_comments_and_empty_lines(
        count in 1..6_usize,
        comment in "[^\r\n]{0,20}",
        junk in "[a-z]{1,10}",
        line in any::<prop::sample::Index>(),
    ) {
        let mut made = Identities::generate();
        for _ in 1..count {
            made.extend(Identities::generate());
        }
        prop_assert_eq!(made.recipients().len(), count);
        let now = Timestamp::now();
        let file = made.to_file(now);
        let text = format!("# {comment}\n\n{}\r\n", file.expose_str().unwrap().replace('\n', "\r\n"));
        for text in [file.clone(), Plaintext::from(text)] {
            let read = Identities::parse(&text, &Nobody).unwrap();
            prop_assert_eq!(read.recipients(), made.recipients());
            prop_assert_eq!(&read.to_file(now), &file);
        }
        // A line of anything else makes the whole file no identity file.
        let mut lines: Vec<_> = file.expose_str().unwrap().lines().collect();
        lines.insert(line.index(lines.len() + 1), &junk);
        prop_assert!(Identities::parse(&Plaintext::from(lines.join("\n")), &Nobody).is_err());
    }
}

#[derive(Clone, Debug)]
struct Step {
    written: BTreeMap<String, Vec<u8>>,
    removed: BTreeSet<String>,
}

/// Few names, so that steps meet: files replaced, removed, and folders in the way of files.
fn step() -> impl Strategy<Value = Step> {
    let path = || prop_oneof!["[ab]", "[ab]/[ab]", "[ab]/[ab]/[cd]", "[cd]"];
    (
        collection::btree_map(path(), collection::vec(any::<u8>(), 0..40), 0..4),
        collection::btree_set(path(), 0..3),
    )
        .prop_map(|(written, removed)| Step { written, removed })
}

/// A folder in memory where there is one: what is tested is not the disk.
fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

fn content(folder: &VaultFolder) -> Result<BTreeMap<String, Vec<u8>>, FolderError> {
    let entries = folder.entries()?;
    entries.into_iter().map(|entry| Ok((entry.path.clone(), folder.read(&entry.path, 99)?))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_sequence_of_changes_does_what_a_map_does_or_nothing(steps in collection::vec((step(), any::<bool>()), 1..8)) {
        let temp = folder();
        let open = || ExclusiveFolder::lock(VaultFolder::open(temp.path()).unwrap(), || {}).unwrap();
        let mut exclusive = open();
        let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        for (step, private) in steps {
            let changed = || {
                let mut staging = exclusive.stage()?;
                for (path, bytes) in &step.written {
                    if private {
                        staging.write_private(path, &Plaintext::from(bytes.clone()))?;
                    } else {
                        staging.write_public(path, bytes)?;
                    }
                }
                step.removed.iter().for_each(|path| staging.remove(path));
                staging.commit()
            };
            if changed().is_ok() {
                model.extend(step.written);
                model.retain(|path, _| !step.removed.contains(path));
            } else {
                let paths = || step.written.keys().chain(&step.removed);
                let above = |file: &str, path: &str| path.strip_prefix(file).is_some_and(|rest| rest.starts_with('/'));
                let folder = |path: &String| temp.path().join(path).is_dir() || step.written.keys().any(|other| above(path, other));
                let below_file = |path: &String| model.keys().any(|file| above(file, path));
                prop_assert!(paths().any(|path| folder(path) || below_file(path)), "refused without a reason: {:?}", step);
            }
            prop_assert_eq!(content(exclusive.folder()).unwrap(), model.clone());
            drop(exclusive);
            exclusive = open();
            prop_assert_eq!(content(exclusive.folder()).unwrap(), model.clone());
        }
    }
}
