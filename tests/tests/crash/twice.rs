//! A kill of the command that finishes or undoes a change, and a polite request to end.

use fixtures::{
    machine,
    stop::{At, Stop, stops},
    tree::{self, contents},
};

use super::scene::{GUEST, NEEDS, Scene, at, expect_whole};

/// The next command is killed as well, while it undoes the change or finishes it.
#[test]
fn killed_twice() {
    if !machine::has(&NEEDS) {
        return;
    }
    let verb = ["recipients", "add", "ops", GUEST];
    let scene = Scene::small();
    scene.keep();
    let old = contents(&scene.vault());
    let (_, found) = stops(scene.vaultgen(&verb), At::Changes, &scene.folder.path().join("trace"));
    let commits = |stop: &Stop| stop.call.contains("rename") && stop.call.contains("commit.new");
    let commit = found.iter().position(commits).expect("a commit");
    for (first, is_new) in [(&found[commit], false), (&found[commit + 1], true)] {
        scene.restore();
        let _ = first.signals(scene.vaultgen(&verb), "KILL").run();
        assert!(scene.vault().join(".vaultgen").exists(), "nothing to finish or undo");
        let interrupted = Scene { folder: tree::folder() };
        tree::copy(&scene.work(), &interrupted.work());
        interrupted.keep();
        let verify = ["verify"];
        let trace = interrupted.folder.path().join("trace");
        let (_, again) = stops(interrupted.vaultgen(&verify), at(), &trace);
        for stop in &again {
            let what = format!("verify stopped at {}", stop.call);
            interrupted.restore();
            let _ = stop.signals(interrupted.vaultgen(&verify), "KILL").run();
            interrupted.expect_sound(&what);
            assert_eq!(contents(&interrupted.vault()) != old, is_new, "{what}");
        }
        assert!(again.len() > 3, "{} calls", again.len());
        println!("{}: {} times KILL", if is_new { "finishing" } else { "undoing" }, again.len());
    }
}

/// Control-C, or the machine going down.
#[test]
fn told_to_end_while_adding_a_recipient() {
    if machine::has(&NEEDS) {
        for signal in ["INT", "TERM"] {
            expect_whole(&Scene::small(), &["recipients", "add", "ops", GUEST], signal);
        }
    }
}
