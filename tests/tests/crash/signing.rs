//! Changes that a signer has yet to sign, or signs: in between the vault is not sound, but what it was.

use std::fs;

use fixtures::{machine, tree::contents};

use super::scene::{MACHINE, NEEDS, Scene, at_each, expect_same_kind, rehearse};

/// The new state is one that waits for a signer, who can make it the vault's.
#[test]
fn killed_while_proposing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::for_machines();
    let verb = ["machine", "add", MACHINE, "--no-sign"];
    let (found, _) = rehearse(&scene, &verb);
    scene.restore();
    let old = contents(&scene.vault());
    at_each(&scene, &verb, "KILL", &found, |what| {
        let verified = scene.vaultgen(&["verify"]).run();
        if contents(&scene.vault()) == old {
            scene.expect_sound(what);
            return false;
        }
        assert_eq!(verified.status, Some(1), "{what}: {verified}");
        verified.explains_once("vault.toml is not what was signed");
        let signed = scene.vaultgen(&["sign", "--yes"]).run();
        assert_eq!(signed.status, Some(0), "{what}: {signed}");
        assert!(scene.vault().join(format!("machines/{MACHINE}.key")).exists(), "{what}");
        scene.expect_sound(what);
        scene.expect_trusted(what);
        true
    });
}

/// The old state is the one before the signature, which is not sound but is what it was.
#[test]
fn killed_while_signing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::small();
    let policy = scene.vault().join("vault.toml");
    let text = fs::read_to_string(&policy).expect("a policy");
    fs::write(&policy, text.replace("\"0400\"", "\"0440\"")).expect("an edit");
    fs::remove_file(scene.vault().join("certs/one.pem.age")).expect("a secret to remove");
    expect_whole_or_unsound(&scene, &["sign", "--yes"]);
}

/// The old state is one with a file that is gone, which the next try makes anew.
#[test]
fn killed_while_making_anew_what_was_removed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::empty();
    scene.vaultgen(&["init", "--batch"]).succeeds();
    fs::remove_file(scene.vault().join("ssh/id_ed25519.age")).expect("a file to remove");
    expect_whole_or_unsound(&scene, &["init", "--batch"]);
}

/// The new vault, or the old one that is not sound.
fn expect_whole_or_unsound(scene: &Scene, verb: &[&str]) {
    let (found, whole) = rehearse(scene, verb);
    scene.restore();
    let old = contents(&scene.vault());
    at_each(scene, verb, "KILL", &found, |what| {
        let verified = scene.vaultgen(&["verify"]).run();
        let now = contents(&scene.vault());
        if now == old {
            assert_eq!(verified.status, Some(1), "{what}: {verified}");
            return false;
        }
        scene.expect_sound(what);
        scene.expect_trusted(what);
        expect_same_kind(&now, &whole, what);
        true
    });
}
