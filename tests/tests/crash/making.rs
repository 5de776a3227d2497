//! Vaults that come to be: from nothing, from a part of the standard one, from an Odoo Box vault.

use std::{fs, path::Path};

use fixtures::{
    legacy::{self, LegacyVault},
    machine,
    tree::{self, contents},
    vault::Vault,
};

use super::scene::{MACHINE, NEEDS, Scene, at_each, expect_whole_after_kills, rehearse};

/// All of the standard vault but the SSH identity, which takes no hashing of passwords.
#[test]
fn killed_while_completing_a_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let mut builder = Vault::with("passwords/root.txt", "root");
    for name in ["admin", "odoo-admin", "pgadmin-admin"] {
        builder = builder.and(&format!("passwords/{name}.txt"), name);
    }
    for name in ["vault-ca-cert", "vault-ca-key", "localhost-cert", "localhost-key"] {
        builder = builder.and(&format!("certs/{name}.pem"), name);
    }
    expect_whole_after_kills(&Scene::of(builder), &["init", "--batch"]);
}

/// Of a vault that did not come to be, nothing is in the way of the next try.
#[test]
fn killed_while_making_a_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::empty();
    let verb = ["init", "--batch", "--bare"];
    let (found, whole) = rehearse(&scene, &verb);
    for stop in &found {
        let what = format!("init stopped at {}", stop.call);
        scene.restore();
        let _ = stop.signals(scene.vaultgen(&verb), "KILL").run();
        let again = scene.vaultgen(&verb).run();
        assert_eq!(again.status, Some(0), "{what}: {again}");
        scene.expect_sound(&what);
        scene.expect_trusted(&what);
        let (now, whole) = (contents(&scene.vault()), &whole);
        assert!(now.keys().eq(whole.keys()), "{what}: {:?}", now.keys());
    }
    println!("init --bare: {} times KILL", found.len());
}

/// An Odoo Box vault is adopted as a whole or stays what it was, and the next try adopts it.
#[test]
fn killed_while_adopting() {
    if !machine::has(&NEEDS) || !machine::has(&legacy::NEEDS) {
        return;
    }
    let vault = LegacyVault::empty();
    for (file, value) in [("passwords/odoo-admin", "for-the-Machine-1"), ("passwords/root.txt", "for-Us-2")] {
        vault.seal(file, value);
        fs::remove_file(vault.file(file)).expect("plaintext to remove");
    }
    vault.put("ssh/id_rsa.pub", "ssh-rsa AAAA somebody\n");
    vault.put("passwords/strange.txt.age", "of somebody else");
    fs::remove_file(vault.file(".gitignore")).expect("a file to remove");
    let scene = Scene::empty();
    tree::copy(&vault.path(), &scene.vault());
    let verb = ["adopt", "--batch", "--machine", MACHINE];
    let (found, whole) = rehearse(&scene, &verb);
    scene.restore();
    let old = contents(&scene.vault());
    let key = &old[Path::new("age.key")];
    at_each(&scene, &verb, "KILL", &found, |what| {
        let verified = scene.vaultgen(&["verify"]).run();
        let is_new = verified.status == Some(0);
        if !is_new {
            verified.explains("it is an Odoo Box vault");
            assert!(contents(&scene.vault()) == old, "{what}: neither the old vault nor the new");
        }
        let again = scene.vaultgen(&verb).run();
        assert_eq!(again.status, Some(0), "{what}: {again}");
        scene.expect_sound(what);
        scene.expect_trusted(what);
        let now = contents(&scene.vault());
        assert!(now.keys().eq(whole.keys()), "{what}: {:?}", now.keys());
        assert!(&now[Path::new("age.key.old")] == key, "{what}: the old key");
        is_new
    });
}

/// The vault is the same before and after; plaintext that is not removed yet is removed by the next try.
#[test]
fn killed_while_removing_plaintext() {
    if !machine::has(&NEEDS) || !machine::has(&legacy::NEEDS) {
        return;
    }
    let vault = LegacyVault::empty();
    for file in ["passwords/odoo-admin.txt", "passwords/root.txt"] {
        vault.seal(file, "the-Plaintext-1");
    }
    fs::remove_file(vault.file(".gitignore")).expect("a file to remove");
    let scene = Scene::empty();
    tree::copy(&vault.path(), &scene.vault());
    scene.vaultgen(&["adopt", "--batch", "--machine", MACHINE]).succeeds();
    let verb = ["adopt", "--batch", "--remove-plaintext"];
    let (found, whole) = rehearse(&scene, &verb);
    assert!(!whole.contains_key(Path::new("passwords/root.txt")), "plaintext is left");
    for stop in &found {
        let what = format!("adopt --remove-plaintext stopped at {}", stop.call);
        scene.restore();
        let _ = stop.signals(scene.vaultgen(&verb), "KILL").run();
        let again = scene.vaultgen(&verb).run();
        assert_eq!(again.status, Some(0), "{what}: {again}");
        scene.expect_sound(&what);
        scene.expect_trusted(&what);
        assert!(contents(&scene.vault()) == whole, "{what}");
    }
    assert!(found.len() > 5, "{} calls", found.len());
    println!("adopt --remove-plaintext: {} times KILL", found.len());
}
