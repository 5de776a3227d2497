//! Two people who change a vault at the same time, each in a clone of their own, and what brings both
//! together again: stock Git and `vaultgen merge`. And `vaultgen revert`.

mod clones;

use std::fs;

use fixtures::{
    command::program,
    machine::{
        self,
        Need::{self, Program},
    },
    terminal::Operator,
    tree,
};

use self::clones::{Person, Scene};

const NEEDS: [Need; 4] = [Program("git"), Program("age"), Program("age-keygen"), Program("ssh-keygen")];
const TERMINAL: [Need; 2] = [Program("sh"), Program("stty")];

fn ready() -> bool {
    machine::has(&NEEDS)
}

#[test]
fn two_branches_end_in_one_state_with_both_changes() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let Scene { alice, bob, .. } = &scene;
    let friend = Person::new(scene.folder.path(), "friend").recipient();
    let serial = alice.lock().serial;
    alice.puts("from-alice", "hers");
    alice.does(&["grant", "token", "guest"]);
    bob.puts("other", "other 2");
    bob.puts("from-bob", "his");
    bob.does(&["recipients", "add", "friend", &friend]);

    alice.merges(bob);
    alice.vaultgen(&["verify"]).exits(1);
    alice.vaultgen(&["rekey"]).exits(1);
    let merge = alice.vaultgen(&["merge", "--batch", "--yes"]).succeeds();
    merge.says("from MERGE_HEAD  from-bob").says("from MERGE_HEAD  other").says("+friend = ");
    alice.commit("both");

    let joined = alice.lock();
    assert_eq!(joined.serial, serial + 4, "the higher serial, and one");
    for (name, value) in
        [("token", "token 1"), ("other", "other 2"), ("from-alice", "hers"), ("from-bob", "his")]
    {
        assert_eq!(alice.opens(name), value);
    }
    assert!(alice.file("vault.toml").contains("guest") && alice.file("vault.toml").contains("friend"));
    scene.is_sound(alice);
    assert_eq!(alice.git(&["status", "--porcelain"]).succeeds().text(), "");

    // Both remember their own state, and both accept this one as its descendant.
    bob.pulls(alice);
    for person in [alice, bob] {
        scene.is_sound(person);
        person.vaultgen(&["rekey", "--secret", "token"]).succeeds();
    }
}

#[test]
fn what_both_changed_is_decided_by_a_person() {
    if !ready() {
        return;
    }
    let Scene { folder: _folder, alice, bob, signers } = &Scene::new();
    alice.puts("token", "token of alice");
    bob.puts("token", "token of bob");
    bob.puts("other", "other of bob");
    alice.merges(bob);
    let before = tree::snapshot(&alice.clone);
    let refused = alice.vaultgen(&["merge", "--batch", "--yes"]).exits(1);
    refused.explains_once("both sides changed token");
    assert!(tree::snapshot(&alice.clone) == before, "something was changed");

    for (answer, value) in [("--theirs", "token of bob"), ("--ours", "token of alice")] {
        alice.vaultgen(&["merge", "--batch", "--yes", answer, "token"]).succeeds();
        assert_eq!((alice.opens("token").as_str(), alice.opens("other").as_str()), (value, "other of bob"));
        alice.vaultgen(&["verify", "--allowed-signers"]).arg(signers).succeeds();
        // As if it had not been joined yet.
        fs::remove_dir_all(alice.home.join(".config")).expect("a memory");
        alice.git(&["merge", "--abort"]).succeeds();
        alice.vaultgen(&["verify", "--allowed-signers"]).arg(signers).succeeds();
        alice.merges(bob);
    }
    if !machine::has(&TERMINAL) {
        return;
    }
    let mut operator = Operator::starts(alice.vaultgen(&["merge"]));
    operator.reads("Both sides changed token.").reads("Take [o]urs or [t]heirs? ").types("what");
    operator.reads("Take [o]urs or [t]heirs? ").types("t").reads("Sign this? [y/N] ").types("y");
    let (status, screen) = operator.ends();
    assert_eq!((status, alice.opens("token").as_str()), (0, "token of bob"), "{screen}");
}

#[test]
fn a_removal_and_a_new_value_are_a_conflict() {
    if !ready() {
        return;
    }
    let Scene { folder: _folder, alice, bob, .. } = &Scene::new();
    alice.removes("token");
    alice.removes("other");
    bob.puts("token", "token 2");
    bob.does(&["rekey", "--secret", "other"]);
    alice.merges(bob);
    alice.vaultgen(&["merge", "--batch", "--yes"]).exits(1).explains_once("both sides changed token");
    alice.vaultgen(&["merge", "--batch", "--yes", "--prefer", "theirs"]).succeeds();
    assert_eq!(alice.opens("token"), "token 2");
    // Encrypted anew is no new value.
    assert!(!alice.vault().join("other.age").exists());
    alice.vaultgen(&["verify"]).succeeds();
}

/// Bob gives a secret a new value while Alice takes a key out of its audience.
#[test]
fn what_one_side_took_away_the_other_does_not_bring_back() {
    if !ready() {
        return;
    }
    let Scene { folder: _folder, alice, bob, .. } = &Scene::new();
    alice.does(&["grant", "token", "guest"]);
    let friend = Person::new(_folder.path(), "friend");
    alice.does(&["recipients", "add", "guest", &friend.recipient()]);
    bob.pulls(alice);
    bob.does(&["rekey", "--secret", "token"]);
    alice.does(&["recipients", "remove", "guest", &friend.recipient()]);
    alice.merges(bob);
    alice.vaultgen(&["merge", "--batch", "--yes"]).succeeds();
    let lock = alice.lock();
    let token = &lock.secrets[&"token".parse().expect("a name")];
    let has = |keys: &std::collections::BTreeSet<vault_format::Recipient>| {
        keys.iter().any(|key| key.as_str() == friend.recipient())
    };
    assert!(!has(&token.recipients) && has(&token.exposed_to), "{token:?}");
    let open = program("age").args(["-d", "-i"]).arg(&friend.identity).arg(alice.vault().join("token.age"));
    open.exits(1);
    alice.vaultgen(&["verify"]).succeeds().says("token");
}

#[test]
fn a_password_and_its_hashes_come_from_one_side() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let Scene { alice, bob, .. } = &scene;
    let policy = alice.vault().join("vault.toml");
    let derived = "\n[secret.\"hash\"]\nkind = \"opaque\"\nfrom = \"token\"\n";
    fs::write(&policy, alice.file("vault.toml") + derived).expect("a policy");
    alice.puts("hash", "hash 1");
    bob.pulls(alice);
    alice.puts("token", "token of alice");
    alice.puts("hash", "hash of alice");
    bob.puts("token", "token of bob");
    alice.merges(bob);
    let refused = alice.vaultgen(&["merge", "--batch", "--yes"]).exits(1);
    refused.explains_once("both sides changed hash, token");
    // Only Alice made a new hash, but it does not belong to the token of Bob.
    alice.vaultgen(&["merge", "--batch", "--yes", "--theirs", "token"]).succeeds();
    assert_eq!((alice.opens("token").as_str(), alice.opens("hash").as_str()), ("token of bob", "hash 1"));
}

/// Whoever was removed as a signer must not come back in by a side branch.
#[test]
fn a_removed_signer_signs_no_branch() {
    if !ready() {
        return;
    }
    let Scene { folder: _folder, alice, bob, .. } = &Scene::new();
    alice.does(&["signers", "remove", "bob"]);
    bob.puts("token", "token of bob");
    alice.merges(bob);
    let before = tree::snapshot(&alice.clone);
    alice.vaultgen(&["merge", "--batch", "--yes"]).exits(1).explains("is none of the trusted signers");
    assert!(tree::snapshot(&alice.clone) == before, "something was changed");
    // Nor does the other side accept it, who has not seen the removal yet.
    bob.merges(alice);
    bob.vaultgen(&["merge", "--batch", "--yes"])
        .exits(1)
        .explains_once("whom the other side removed as a signer");
}

/// What comes in must be sound, of this vault, and from a signer.
#[test]
fn a_branch_that_was_tampered_with_is_refused() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let Scene { alice, bob, .. } = &scene;
    alice.puts("token", "token 2");
    let evil = Person::new(scene.folder.path(), "evil");
    let encrypted = |value: &str| {
        let file = scene.folder.path().join("evil.age");
        program("age").args(["-r", &bob.recipient(), "-o"]).arg(&file).input(value).succeeds();
        fs::read(file).expect("a ciphertext")
    };
    let tamper: [(&str, &dyn Fn(), &str); 4] = [
        (
            "another ciphertext",
            &|| fs::write(bob.vault().join("other.age"), encrypted("evil")).expect("a ciphertext"),
            "other.age is not what was signed",
        ),
        (
            "a secret that nobody signed",
            &|| fs::write(bob.vault().join("more.age"), encrypted("evil")).expect("a ciphertext"),
            "more.age is not in the lock",
        ),
        (
            "a key in the policy",
            &|| {
                let text = bob.file("vault.toml").replace("[\"ops\"]", "[\"ops\", \"guest\"]");
                fs::write(bob.vault().join("vault.toml"), text).expect("a policy");
            },
            "vault.toml is not what was signed",
        ),
        (
            "a state that somebody else signed",
            &|| {
                let lock = bob.file("vault.lock").into_bytes();
                let sign = program("ssh-keygen").args(["-Y", "sign", "-n", "odbox-vault", "-f"]);
                let signature = sign.arg(&evil.sign_key).input(lock).succeeds().output;
                fs::write(bob.vault().join("vault.lock.sig"), signature).expect("a signature");
                let key = fs::read_to_string(evil.public_key()).expect("a key");
                let list = bob.file("allowed_signers") + "evil namespaces=\"odbox-vault\" " + &key;
                fs::write(bob.vault().join("allowed_signers"), list).expect("signers");
            },
            "is none of the trusted signers",
        ),
    ];
    bob.puts("other", "other 2");
    for (what, tamper, error) in tamper {
        tamper();
        bob.commit(what);
        alice.git(&["fetch", "-q"]).arg(&bob.clone).arg("HEAD").succeeds();
        let before = tree::snapshot(&alice.vault());
        let refused = alice.vaultgen(&["merge", "--batch", "--yes", "FETCH_HEAD"]).exits(1);
        refused.explains(error);
        assert!(tree::snapshot(&alice.vault()) == before, "{what}: something was changed");
        bob.git(&["reset", "-q", "--hard", "HEAD~1"]).succeeds();
    }
    let link = bob.vault().join("other.age");
    fs::remove_file(&link).expect("a secret");
    std::os::unix::fs::symlink("token.age", link).expect("a link");
    bob.commit("a link");
    alice.git(&["fetch", "-q"]).arg(&bob.clone).arg("HEAD").succeeds();
    alice.vaultgen(&["merge", "--batch", "--yes", "FETCH_HEAD"]).exits(1).explains("is a symbolic link");
}

#[test]
fn what_was_not_committed_is_not_overwritten() {
    if !ready() {
        return;
    }
    let Scene { folder: _folder, alice, bob, .. } = &Scene::new();
    alice.puts("token", "token 2");
    bob.puts("other", "other 2");
    alice.merges(bob);
    let policy = alice.file("vault.toml");
    for (file, bytes) in [("vault.toml", policy.clone() + "\n[secret.mine]\n"), ("mine.age", "x".to_owned())]
    {
        fs::write(alice.vault().join(file), bytes).expect("a change");
        let before = tree::snapshot(&alice.vault());
        let refused = alice.vaultgen(&["merge", "--batch", "--yes"]).exits(1);
        refused.explains_once(&format!("{file} has changes that are in no commit"));
        assert!(tree::snapshot(&alice.vault()) == before, "something was changed");
        fs::write(alice.vault().join("vault.toml"), &policy).expect("a policy");
    }
    fs::remove_file(alice.vault().join("mine.age")).expect("a stray file");
    alice.vaultgen(&["merge", "--batch", "--yes"]).succeeds();
}

#[test]
fn nothing_to_join_is_said() {
    if !ready() {
        return;
    }
    let Scene { folder: _folder, alice, bob, .. } = &Scene::new();
    alice.vaultgen(&["merge", "--batch", "--yes"]).exits(1).explains_once("Git is not merging anything");
    alice.vaultgen(&["merge", "--batch", "--yes", "nowhere"]).exits(1).explains_once("nowhere is no commit");
    alice.vaultgen(&["merge", "--batch", "--yes", "HEAD"]).succeeds().says("nothing to join");
    bob.puts("other", "other 2");
    alice.git(&["fetch", "-q"]).arg(&bob.clone).arg("HEAD").succeeds();
    let refused = alice.vaultgen(&["merge", "--batch", "--yes", "FETCH_HEAD"]).exits(1);
    refused.explains_once("has everything that HEAD has");
}

#[test]
fn a_rebase_is_joined_too() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let Scene { alice, bob, .. } = &scene;
    alice.puts("token", "token 2");
    bob.puts("other", "other 2");
    alice.git(&["fetch", "-q"]).arg(&bob.clone).arg("HEAD").succeeds();
    alice.git(&["rebase", "-q", "FETCH_HEAD"]).exits(1);
    alice.vaultgen(&["merge", "--batch", "--yes"]).succeeds();
    alice.git(&["add", "."]).succeeds();
    alice.git(&["-c", "core.editor=true", "rebase", "--continue"]).succeeds();
    assert_eq!((alice.opens("token").as_str(), alice.opens("other").as_str()), ("token 2", "other 2"));
    scene.is_sound(alice);
    bob.pulls(alice);
    bob.vaultgen(&["rekey"]).succeeds();
}

/// Stock Git leaves lock, signature and ciphertext as they are; the driver joins the policy at once.
#[test]
fn the_merge_driver_joins_policies_and_leaves_the_signing() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let Scene { alice, bob, .. } = &scene;
    let program = fixtures::command::odbox("vaultgen");
    let driver = format!("{} merge --driver %O %A %B %P", program.display());
    alice.git(&["config", "merge.odbox-policy.driver", &driver]).succeeds();
    let friend = Person::new(scene.folder.path(), "friend").recipient();
    alice.does(&["recipients", "add", "guest", &friend]);
    bob.does(&["recipients", "add", "guest", &bob.recipient()]);
    alice.merges(bob);
    let policy = alice.file("vault.toml");
    assert!(policy.contains(&friend) && policy.contains(&bob.recipient()), "{policy}");
    for file in ["vault.toml", "vault.lock", "vault.lock.sig"] {
        assert!(!alice.file(file).contains("<<<<<<<"), "{file} has conflict marks");
    }
    alice.vaultgen(&["merge", "--batch", "--yes"]).succeeds();
    assert_eq!(alice.file("vault.toml"), policy);
    scene.is_sound(alice);
}

#[test]
fn an_older_state_comes_back_as_a_new_one() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let Scene { alice, bob, .. } = &scene;
    alice.puts("new", "new 1");
    alice.puts("token", "token 2");
    alice.removes("other");
    alice.does(&["signers", "remove", "bob"]);
    let serial = alice.lock().serial;
    let before = tree::snapshot(&alice.vault());
    // Nobody is there to say yes.
    let unattended = alice.vaultgen(&["revert", "HEAD~4"]).under(["setsid", "--wait"]);
    unattended
        .exits(1)
        .says("comes back       other")
        .says("as it was        token")
        .says("goes             new");
    assert!(tree::snapshot(&alice.vault()) == before, "something was changed");

    alice.does(&["revert", "--yes", "HEAD~4"]);
    assert_eq!(alice.lock().serial, serial + 1);
    assert_eq!((alice.opens("token").as_str(), alice.opens("other").as_str()), ("token 1", "other 1"));
    assert!(!alice.vault().join("new.age").exists());
    // Who may sign is as it was before.
    let list = alice.vaultgen(&["signers", "list"]).succeeds().text();
    let bobs = list.lines().find(|line| line.starts_with("bob")).expect("a line for bob").to_owned();
    assert!(bobs.contains("removed"), "{bobs}");
    scene.is_sound(alice);
    bob.pulls(alice);
    bob.vaultgen(&["rekey"]).exits(1).explains("none of this vault's signers");
    alice.vaultgen(&["revert", "--yes", "HEAD"]).succeeds().says("nothing to do");
}

#[test]
fn only_an_ancestor_comes_back() {
    if !ready() {
        return;
    }
    let Scene { folder: _folder, alice, bob, .. } = &Scene::new();
    alice.puts("token", "token 2");
    bob.puts("token", "token of bob");
    alice.git(&["fetch", "-q"]).arg(&bob.clone).arg("HEAD").succeeds();
    let refused = alice.vaultgen(&["revert", "--yes", "FETCH_HEAD"]).exits(1);
    refused.explains_once("no state that the present one (serial 7) descends from");
    alice.vaultgen(&["revert", "--yes", "nowhere"]).exits(1).explains_once("nowhere is no commit");
    // A commit of an ancestor with a ciphertext that is not its own.
    fs::copy(bob.vault().join("token.age"), alice.vault().join("token.age")).expect("a copy");
    let head = alice.git(&["rev-parse", "HEAD"]).succeeds().text();
    alice.commit("swapped");
    let swapped = alice.git(&["rev-parse", "HEAD"]).succeeds().text();
    alice.git(&["checkout", "-q", head.trim(), "--", "."]).succeeds();
    alice.puts("token", "token 3");
    let refused = alice.vaultgen(&["revert", "--yes", swapped.trim()]).exits(1);
    refused.explains_once("token is not the secret that the lock names");
}
