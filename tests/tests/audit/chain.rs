//! Who could push cannot make themselves a signer by a state that nobody signed.

use std::fs;

use fixtures::{machine, vault::Vault};

use super::{
    NEEDS,
    scene::{Repository, sign_next},
};

#[test]
fn a_state_that_is_not_sound_names_no_signers() {
    if !machine::has(&NEEDS) {
        return;
    }
    for rest in ["[", ""] {
        let (repository, vault) = (Repository::new(), Vault::with("a", "1").build());
        let stranger = Vault::with("b", "1").build();
        repository.put(&vault, "vault");
        repository.commit("2026-01-10", "a vault");
        let list = repository.join("vault/allowed_signers");
        fs::write(&list, fs::read(stranger.signers()).expect("signers")).expect("a file");
        // A policy that cannot be read says nothing of signers, either.
        let policy = repository.join("vault/vault.toml");
        let text = fs::read_to_string(&policy).expect("a policy");
        fs::write(&policy, format!("{text}\n{rest}")).expect("a policy");
        repository.commit("2026-02-10", "a signer whom nobody signed");
        fs::write(&policy, text).expect("a policy");
        sign_next(&repository.join("vault"), &stranger.path(), |_| {});
        repository.commit("2026-03-10", "signed by them");
        let report = repository.report(&["HEAD"]);
        assert_eq!(report["vaults"][0]["verdict"], "unsound", "{rest:?}");
        let found = repository.findings(&["HEAD"]);
        assert!(
            found.iter().any(|line| line.starts_with("critical untrusted-signer vault/vault.lock")),
            "{found:#?}"
        );
    }
}

#[test]
fn a_vault_that_comes_after_a_gap_is_held_against_the_one_before() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (repository, vault) = (Repository::new(), Vault::with("a", "1").build());
    repository.put(&vault, "vault");
    repository.commit("2026-01-10", "a vault");
    fs::remove_dir_all(repository.join("vault")).expect("a folder");
    repository.commit("2026-02-10", "gone");
    repository.put(&Vault::with("a", "1").build(), "vault");
    repository.commit("2026-03-10", "another one");
    let found = repository.findings(&["HEAD"]);
    for expected in ["critical another-vault vault/vault.lock", "critical untrusted-signer vault/vault.lock"]
    {
        assert!(found.iter().any(|line| line.starts_with(expected)), "{expected} in {found:#?}");
    }
}
