//! `vaultgen init` on a terminal: what it asks, and that nobody sees the answers.

use std::path::Path;

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
}

impl Answers for Operator {
    fn answers(&mut self, name: &str, first: &str, second: &str) -> &mut Self {
        self.reads(&format!("Password for {name} (empty: generate one): ")).types(first);
        self.reads(&format!("The same again for {name}: ")).types(second)
    }

    fn leaves_empty(&mut self, name: &str) -> &mut Self {
        self.reads(&format!("Password for {name} (empty: generate one): ")).types("")
    }
}

fn starts_init(path: &Path) -> Operator {
    Operator::starts(vaultgen().args(["init", "--vault"]).arg(path))
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
    let mut operator = starts_init(&path);
    operator.answers("root", PASSWORD, PASSWORD).leaves_empty("admin");
    operator.answers("odoo-admin", OTHER, OTHER).leaves_empty("pgadmin-admin");
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
    let mut operator = starts_init(&path);
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
    let mut operator = starts_init(&folder.path().join("vault"));
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
