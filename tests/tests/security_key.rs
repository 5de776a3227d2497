//! Signing with a key on a FIDO token, by way of OpenSSH. The token is the one that OpenSSH tests itself
//! with.

use std::{fs, path::PathBuf};

use fixtures::{
    command::{Ended, Run, program, vaultgen},
    machine::{
        self,
        Need::{self, Program, SecurityKey},
    },
    tree,
    vault::Vault,
};

const NEEDS: [Need; 2] = [SecurityKey, Program("ssh-keygen")];
const TYPES: [&str; 2] = ["ed25519-sk", "ecdsa-sk"];

/// A vault, and a key on a token that may sign it.
struct Scene {
    vault: Vault,
    key: PathBuf,
}

impl Scene {
    fn with_key(key_type: &str, options: &[&str]) -> Self {
        let vault = Vault::with("token", "x").build().trusted();
        let key = vault.beside("fido");
        let keygen = program("ssh-keygen").args(["-q", "-t", key_type, "-N", "", "-f"]).arg(&key);
        plugged_in(keygen.args(options)).succeeds();
        Self { vault, key }
    }

    /// The vault's signers know the key.
    fn of_signer(key_type: &str, options: &[&str]) -> Self {
        let scene = Self::with_key(key_type, options);
        let public_key = scene.key.with_extension("pub");
        scene.vaultgen(&["signers", "add", "fido"]).arg(public_key).succeeds();
        scene
    }

    fn vaultgen(&self, verb: &[&str]) -> Run {
        vaultgen().arg("--vault").arg(self.vault.path()).args(verb)
    }

    fn rekey(&self) -> Ended {
        plugged_in(self.vaultgen(&["rekey", "--sign-key"]).arg(&self.key)).run()
    }
}

/// Where the program runs, OpenSSH finds the token.
fn plugged_in(run: Run) -> Run {
    let library = machine::security_key().expect("a security key");
    run.under(["env".to_owned(), format!("SSH_SK_PROVIDER={}", library.display())])
}

/// What stock OpenSSH says of the signature.
fn expect_checked_by_openssh(vault: &Vault) {
    let file = |name: &str| vault.path().join(name);
    let verify = program("ssh-keygen").args(["-Y", "verify", "-n", "odbox-vault", "-I", "fido"]);
    let verify = verify.arg("-f").arg(file("allowed_signers")).arg("-s").arg(file("vault.lock.sig"));
    let lock = fs::read(file("vault.lock")).expect("a lock");
    verify.input(lock).succeeds().says("Good \"odbox-vault\" signature for fido");
}

#[test]
fn a_token_signs_a_change() {
    if !machine::has(&NEEDS) {
        return;
    }
    for key_type in TYPES {
        let scene = Scene::of_signer(key_type, &[]);
        let signed = scene.rekey();
        assert_eq!(signed.status, Some(0), "{key_type}: {signed}");
        signed.says("serial 3");
        let own = scene.vault.path().join("allowed_signers");
        let verify = scene.vaultgen(&["verify", "--allowed-signers"]).arg(own);
        verify.succeeds().says("serial 3, signed by fido SHA256:");
        expect_checked_by_openssh(&scene.vault);
    }
}

/// With no other signer than the token.
#[test]
fn a_token_signs_a_new_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    for key_type in TYPES {
        let scene = Scene::with_key(key_type, &[]);
        let new = scene.vault.beside("new");
        let init = vaultgen().args(["init", "--bare", "--batch", "--vault"]).arg(&new);
        plugged_in(init.arg("--sign-key").arg(&scene.key)).succeeds();
        assert!(!new.join("signing.key").exists(), "{key_type}: another key was made");
        vaultgen().args(["verify", "--vault"]).arg(&new).succeeds().says("sound: 0 secrets, serial 1");
    }
}

/// Any program that reaches such a token signs with it unseen.
#[test]
fn a_token_that_asks_for_no_touch_signs_nothing() {
    if !machine::has(&NEEDS) {
        return;
    }
    for key_type in TYPES {
        let scene = Scene::of_signer(key_type, &["-O", "no-touch-required"]);
        let before = tree::contents(&scene.vault.path());
        let refused = scene.rekey();
        assert_eq!(refused.status, Some(1), "{key_type}: {refused}");
        refused.explains_once("vault.lock.sig is of a security key that nobody touched");
        assert!(tree::contents(&scene.vault.path()) == before, "{key_type}: something was changed");
    }
}

#[test]
fn a_token_that_is_not_there_changes_nothing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::of_signer(TYPES[0], &[]);
    let before = tree::contents(&scene.vault.path());
    let rekey = scene.vaultgen(&["rekey", "--sign-key"]).arg(&scene.key);
    let refused = rekey.under(["env", "SSH_SK_PROVIDER=/nowhere.so"]).exits(1);
    refused.explains_once("cannot sign the lock: ssh-keygen -Y sign");
    assert!(tree::contents(&scene.vault.path()) == before, "something was changed");
}
