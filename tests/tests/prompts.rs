//! `vaultgen init` on a terminal: what it asks, and that nobody sees the answers.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use fixtures::{
    command::{self, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    terminal::Operator,
    tree,
    vault::Vault,
};

const NEEDS: [Need; 3] = [Program("sh"), Program("stty"), Program("age")];
const PASSWORD: &str = "kelp-Orbit7-vanilla-tram";
const OTHER: &str = "quartz-Lemon3-harbour-fjord";
const WEAK: &str = "password1";

/// The questions of `vaultgen init`.
trait Answers {
    fn answers(&mut self, name: &str, first: &str, second: &str) -> &mut Self;
    fn leaves_empty(&mut self, name: &str) -> &mut Self;
    fn wants_recovery(&mut self, first: &str, second: &str) -> &mut Self;
    fn wants_no_recovery(&mut self) -> &mut Self;
}

impl Answers for Operator {
    fn answers(&mut self, name: &str, first: &str, second: &str) -> &mut Self {
        self.reads(&format!("Password for {name} (empty: generate one): ")).types(first);
        self.reads(&format!("The same again for {name}: ")).types(second)
    }

    fn leaves_empty(&mut self, name: &str) -> &mut Self {
        self.reads(&format!("Password for {name} (empty: generate one): ")).types("")
    }

    fn wants_recovery(&mut self, first: &str, second: &str) -> &mut Self {
        self.reads("Passphrase for a recovery identity, to keep offline (empty: none): ").types(first);
        self.reads("The same again for a recovery identity, to keep offline: ").types(second)
    }

    fn wants_no_recovery(&mut self) -> &mut Self {
        self.reads("Passphrase for a recovery identity, to keep offline (empty: none): ").types("")
    }
}

fn starts_init(path: &Path, arguments: &[&str]) -> Operator {
    Operator::starts(vaultgen().args(["init", "--vault"]).arg(path).args(arguments))
}

/// The terminal of these tests does show what is typed, or they would prove nothing.
#[test]
fn this_terminal_echoes() {
    if !machine::has(&NEEDS) {
        return;
    }
    let mut operator = Operator::starts(command::program("sh").args(["-c", "echo ready; read answer"]));
    operator.reads("ready").types(PASSWORD);
    let (_, screen) = operator.ends();
    assert!(screen.contains(PASSWORD), "{screen}");
}

#[test]
fn entered_passwords_end_up_in_the_vault_and_never_on_the_terminal() {
    if !machine::has(&NEEDS) {
        return;
    }
    let folder = tree::folder();
    let path = folder.path().join("vault");
    let mut operator = starts_init(&path, &[]);
    operator.answers("root", PASSWORD, PASSWORD).leaves_empty("admin");
    operator.answers("odoo-admin", OTHER, OTHER).leaves_empty("pgadmin-admin").wants_no_recovery();
    let (status, screen) = operator.ends();
    assert_eq!(status, 0, "{screen}");
    assert!(!screen.contains(PASSWORD) && !screen.contains(OTHER), "{screen}");

    let vault = Vault::copy_of(&path);
    assert_eq!(vault.open_text("passwords/root.txt"), PASSWORD);
    assert_eq!(vault.open_text("passwords/odoo-admin.txt"), OTHER);
    for generated in ["passwords/admin.txt", "passwords/pgadmin-admin.txt"] {
        let password = vault.open_text(generated);
        assert!(password.len() >= 20, "{generated} has {} characters", password.len());
        assert!(!screen.contains(&password), "{generated}");
    }
    vaultgen().args(["verify", "--vault"]).arg(&path).succeeds();
}

/// Some day all other keys are gone.
#[test]
fn a_recovery_identity_opens_every_secret_with_its_passphrase() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("age-keygen")]) {
        return;
    }
    let folder = tree::folder();
    let path = folder.path().join("vault");
    let mut operator = starts_init(&path, &["--bare"]);
    operator.wants_recovery(PASSWORD, PASSWORD);
    let (status, screen) = operator.ends();
    let file = path.join("recovery.key");
    let note = format!("move {} to a safe place off this machine", file.display());
    assert!(status == 0 && screen.contains(&note) && !screen.contains(PASSWORD), "{screen}");
    let written = fs::read_to_string(&file).expect("a recovery identity");
    assert!(written.starts_with("-----BEGIN AGE ENCRYPTED FILE-----\n"), "{written}");
    assert_eq!(fs::metadata(&file).expect("a file").permissions().mode() & 0o777, 0o600);

    // It is a key file like the others, and no part of the vault.
    vaultgen().args(["init", "--batch", "--vault"]).arg(&path).succeeds().says("17 secrets");
    let verified = vaultgen().args(["verify", "--vault"]).arg(&path).succeeds();
    assert!(!verified.text().contains("warning"), "{verified}");
    let policy = fs::read_to_string(path.join("vault.toml")).expect("a policy");
    assert!(policy.contains("safe = { kind = \"recovery\", keys = [\"age1"), "{policy}");
    assert!(policy.contains("ops = [\"operator\", \"safe\"]"), "{policy}");

    fs::rename(&file, folder.path().join("away")).expect("a safe place");
    let away = folder.path().join("away");
    let expected = Vault::copy_of(&path).open_text("passwords/root.txt");
    for key in ["age.key", "signing.key"] {
        fs::remove_file(path.join(key)).expect("a lost key");
    }
    let show = || {
        let show = vaultgen().args(["show", "passwords/root.txt", "--vault"]).arg(&path);
        show.arg("--identity").arg(&away)
    };
    let by_age = command::program("age").args(["-d", "-i"]).arg(&away);
    let by_age = by_age.arg(path.join("passwords/root.txt.age"));
    for (run, question) in [(show(), "Passphrase for the identity file "), (by_age, "Enter passphrase for ")]
    {
        let mut operator = Operator::starts(run);
        operator.reads(question).reads(": ").types(PASSWORD);
        let (status, screen) = operator.ends();
        assert!(status == 0 && screen.contains(&expected), "{screen}");
    }
    let mut operator = Operator::starts(show());
    operator.reads("Passphrase for the identity file ").reads(": ").types(OTHER);
    let (status, screen) = operator.ends();
    assert!(status == 1 && screen.contains("the passphrase is wrong"), "{screen}");
}

/// Whoever made a vault in a hurry gets one later, into every audience.
#[test]
fn a_vault_without_a_recovery_identity_gets_one_later() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::init(&["--bare"]);
    let run = |verb: &[&str]| vaultgen().args(verb).arg("--vault").arg(vault.path());
    run(&["add", "shared", "--audience", "ops"]).input("one").succeeds();
    run(&["add", "token"]).input("two").succeeds();
    run(&["status"]).succeeds().says("no recovery key").says("vaultgen init");

    let bare = || starts_init(&vault.path(), &["--bare"]);
    let mut operator = bare();
    operator.wants_no_recovery();
    let (status, screen) = operator.ends();
    assert!(status == 0 && screen.contains("nothing to do"), "{screen}");
    let mut operator = bare();
    operator.wants_recovery(PASSWORD, PASSWORD);
    let (status, screen) = operator.ends();
    let file = vault.path().join("recovery.key");
    assert!(status == 0 && screen.contains(&format!("move {}", file.display())), "{screen}");
    assert!(!screen.contains(PASSWORD), "{screen}");

    let policy = fs::read_to_string(vault.path().join("vault.toml")).expect("a policy");
    assert_eq!(policy.matches("audience = [\"ops\", \"safe\"]").count(), 2, "{policy}");
    let status = run(&["status"]).succeeds();
    assert!(!status.text().contains("no recovery key") && !status.text().contains("not opened"), "{status}");
    fs::remove_file(vault.identity()).expect("a lost key");
    for (name, value) in [("shared", "one"), ("token", "two")] {
        let mut operator = Operator::starts(run(&["show", name]).arg("--identity").arg(&file));
        operator.reads("Passphrase for the identity file ").reads(": ").types(PASSWORD);
        let (status, screen) = operator.ends();
        assert!(status == 0 && screen.contains(value), "{screen}");
    }
    // One is enough, and a second is not asked for.
    let (status, screen) = bare().ends();
    assert!(status == 0 && screen.contains("nothing to do"), "{screen}");
}

/// A file that somebody else may need is not written over; a stranger is not asked; nor is a script.
#[test]
fn a_recovery_identity_is_not_offered_to_everybody() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::init(&["--bare"]);
    let stranger = vault.beside("stranger");
    fs::create_dir(&stranger).expect("a home");
    let init = || vaultgen().args(["init", "--bare", "--vault"]).arg(vault.path());
    let (status, screen) = Operator::starts(init().at_home(&stranger)).ends();
    assert!(status == 0 && screen.contains("nothing to do"), "{screen}");
    let (status, screen) = Operator::starts(init().arg("--batch")).ends();
    assert!(status == 0 && screen.contains("nothing to do"), "{screen}");
    fs::write(vault.path().join("recovery.key"), "another").expect("a file");
    let (status, screen) = Operator::starts(init()).ends();
    assert!(status == 0 && screen.contains("recovery.key is not of this vault"), "{screen}");
    assert_eq!(fs::read_to_string(vault.path().join("recovery.key")).expect("a file"), "another");
}

#[test]
fn a_weak_or_mistyped_recovery_passphrase_makes_nothing() {
    if !machine::has(&NEEDS) {
        return;
    }
    for (first, second) in [(PASSWORD, OTHER), (WEAK, WEAK)] {
        let folder = tree::folder();
        let path = folder.path().join("vault");
        let mut operator = starts_init(&path, &["--bare"]);
        operator.wants_recovery(first, second);
        let (status, screen) = operator.ends();
        assert!(status == 1 && screen.contains("a recovery identity, to keep offline"), "{screen}");
        assert!(screen.contains("\n  hint: ") && !screen.contains(first), "{screen}");
        assert_eq!(tree::snapshot(folder.path()).len(), 1, "something is left behind");
    }
}

#[test]
fn different_answers_make_nothing() {
    refuses_answers(PASSWORD, OTHER, "error: the two passwords for root differ");
}

#[test]
fn a_weak_password_makes_nothing() {
    refuses_answers(WEAK, WEAK, "error: root: ");
}

fn refuses_answers(first: &str, second: &str, error: &str) {
    if !machine::has(&NEEDS) {
        return;
    }
    let folder = tree::folder();
    let path = folder.path().join("vault");
    let mut operator = starts_init(&path, &[]);
    operator.answers("root", first, second);
    let (status, screen) = operator.ends();
    assert_eq!(status, 1, "{screen}");
    assert!(screen.contains(error) && screen.contains("\n  hint: "), "{screen}");
    assert_eq!(screen.matches("error:").count(), 1, "{screen}");
    assert!(!screen.contains(first) && !screen.contains(second), "{screen}");
    assert_eq!(tree::snapshot(folder.path()).len(), 1, "something is left behind");
}

/// A terminal that is closed, or a person who thinks better of it.
#[test]
fn an_interrupted_question_makes_nothing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let folder = tree::folder();
    let mut operator = starts_init(&folder.path().join("vault"), &[]);
    operator.reads("Password for root (empty: generate one): ");
    operator.interrupts();
    assert_eq!(tree::snapshot(folder.path()).len(), 1, "something is left behind");
}

#[test]
fn show_keeps_several_lines_off_a_terminal() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("one", "a line").and("several", "two\nlines").build();
    let show = |name| vaultgen().args(["show", name, "--vault"]).arg(vault.path());
    let (status, screen) = Operator::starts(show("one")).ends();
    assert_eq!((status, screen.trim_end()), (0, "a line"));
    let (status, screen) = Operator::starts(show("several")).ends();
    assert!(status == 1 && screen.contains("hint: ") && !screen.contains("two"), "{screen}");
    let (status, screen) = Operator::starts(show("several").arg("--force")).ends();
    assert!(status == 0 && screen.contains("two\nlines"), "{screen}");
}
