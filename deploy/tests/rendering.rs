//! `deploy render`: the same bytes each time, whole or not at all, without root and without a network.

use std::{
    fs,
    path::{Path, PathBuf},
};

use deploy::node::shipped;
use fixtures::{
    command::{Run, odbox, program},
    machine::{self, Need},
    stop::{At, stops},
    tree,
};
use tempfile::TempDir;

/// The user and group without any rights.
const NOBODY: u32 = 65534;
/// A node that needs no vault.
const NODE: &str = "architecture = \"x86_64\"\nplatform = \"devm\"\n[swap-file]\n";
/// The same with another size, and so another tree.
const OTHER: &str = "architecture = \"x86_64\"\nplatform = \"devm\"\n[swap-file]\nsize = 512\n";

/// A disk of its own for backups, whose place has a hyphen.
const BACKUP: &str = "\
[backup]
basedir = \"/srv/back-up\"
device = \"/dev/disk/by-partlabel/backup\"
[service-stack]
[vault]
snakeoil = true
machine = \"devm-x86_64\"
[login]
mode = \"standard\"
admin-email = \"admin@example.org\"
";

fn render(node: impl AsRef<std::ffi::OsStr>, out: &Path) -> Run {
    deploy().arg("render").arg(node).arg("--out").arg(out)
}

fn deploy() -> Run {
    program(odbox("deploy").to_str().expect("a path that is text"))
}

/// A folder with a node's file in it.
fn node(text: &str) -> (TempDir, PathBuf) {
    let folder = tree::folder();
    let file = folder.path().join("box.toml");
    fs::write(&file, text).expect("a node file");
    (folder, file)
}

/// The names in a folder, sorted.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<String> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_same_node_gives_the_same_bytes_wherever_and_whenever() {
    let folder = tree::folder();
    for (name, _) in shipped() {
        for variant in ["run", "bootstrap"] {
            let outs = ["one", "other"].map(|out| folder.path().join(format!("{name}-{variant}-{out}")));
            render(name, &outs[0]).args(["--variant", variant]).succeeds();
            let elsewhere = render(name, &outs[1]).args(["--variant", variant]).in_folder("/");
            elsewhere
                .under(["env", "TZ=Asia/Tokyo", "LANG=tr_TR.UTF-8", "HOME=/nowhere", "SOURCE_DATE_EPOCH=1"])
                .succeeds();
            assert_eq!(tree::contents(&outs[0]), tree::contents(&outs[1]), "{name}, {variant}");
            fs::remove_dir_all(&outs[0]).and_then(|()| fs::remove_dir_all(&outs[1])).expect("removed");
        }
    }
}

#[test]
fn what_was_rendered_before_is_replaced() {
    let (folder, file) = node(NODE);
    let out = folder.path().join("tree");
    render(&file, &out).succeeds();
    fs::write(out.join("root/etc/stale"), "of another time").expect("a file");
    fs::write(&file, OTHER).expect("a node file");
    render(&file, &out).succeeds();
    let fresh = folder.path().join("fresh");
    render(&file, &fresh).succeeds();
    assert_eq!(tree::contents(&out), tree::contents(&fresh), "nothing of the tree before is left");
    assert_eq!(names(folder.path()), ["box.toml", "fresh", "tree"], "and nothing beside it");
}

#[test]
fn an_empty_folder_is_taken_and_anything_else_refused_as_it_was() {
    let (folder, file) = node(NODE);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).expect("a folder");
    render(&file, &empty).succeeds();
    assert!(empty.join("manifest.json").exists(), "it is rendered into an empty folder");

    let foreign = folder.path().join("foreign");
    fs::create_dir_all(foreign.join("root")).expect("a folder");
    fs::write(foreign.join("root/thesis.tex"), "years of work").expect("a file");
    fs::write(foreign.join("manifest.json"), "{}").expect("a file");
    let file_in_the_way = folder.path().join("file");
    fs::write(&file_in_the_way, "a file").expect("a file");
    let before = tree::snapshot(folder.path());
    render(&file, &foreign).exits(1).explains("no tree that `deploy render` wrote");
    render(&file, &file_in_the_way).exits(1).says("error: ");
    render(&file, Path::new("/")).exits(1).says("error: ");
    assert_eq!(tree::snapshot(folder.path()), before, "not a byte, a mode or a time has changed");
}

/// A unit of a mount has a backslash in its name where its place has a hyphen.
#[test]
fn whatever_is_rendered_is_read_back() {
    let (folder, file) = node(&format!("{NODE}{BACKUP}"));
    let out = folder.path().join("tree");
    render(&file, &out).succeeds();
    assert!(out.join("root/etc/systemd/system/srv-back\\x2dup.mount").exists());
    deploy().arg("diff").arg(&file).arg(&out).succeeds();
}

#[test]
fn a_node_that_is_wrong_writes_nothing() {
    let (folder, file) = node("architecture = \"x86_64\"\n");
    let before = tree::snapshot(folder.path());
    render(&file, &folder.path().join("tree")).exits(1);
    assert_eq!(tree::snapshot(folder.path()), before, "not even a folder");
}

#[test]
fn a_kill_at_any_change_leaves_the_whole_tree_of_before_or_of_after() {
    if !machine::has(&[Need::Program("strace")]) {
        return;
    }
    let (folder, file) = node(NODE);
    let out = folder.path().join("tree");
    let trace = tree::folder();
    render(&file, &out).succeeds();
    let before = tree::contents(&out);
    fs::write(&file, OTHER).expect("a node file");
    let (_, stops) = stops(render(&file, &out), At::Changes, &trace.path().join("trace"));
    let after = tree::contents(&out);
    assert!(before != after && stops.len() > 20, "there is something to stop: {}", stops.len());
    for stop in stops {
        fs::write(&file, NODE).expect("a node file");
        render(&file, &out).succeeds();
        fs::write(&file, OTHER).expect("a node file");
        let _ = stop.signals(render(&file, &out), "KILL").run();
        assert!(out.exists(), "no tree after a kill at {}", stop.call);
        let found = tree::contents(&out);
        assert!(found == before || found == after, "half a tree after a kill at {}", stop.call);
        render(&file, &out).succeeds();
        assert_eq!(names(folder.path()), ["box.toml", "tree"], "left of a kill at {}", stop.call);
        assert_eq!(
            tree::contents(&out),
            after,
            "the next render completes it, after a kill at {}",
            stop.call
        );
    }
}

/// strace(1) plays the file system.
#[test]
fn a_file_system_that_cannot_exchange_folders_gets_the_tree_too() {
    if !machine::has(&[Need::Program("strace")]) {
        return;
    }
    let (folder, file) = node(NODE);
    let (out, fresh) = (folder.path().join("tree"), folder.path().join("fresh"));
    let without = |calls: &[&str]| {
        let injected = calls.iter().flat_map(|call| ["-e".to_owned(), format!("inject={call}")]);
        let words = ["strace", "-f", "-o", "/dev/null"].map(str::to_owned).into_iter().chain(injected);
        render(&file, &out).under(words)
    };
    render(&file, &out).succeeds();
    let before = tree::contents(&out);
    fs::write(&file, OTHER).expect("a node file");
    // The first finds the place taken, the second frees it, the third fails, the fourth puts back what was there.
    let no_exchange = "renameat2:error=EINVAL";
    without(&[no_exchange, "rename:error=EIO:when=3"]).exits(1).says("error: ");
    assert!(tree::contents(&out) == before, "what was there is put back");
    without(&[no_exchange]).succeeds();
    render(&file, &fresh).succeeds();
    assert!(tree::contents(&out) == tree::contents(&fresh), "it is replaced");
    assert_eq!(names(folder.path()), ["box.toml", "fresh", "tree"], "and nothing is beside it");
}

/// What is removed is what a killed run left, and nothing of anybody else.
#[test]
fn a_draft_that_somebody_writes_and_a_folder_of_that_name_stay() {
    let (folder, file) = node(NODE);
    let beside = |name: &str| folder.path().join(format!(".deploy-render-{name}"));
    for name in ["left/new/root", "foreign/thesis", "writing/new"] {
        fs::create_dir_all(beside(name)).expect("a folder");
    }
    std::os::unix::fs::symlink(beside("foreign"), beside("link")).expect("a link");
    let lock = fs::File::open(beside("writing")).expect("a folder");
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).expect("a lock");
    render(&file, &folder.path().join("tree")).succeeds();
    let stay =
        [".deploy-render-foreign", ".deploy-render-link", ".deploy-render-writing", "box.toml", "tree"];
    assert_eq!(names(folder.path()), stay);
    drop(lock);
    render(&file, &folder.path().join("tree")).succeeds();
    assert_eq!(names(folder.path()), [stay[0], stay[1], stay[3], stay[4]], "whoever wrote it is gone");
}

/// Each is removed by who is done, and by nobody else.
#[test]
fn many_at_the_same_place_do_not_disturb_each_other() {
    let (folder, file) = node(NODE);
    let out = folder.path().join("tree");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| drop(render(&file, &out).succeeds())));
        }
    });
    assert_eq!(names(folder.path()), ["box.toml", "tree"]);
}

#[test]
fn it_needs_no_root_and_no_network() {
    if !machine::has(&[Need::Root, Need::Program("setpriv"), Need::Program("unshare")]) {
        return;
    }
    let folder = tree::folder();
    std::os::unix::fs::chown(folder.path(), Some(NOBODY), Some(NOBODY)).expect("chown");
    let copy = fixtures::command::public_copy("deploy", folder.path());
    for (name, _) in shipped() {
        let out = folder.path().join(name);
        let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"];
        let render = copy.clone().args(["render", name, "--out"]).arg(&out);
        render.under(nobody).under(["unshare", "--net", "--"]).succeeds();
        let check = copy.clone().args(["check", name]).under(nobody).under(["unshare", "--net", "--"]).run();
        assert!(!check.errors.contains("panicked") && !check.text().contains("cannot be run"), "{check}");
        let ours = folder.path().join(format!("{name}-as-root"));
        copy.clone().args(["render", name, "--out"]).arg(&ours).succeeds();
        assert_eq!(tree::contents(&out), tree::contents(&ours), "{name}: whoever renders it");
    }
}
