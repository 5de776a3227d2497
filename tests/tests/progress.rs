//! The bar that a terminal shows while something takes long: it comes late, and leaves nothing behind.

use std::fs;

use fixtures::{
    command::{Run, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    plugin::{PIN, PluginKey, plugged_in},
    terminal::Operator,
    vault::Vault,
};

const NEEDS: [Need; 3] = [Program("sh"), Program("stty"), Program("strace")];
/// Clears a line of a terminal (ECMA-48, EL).
const CLEARED: &str = "\u{1b}[2K";

/// Each file of a vault takes a tenth of a second to open, one after the other.
fn slow(run: Run) -> Run {
    let strace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=openat2"];
    let slow = ["-e", "inject=openat2:delay_enter=100000"];
    run.under(["env", "TERM=xterm", "RAYON_NUM_THREADS=1"].into_iter().chain(strace).chain(slow))
}

fn verify(vault: &Vault) -> Run {
    vaultgen().args(["verify", "--vault"]).arg(vault.path())
}

/// What is left to see, once all that was cleared is gone.
fn left(screen: &str) -> &str {
    screen.rsplit_once(CLEARED).map_or(screen, |(_, rest)| rest.trim_start())
}

#[test]
fn a_bar_shows_how_far_it_is_and_goes() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let (status, screen) = Operator::starts(slow(verify(&vault))).ends();
    assert!(status == 0 && screen.contains("verifying [=") && screen.contains("] 12 of 17"), "{screen}");
    assert!(left(&screen).starts_with("sound: 17 secrets"), "{screen:?}");
}

#[test]
fn an_error_and_a_question_find_a_clean_line() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let stranger = vault.beside("stranger");
    fs::create_dir(&stranger).expect("a home");
    let rekey = vaultgen().at_home(&stranger).args(["rekey", "--vault"]).arg(vault.path());
    let mut operator = Operator::starts(slow(rekey));
    operator.reads("[y/N] ").types("n");
    let (status, screen) = operator.ends();
    assert!(status == 1 && screen.contains("verifying [="), "{screen}");
    let path = vault.path().display().to_string();
    assert!(left(&screen).starts_with(&path) || left(&screen).starts_with("warning: "), "{screen:?}");

    vault.damage("passwords/root.txt.age");
    let (status, screen) = Operator::starts(slow(verify(&vault))).ends();
    assert!(status == 1 && screen.contains("verifying [="), "{screen}");
    assert!(left(&screen).starts_with("error: the vault is not sound"), "{screen:?}");
}

/// A plugin asks in the middle of the work: the bar is away meanwhile.
#[test]
fn the_question_of_a_plugin_finds_a_clean_line() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let key = PluginKey::with_pin(&vault.beside("pin.key"), 1, "pin");
    let on = |words: &[&str]| plugged_in(vaultgen().arg("--vault").arg(vault.path()).args(words));
    on(&["recipients", "add", "token", &key.recipient]).succeeds();
    // Opened last, after more than a second.
    on(&["add", "zz", "--audience", "token"]).input("zz").succeeds();
    let verify = on(&["verify", "--identity"]).arg(&key.file).arg("--identity").arg(vault.identity());
    let mut operator = Operator::starts(slow(verify));
    operator.reads("opening [").reads("use it").reads("[y/N] ").types("y");
    operator.reads("slot? ").types("9a").reads("PIN: ").types(PIN);
    let (status, screen) = operator.ends();
    assert_eq!(status, 0, "{screen}");
    let question = |words: &str| screen.find(words).expect("a question");
    for words in ["age-plugin-pin: May", "age-plugin-pin: Which", "age-plugin-pin: PIN"] {
        let before = left(&screen[..question(words)]);
        assert!(!before.contains("opening"), "{before:?} before {words} in {screen:?}");
    }
    assert!(!screen[question("y: use")..question("[y/N]")].contains("opening"), "{screen:?}");
}

#[test]
fn scripts_and_who_asked_for_silence_see_none() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    for flag in ["--batch", "--json", "--quiet"] {
        let (status, screen) = Operator::starts(slow(verify(&vault).arg(flag))).ends();
        assert!(status == 0 && !screen.contains("verifying") && !screen.contains(CLEARED), "{screen:?}");
    }
    let errors = vault.beside("errors");
    let elsewhere = ["sh", "-c", "exec 2>\"$0\" \"$@\"", errors.to_str().expect("text")];
    let (status, _) = Operator::starts(slow(verify(&vault)).under(elsewhere)).ends();
    assert!(
        status == 0 && fs::read(&errors).expect("a file").is_empty(),
        "{:?}",
        fs::read_to_string(&errors)
    );
}

/// What is done at once needs no bar.
#[test]
fn what_takes_less_than_a_second_has_none() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("token", "one").build();
    let (status, screen) = Operator::starts(verify(&vault).under(["env", "TERM=xterm"])).ends();
    assert!(status == 0 && !screen.contains('\u{1b}'), "{screen:?}");
}
