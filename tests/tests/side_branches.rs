//! What a side branch may not bring back or in, whoever made it: each was a way around once.

mod clones;

use std::fs;

use fixtures::{
    command::program,
    machine::{
        self,
        Need::{self, Program},
    },
    tree,
};

use self::clones::{Person, Scene};

const NEEDS: [Need; 4] = [Program("git"), Program("age"), Program("age-keygen"), Program("ssh-keygen")];

fn ready() -> bool {
    machine::has(&NEEDS)
}

/// Whether a key opens a secret of Alice's clone.
fn opens(person: &Person, alice: &Person, name: &str) -> bool {
    let file = alice.vault().join(format!("{name}.age"));
    program("age").args(["-d", "-i"]).arg(&person.identity).arg(file).run().status == Some(0)
}

/// Nobody signs the parents of a commit: a branch that claims to have forked earlier undoes nothing.
#[test]
fn where_git_sees_the_fork_says_nothing() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let Scene { folder, alice, bob, .. } = &scene;
    let web = Person::new(folder.path(), "web");
    let old = alice.git(&["rev-parse", "HEAD"]).succeeds().text().trim().to_owned();
    alice.does(&["recipients", "add", "ops", &web.recipient()]);
    bob.pulls(alice);
    bob.puts("other", "other of bob");
    alice.does(&["recipients", "remove", "ops", &web.recipient()]);
    assert!(!opens(&web, alice, "token"));

    // The same signed state, with another parent.
    let forged = bob.git(&["commit-tree", "HEAD^{tree}", "-p", &old, "-m", "forged"]).succeeds().text();
    bob.git(&["reset", "-q", "--hard", forged.trim()]).succeeds();
    alice.git(&["fetch", "-q"]).arg(&bob.clone).arg("HEAD").succeeds();
    let _ = alice.git(&["merge", "-q", "FETCH_HEAD"]).run();
    alice.vaultgen(&["merge", "--batch", "--yes"]).succeeds();
    assert!(!opens(&web, alice, "token"), "a revoked key is back");
    assert_eq!(alice.opens("other"), "other of bob");
    alice.vaultgen(&["verify"]).succeeds().says("warning: token");
}

/// Taken one by one, the first of them is older than what Alice has seen: nothing is lost on the way.
#[test]
fn several_commits_are_merged_and_not_rebased() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let Scene { folder, alice, bob, .. } = &scene;
    let web = Person::new(folder.path(), "web");
    bob.puts("other", "other of bob");
    alice.does(&["recipients", "add", "web", &web.recipient()]);
    alice.does(&["grant", "token", "web"]);
    alice.does(&["revoke", "token", "web"]);
    alice.git(&["fetch", "-q"]).arg(&bob.clone).arg("HEAD").succeeds();
    alice.git(&["rebase", "-q", "FETCH_HEAD"]).exits(1);
    let refused = alice.vaultgen(&["merge", "--batch", "--yes"]).exits(1);
    refused.explains_once("the vault is older than the one you last saw");
    alice.git(&["rebase", "--abort"]).succeeds();
    alice.merges(bob);
    alice.vaultgen(&["merge", "--batch", "--yes"]).succeeds();
    assert!(!opens(&web, alice, "token"), "a revoked key is back");
    let lock = alice.lock();
    let token = &lock.secrets[&"token".parse().expect("a name")];
    assert!(token.exposed_to.iter().any(|key| key.as_str() == web.recipient()), "{token:?}");
    scene.is_sound(alice);
}

#[test]
fn a_removed_signer_does_not_come_back_by_another_name() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let Scene { folder, alice, bob, .. } = &scene;
    let carol = Person::new(folder.path(), "carol");
    // Carol knows the vault as it is now.
    program("git").args(["clone", "-q"]).arg(&alice.clone).arg(&carol.clone).succeeds();
    carol.vaultgen(&["verify", "--allowed-signers"]).arg(&scene.signers).succeeds();
    let key = fs::read_to_string(bob.public_key()).expect("a key");
    let list = format!("{}robert namespaces=\"odbox-vault\" {key}", bob.file("allowed_signers"));
    fs::write(bob.vault().join("allowed_signers"), list).expect("signers");
    bob.does(&["sign", "--yes"]);
    alice.does(&["signers", "remove", "bob"]);
    carol.pulls(alice);
    // Her memory is older than the removal, and her key is no signer's: she has Alice's for this.
    carol.git(&["fetch", "-q"]).arg(&bob.clone).arg("HEAD").succeeds();
    let _ = carol.git(&["merge", "-q", "FETCH_HEAD"]).run();
    let before = tree::snapshot(&carol.clone);
    let merge = carol.vaultgen(&["merge", "--batch", "--yes", "--sign-key"]).arg(&alice.sign_key);
    merge.exits(1).explains_once("whom the other side removed as a signer");
    assert!(tree::snapshot(&carol.clone) == before, "something was changed");
}

/// A secret comes with its own table, or with none.
#[test]
fn a_secret_keeps_the_table_of_its_side() {
    if !ready() {
        return;
    }
    let Scene { folder: _folder, alice, bob, .. } = &Scene::new();
    let table = |person: &Person, text: &str| {
        let policy = person.file("vault.toml").replace("\n[secret.\"token\"]\n", &format!("\n{text}"));
        fs::write(person.vault().join("vault.toml"), policy).expect("a policy");
        person.does(&["sign", "--yes"]);
    };
    table(alice, "[secret.\"token\"]\nservices = [\"a.service\"]\n");
    bob.pulls(alice);
    alice.removes("token");
    let policy = alice.file("vault.toml").replace("[secret.\"token\"]\nservices = [\"a.service\"]\n", "");
    fs::write(alice.vault().join("vault.toml"), policy).expect("a policy");
    let _ = alice.vaultgen(&["sign", "--yes"]).run();
    alice.git(&["commit", "-q", "-a", "--allow-empty", "-m", "and its table"]).succeeds();
    bob.puts("token", "token of bob");
    alice.merges(bob);
    alice.vaultgen(&["merge", "--batch", "--yes", "--theirs", "token"]).succeeds();
    assert_eq!(alice.opens("token"), "token of bob");
    let policy = alice.file("vault.toml");
    assert!(policy.contains("services = [\"a.service\"]"), "{policy}");
}

/// A merge says who gains what, and asks before it signs.
#[test]
fn what_comes_in_is_shown_and_needs_a_yes() {
    if !ready() {
        return;
    }
    let scene = Scene::new();
    let Scene { folder, alice, bob, .. } = &scene;
    let carol = Person::new(folder.path(), "carol");
    bob.does(&["signers", "add", "carol", &carol.public_key().display().to_string()]);
    bob.does(&["recipients", "add", "ops", &carol.recipient()]);
    alice.puts("token", "token 2");
    alice.merges(bob);
    let before = tree::snapshot(&alice.vault());
    let shown = alice.vaultgen(&["merge", "--batch"]).under(["setsid", "--wait"]).exits(1);
    shown.says("signer           carol ").says(&format!("can decrypt      token  {}", carol.recipient()));
    shown.explains_once("there is no terminal to ask on");
    assert!(tree::snapshot(&alice.vault()) == before, "something was changed");
}

/// Who could read a value in a state that is long gone knows it when it comes back.
#[test]
fn what_comes_back_is_known_to_all_who_read_it() {
    if !ready() {
        return;
    }
    let Scene { folder, alice, .. } = &Scene::new();
    let web = Person::new(folder.path(), "web");
    let old = alice.git(&["rev-parse", "HEAD"]).succeeds().text().trim().to_owned();
    alice.does(&["recipients", "add", "web", &web.recipient()]);
    alice.does(&["grant", "token", "web"]);
    alice.does(&["revoke", "token", "web"]);
    alice.puts("token", "token 2");
    alice.does(&["revert", "--yes", &old]);
    assert_eq!(alice.opens("token"), "token 1");
    let lock = alice.lock();
    let token = &lock.secrets[&"token".parse().expect("a name")];
    assert!(token.exposed_to.iter().any(|key| key.as_str() == web.recipient()), "{token:?}");
}
