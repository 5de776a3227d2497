//! `vaultgen` and bad arrangements: one clear error each, and nothing changed.

use std::{fs, path::Path};

use fixtures::{
    command::{Run, public_copy, vaultgen},
    machine::{
        self,
        Need::{self, Program, Root},
    },
    tree,
    vault::Vault,
};

const PLAINTEXT: &str = "the-plaintext-of-the-token";
/// Somebody who owns nothing.
const NOBODY: u32 = 50_003;

/// What is wrong, and what is said of it.
struct Refusal {
    name: &'static str,
    needs: &'static [Need],
    run: fn(&Vault) -> Run,
    error: &'static str,
}

const fn refusal(name: &'static str, run: fn(&Vault) -> Run, error: &'static str) -> Refusal {
    Refusal { name, needs: &[], run, error }
}

const REFUSALS: [Refusal; 13] = [
    refusal(
        "a folder that is no vault",
        |vault| init(&folder_with_a_file(vault)),
        "it is not empty and not a vault",
    ),
    refusal("a file in place of the vault", |vault| init(&vault.signers()), "it is not a folder"),
    refusal("a folder in a missing one", |vault| init(&vault.beside("no/vault")), "cannot make the folder"),
    Refusal {
        name: "no terminal",
        needs: &[Program("setsid")],
        run: |vault| {
            vaultgen().args(["init", "--vault"]).arg(vault.beside("new")).under(["setsid", "--wait"])
        },
        error: "there is no terminal to ask on",
    },
    Refusal {
        name: "a folder of somebody else",
        needs: &[Root],
        run: |vault| {
            let program = public_copy("vaultgen", &vault.beside("."));
            program.args(["init", "--batch", "--vault"]).arg(vault.beside("new")).as_user(NOBODY)
        },
        error: "cannot make the folder",
    },
    Refusal {
        name: "a read-only file system",
        needs: &[Root, Program("unshare"), Program("mount")],
        run: |vault| {
            let place = vault.beside("read-only");
            fs::create_dir(&place).expect("a folder");
            let mount = "mount -t tmpfs -o ro odbox-test \"$0\" && exec \"$@\"";
            let starter = ["unshare", "-m", "sh", "-c", mount].map(Into::into);
            init(&place).under(starter.into_iter().chain([place.into_os_string()]))
        },
        error: "Read-only file system",
    },
    refusal("verify of no vault", |vault| verb(&["verify"], &folder_with_a_file(vault)), "it is not a vault"),
    refusal("signers that are not there", |vault| verify_by(vault, "no"), "no"),
    refusal(
        "an identity that is not there",
        |vault| show(vault).arg("--identity").arg(vault.beside("no")),
        "there is no such key file",
    ),
    refusal(
        "a wrong identity",
        |vault| {
            let other = Vault::with("token", "x").build();
            fs::copy(other.identity(), vault.identity()).expect("another identity");
            show(vault)
        },
        "none of the identities at hand can decrypt it",
    ),
    refusal(
        "a broken identity",
        |vault| {
            fs::write(vault.identity(), "# made by hand\nAGE-SECRET-KEY-1BROKEN\n")
                .expect("a broken identity");
            show(vault)
        },
        "line 2 is no age identity",
    ),
    refusal(
        "a folder as identity",
        |vault| show(vault).arg("--identity").arg(vault.path()),
        "it is no key file",
    ),
    refusal(
        "no signing key",
        |vault| {
            fs::remove_file(vault.path().join("signing.key")).expect("a signing key to remove");
            init(&vault.path())
        },
        "there is no key to sign with",
    ),
];

fn verb(words: &[&str], vault: &Path) -> Run {
    vaultgen().args(words).arg("--vault").arg(vault)
}

fn init(vault: &Path) -> Run {
    verb(&["init", "--batch"], vault)
}

fn show(vault: &Vault) -> Run {
    verb(&["show", "token"], &vault.path())
}

fn verify_by(vault: &Vault, signers: &str) -> Run {
    verb(&["verify"], &vault.path()).arg("--allowed-signers").arg(vault.beside(signers))
}

fn folder_with_a_file(vault: &Vault) -> std::path::PathBuf {
    let folder = vault.beside("folder");
    fs::create_dir(&folder).expect("a folder");
    fs::write(folder.join("file"), "somebody's").expect("a file");
    folder
}

#[test]
fn says_what_is_wrong_and_changes_nothing() {
    for refusal in REFUSALS.iter().filter(|refusal| machine::has(refusal.needs)) {
        let vault = Vault::with("token", PLAINTEXT).build().trusted();
        let run = (refusal.run)(&vault);
        let before = tree::snapshot(&vault.beside("."));
        let refused = run.run();
        assert_eq!(refused.status, Some(1), "{}: {refused}", refusal.name);
        refused.explains_once(refusal.error).tells_nothing_of(PLAINTEXT);
        assert!(refused.output.is_empty(), "{}: {refused}", refusal.name);
        assert!(tree::snapshot(&vault.beside(".")) == before, "{}: something was changed", refusal.name);
    }
}
