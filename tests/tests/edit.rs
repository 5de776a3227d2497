//! `vaultgen edit`: a secret is changed in a real editor, and no trace of it is left on any disk.

use std::path::PathBuf;

use fixtures::{
    command::{Run, program, vaultgen},
    machine::{
        self,
        Need::{self, Program, Root},
    },
    terminal::Operator,
    trace::{Trace, traced},
    tree,
    vault::Vault,
};

const TERMINAL: [Need; 3] = [Program("sh"), Program("stty"), Program("age")];
const MEMORY: &str = "/dev/shm";
const OLD: &str = "tulip-old-value";

fn vault() -> Vault {
    Vault::with("token", OLD).and("binary", [0, 159, 146, 150]).build().trusted()
}

fn edit(vault: &Vault, editor: &str, name: &str) -> Run {
    let run = vaultgen().args(["edit", name, "--vault"]).arg(vault.path());
    run.under(["env", "TERM=xterm", &format!("EDITOR={editor}")])
}

/// What a killed or careless program may have left in memory.
fn left_in_memory(text: &str) -> String {
    program("sh").args(["-c", "grep -rls -- \"$0\" \"$1\" || true", text, MEMORY]).succeeds().text()
}

/// Types a new value into an editor as a person would, every process of it traced.
fn leaves_no_trace(editor: &'static str, keys: impl Fn(&str) -> Vec<String>) {
    if !machine::has(&TERMINAL) || !machine::has(&[Root, Program("strace"), Program(editor)]) {
        return;
    }
    let (vault, new) = (vault(), format!("{editor}-canary-value"));
    let log = vault.beside("log");
    let mut operator = Operator::starts(traced(edit(&vault, editor, "token"), &log));
    operator.reads(OLD);
    for line in keys(&new) {
        operator.types(&line);
    }
    let (status, screen) = operator.ends();
    assert_eq!(status, 0, "{screen}");
    assert_eq!(vault.open_text("token"), new);

    let trace = Trace::read(&log);
    let harmless = ["/dev/pts/", "/dev/tty", "/dev/shm/odbox-edit-", "pipe:", "socket:", "anon_inode:"];
    let on_disk = |text: &str| {
        let found = trace.find(text.as_bytes()).into_iter().map(str::to_owned);
        found.filter(|path| !harmless.iter().any(|start| path.starts_with(start))).collect::<Vec<_>>()
    };
    assert!(!trace.find(new.as_bytes()).is_empty(), "the trace saw nothing");
    assert_eq!((on_disk(&new), on_disk(OLD)), (vec![], vec![]));
    assert_eq!(left_in_memory(&new), "");
}

#[test]
fn vim_leaves_no_trace() {
    leaves_no_trace("vim", |new| vec![format!("cc{new}\u{1b}:wq")]);
}

#[test]
fn nano_leaves_no_trace() {
    // Cut the line, type, save, exit.
    leaves_no_trace("nano", |new| vec![format!("\u{b}{new}\u{13}\u{18}")]);
}

#[test]
fn emacs_leaves_no_trace() {
    // Kill the line, type, save, exit.
    leaves_no_trace("emacs", |new| vec![format!("\u{b}{new}\u{18}\u{13}\u{18}\u{3}")]);
}

#[test]
fn the_same_text_changes_nothing() {
    if !machine::has(&[Program("sh")]) {
        return;
    }
    let vault = vault();
    let before = tree::snapshot(&vault.path());
    let same = edit(&vault, "true", "token").succeeds();
    same.says("nothing to do").says("warning: ").tells_nothing_of(OLD);
    // An editor that ends the last line does not change it.
    edit(&vault, "sh -c 'echo >> \"$0\"'", "token").succeeds().says("nothing to do");
    assert!(tree::snapshot(&vault.path()) == before, "something was changed");
}

#[test]
fn what_cannot_be_edited_is_said() {
    if !machine::has(&[Program("sh")]) {
        return;
    }
    let vault = vault();
    let before = tree::snapshot(&vault.path());
    let refuses = |editor: &str, name: &str, error: &str| {
        edit(&vault, editor, name).exits(1).explains_once(error).tells_nothing_of(OLD);
    };
    refuses("true", "nothing", "there is no secret nothing");
    refuses("true", "binary", "binary is not a text");
    refuses("false", "token", "the editor failed");
    assert!(tree::snapshot(&vault.path()) == before, "something was changed");
    let standard = Vault::standard();
    let edit = |name| edit(&standard, "true", name).exits(1);
    edit("passwords/root.yesc").explains_once("passwords/root.yesc is derived from passwords/root.txt");
    edit("passwords/root.txt").explains_once(" is derived from passwords/root.txt, and would not follow");
}

/// A text that its kind does not allow is not thrown away without a question.
#[test]
fn a_wrong_text_can_be_edited_again() {
    if !machine::has(&TERMINAL) {
        return;
    }
    let vault = Vault::standard();
    let before = tree::snapshot(&vault.path());
    let mut operator = Operator::starts(edit(&vault, "sh -c 'echo no key > \"$0\"'", "ssh/id_ed25519"));
    operator.reads("Edit it again? [y/N] ").types("y").reads("Edit it again? [y/N] ").types("n");
    let (status, screen) = operator.ends();
    assert!(status == 1 && screen.contains("error: ssh/id_ed25519 was not changed"), "{screen}");
    assert!(tree::snapshot(&vault.path()) == before, "something was changed");
}

/// However it ends, what it had in memory is removed: by itself, or by the next one.
#[test]
fn a_killed_edit_leaves_nothing_for_long() {
    if !machine::has(&[Program("sh"), Program("grep")]) {
        return;
    }
    let vault = Vault::with("token", "poppy-of-a-killed-edit").build().trusted();
    let remains = || -> Vec<PathBuf> {
        let found = left_in_memory("poppy-of-a-killed-edit");
        found.lines().map(PathBuf::from).collect()
    };
    let before = tree::snapshot(&vault.path());
    for (signal, count) in [("TERM", 0), ("HUP", 0), ("KILL", 1)] {
        let editor = format!("sh -c 'kill -{signal} $PPID; sleep 1'");
        let ended = edit(&vault, &editor, "token").run();
        assert_ne!(ended.status, Some(0), "{ended}");
        assert_eq!(remains().len(), count, "after {signal}: {ended}");
    }
    edit(&vault, "true", "token").succeeds();
    assert_eq!(remains(), Vec::<PathBuf>::new());
    assert!(tree::snapshot(&vault.path()) == before, "something was changed");
}
