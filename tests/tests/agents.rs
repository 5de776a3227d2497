//! A real ssh-agent: it gets a key out of the vault through a pipe, and signs the vault.

use std::fs;

use fixtures::{
    command::{Run, odbox, program},
    machine::{
        self,
        Need::{self, Program},
    },
    vault::Vault,
};

const NEEDS: [Need; 4] = [Program("ssh-agent"), Program("ssh-add"), Program("ssh-keygen"), Program("sh")];

/// Runs a line of shell on the vault for which an agent lives that holds nothing yet. In it, `vaultgen` is
/// ours.
fn with_an_agent(vault: &Vault, line: &str) -> Run {
    let line = format!("vaultgen() {{ \"$0\" --vault \"$VAULT\" \"$@\"; }}; {line}");
    let variable = format!("VAULT={}", vault.path().display());
    program("env").arg(variable).args(["ssh-agent", "sh", "-c", &line]).arg(odbox("vaultgen"))
}

#[test]
fn a_key_goes_from_the_vault_into_the_agent() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let held = with_an_agent(&vault, "vaultgen show ssh/id_ed25519 | ssh-add -q - && ssh-add -L").succeeds();
    let public = fs::read_to_string(vault.path().join("ssh/id_ed25519.pub")).expect("a public key");
    let key = |line: &str| line.split(' ').take(2).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(key(held.text().trim_end()), key(public.trim_end()), "{held}");
    held.tells_nothing_of("PRIVATE KEY");
}

#[test]
fn an_agent_signs_with_the_key_that_it_holds() {
    if !machine::has(&NEEDS) {
        return;
    }
    for key_type in ["ed25519", "ecdsa", "rsa"] {
        let vault = Vault::with("token", "x").build().trusted();
        let key = vault.beside("held");
        program("ssh-keygen").args(["-q", "-t", key_type, "-N", "", "-f"]).arg(&key).succeeds();
        let held = key.display();
        with_an_agent(&vault, &format!("vaultgen signers add held {held}.pub")).succeeds();
        let rekey = format!("vaultgen rekey --sign-key {held}.pub");
        // Nobody holds the private half yet, as soon as it is gone from beside the public one.
        let away = vault.beside("away");
        fs::rename(&key, &away).expect("a key to move");
        with_an_agent(&vault, &rekey).exits(1).explains_once("ssh-keygen -Y sign: it ended with");
        let away = away.display();
        with_an_agent(&vault, &format!("ssh-add -q {away} && rm {away} && {rekey}")).succeeds();
        with_an_agent(&vault, "vaultgen verify").succeeds().says("signed by held ");
    }
}
