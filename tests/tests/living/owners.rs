//! Owners who appear, change or go while their files are served: nobody reloads, and nothing is ever wider than a
//! reload would make it.

mod town;

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::FileExt,
    sync::atomic::{AtomicBool, Ordering::Relaxed},
    thread,
};

use fixtures::{
    caller::Caller,
    machine::{self, Need::Program},
    mount::{wait_for, whole},
    vault::{Vault, VaultBuilder},
};
use rustix::process::Signal;
use serde_json::json;

use self::town::{Facts, Town};
use crate::stand::{LARGE, NEEDS, child_of, in_time, pattern};

/// Users and groups that come and go.
const USER: u32 = 50_031;
const SUCCESSOR: u32 = 50_032;
const GROUP: u32 = 50_033;

/// What is to belong to a user and a group of these names, and what is root's.
fn files() -> VaultBuilder {
    let small = Vault::with("small", "s").readable("odoo", "web", "0440");
    small.and("large", pattern(1, LARGE)).readable("odoo", "web", "0440").and("roots", "r")
}

fn can_test() -> bool {
    machine::has(&NEEDS) && machine::has(&[Program("unshare"), Program("nsenter"), Program("mount")])
}

fn facts(owner: u32, group: u32, mode: u32) -> Facts {
    Facts { owner, group, mode }
}

#[test]
fn files_follow_their_names() {
    if !can_test() {
        return;
    }
    let mut town = Town::serving(files());
    let [nobodys, users, both, successors, groups] = [
        facts(0, 0, 0o400),
        facts(USER, 0, 0o400),
        facts(USER, GROUP, 0o440),
        facts(SUCCESSOR, GROUP, 0o440),
        // Who had it is judged as one of the others, who may not.
        facts(0, GROUP, 0o440),
    ];
    assert_eq!(town.facts("small"), nobodys);
    assert_eq!(town.status()["unresolved"], json!({ "users": ["odoo"], "groups": ["web"] }));

    let (root, mut numbers, mut held) = (town.number("roots"), vec![town.number("small")], Vec::new());
    type Change = fn(&mut Town);
    let changes: [(Change, Facts, &str); 5] = [
        (|town| town.add_user("odoo", USER), users, "user odoo is there now, as 50031"),
        (|town| town.add_group("web", GROUP), both, "group web is there now, as 50033"),
        (|town| town.add_user("odoo", SUCCESSOR), successors, "user odoo is 50032 now, and was 50031"),
        (
            |town| town.remove_user("odoo"),
            groups,
            "there is no user odoo any more, whose files are left to root",
        ),
        (|town| town.remove_group("web"), nobodys, "there is no group web any more"),
    ];
    for (round, (change, expected, said)) in changes.into_iter().enumerate() {
        held.extend(["small", "large"].map(|name| (name, town.open(name).expect(name))));
        change(&mut town);
        wait_for("other owners", || town.facts("small") == expected && town.facts("large") == expected);
        for user in [USER, SUCCESSOR] {
            let caller = Caller::user(user);
            let read = caller.run(|| town.open("small").and_then(|file| whole(&file)));
            match user == expected.owner {
                true => assert_eq!(read.expect("his own"), b"s", "round {round}"),
                false => assert_eq!(read.expect_err("not his").kind(), io::ErrorKind::PermissionDenied),
            }
        }
        let member = Caller::user(50_039).member_of(GROUP).run(|| town.open("small").is_ok());
        assert_eq!(member, expected.group == GROUP, "round {round}");
        // It is what a load of the same state makes of it.
        assert_eq!(town.reload().succeeds().text(), "nothing changed\n", "round {round}");
        numbers.push(town.number("small"));
        wait_for("a line", || town.log().contains(said));
        if round == 1 {
            assert_eq!(town.status()["unresolved"], json!({ "users": [], "groups": [] }));
            town.kill_server();
        }
    }
    for (name, file) in &held {
        let bytes = if *name == "small" { b"s".to_vec() } else { pattern(1, LARGE) };
        assert!(whole(file).expect("a read") == bytes, "who had {name} open keeps it");
    }
    numbers.sort_unstable();
    numbers.dedup();
    assert_eq!(numbers.len(), 6, "each state has a number of its own");
    assert_eq!(town.number("roots"), root, "what did not change stays what it was");
    drop(held);
    wait_for("the end of what is open to nobody", || town.generations() == 1);
}

/// What no file of the machine tells: the name service may have its users from anywhere.
#[test]
fn a_user_is_found_that_nobody_tells_of() {
    if !can_test() {
        return;
    }
    let town = Town::serving(files());
    let elsewhere = town.etc().join("passwd.elsewhere");
    fs::write(&elsewhere, format!("odoo:x:{USER}:{USER}::/:/bin/false\n")).expect("users");
    let enter = |command: &[&str]| town.inside(fixtures::command::program("mount").args(command)).succeeds();
    enter(&["--bind", "/etc/passwd.elsewhere", "/etc/passwd"]);
    wait_for("an owner", || town.facts("small") == facts(USER, 0, 0o400));
}

#[test]
fn what_was_refused_stays_refused() {
    if !can_test() {
        return;
    }
    let mut town = Town::serving(files());
    town.damage(files().and("new", "n"), "small");
    town.reload().exits(1);
    town.add_user("odoo", USER);
    wait_for("an owner", || town.facts("small") == facts(USER, 0, 0o400));
    let status = town.status();
    assert_eq!((&status["serial"], &status["generation"]), (&1.into(), &2.into()));
    assert!(status["problem"].as_str().is_some_and(|problem| problem.contains("small.age")), "{status}");
    assert!(town.open("new").is_err());
}

#[test]
fn nothing_flaps_while_users_are_written_down() {
    if !can_test() {
        return;
    }
    let mut town = Town::serving(files());
    town.add_user("odoo", USER);
    town.add_group("web", GROUP);
    let both = facts(USER, GROUP, 0o440);
    wait_for("owners", || town.facts("small") == both);
    let generation = town.status()["generation"].clone();
    // Somebody looks while nobody is written down, and looks twice.
    town.tells_once_of_no_group();
    town.add_user("odoo", SUCCESSOR);
    wait_for("an owner", || town.facts("small").owner == SUCCESSOR);
    assert_eq!(town.facts("small"), facts(SUCCESSOR, GROUP, 0o440));
    let next = generation.as_u64().expect("a number") + 1;
    assert_eq!(town.status()["generation"], next, "one change, one generation");
    let number = town.number("small");
    let now = town.facts("small");
    let users = fs::read(town.etc().join("passwd")).expect("users");
    for round in 0..10 {
        // In place, as an editor may.
        fs::write(town.etc().join("passwd"), "").expect("no users");
        assert_eq!(town.facts("small"), now, "round {round}");
        fs::write(town.etc().join("passwd"), &users).expect("users");
        town.add_user(&format!("other-{round}"), 50_100 + round);
    }
    // A name service that fails knows of nobody that they are gone.
    fs::rename(town.etc().join("group"), town.etc().join("group.hidden")).expect("a rename");
    wait_for("a line", || town.log().contains("cannot look again who owns files"));
    assert_eq!((town.facts("small").group, town.number("small")), (GROUP, number));
    fs::rename(town.etc().join("group.hidden"), town.etc().join("group")).expect("a rename");
    wait_for("a line", || town.log().contains("the name service tells again who owns files"));
    assert_eq!((town.number("small"), &town.status()["generation"]), (number, &next.into()));
}

#[test]
fn a_name_service_that_hangs_keeps_nobody_waiting() {
    if !can_test() {
        return;
    }
    let mut town = Town::serving(files().and("late", "l").readable("late", "0", "0400"));
    town.add_user("odoo", USER);
    town.add_group("web", GROUP);
    let both = facts(USER, GROUP, 0o440);
    wait_for("owners", || town.facts("small") == both);

    let hanging = town.groups_hang();
    town.add_user("late", SUCCESSOR);
    wait_for("the resolver", || child_of(town.monitor(), "resolver").is_some());
    // Before the look is over, and after it.
    assert_eq!(town.facts("small"), both);
    let status = town.ask("status");
    in_time("status", move || status.succeeds());
    wait_for("an owner", || town.facts("late") == facts(SUCCESSOR, 0, 0o400));
    wait_for("a line", || town.log().contains("the name service does not answer"));
    assert_eq!(town.facts("small"), both);

    // A reload says that it cannot know, as ever, and waits for nothing but its own look.
    let reload = town.reload();
    let refused = in_time("a reload", move || reload.exits(1));
    refused.explains_once("the name service does not answer");
    assert_eq!(town.facts("small"), both);

    drop(hanging);
    town.add_group("web", GROUP + 1);
    wait_for("another group", || town.facts("small") == facts(USER, GROUP + 1, 0o440));

    let hanging = town.groups_hang();
    town.add_user("late", USER);
    wait_for("the resolver", || child_of(town.monitor(), "resolver").is_some());
    town.signal(Signal::TERM);
    wait_for("the end", || town.has_ended());
    drop(hanging);
}

/// Tells readers that it is over, also where something is wrong.
struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

#[test]
fn readers_notice_nothing_of_names_reloads_and_deaths() {
    if !can_test() {
        return;
    }
    let mut town = Town::serving(files());
    let (done, reader) = (&AtomicBool::new(false), &town.reader());
    thread::scope(|scope| {
        let end = Ends(done);
        let readers = ["small", "large", "roots"].map(|name| {
            scope.spawn(move || {
                let mut reads = 0_u64;
                while !done.load(Relaxed) {
                    let mut file: File = reader.open(name).unwrap_or_else(|error| panic!("{name}: {error}"));
                    let size = file.metadata().expect("stat").len();
                    let mut bytes = Vec::new();
                    file.read_to_end(&mut bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
                    assert_eq!(bytes.len() as u64, size, "{name}");
                    assert!(file.read_at(&mut [0], size).expect("a read") == 0);
                    reads += 1;
                }
                reads
            })
        });
        for round in 0..8 {
            town.add_user("odoo", USER + round % 2);
            if round % 2 == 0 {
                town.change(files().and("round", format!("{round}")));
            } else {
                town.kill_server();
            }
            wait_for("an owner", || town.facts("small").owner == USER + round % 2);
            if round % 4 == 3 {
                town.remove_user("odoo");
                town.reload().succeeds();
                assert_eq!(town.facts("small"), facts(0, 0, 0o400), "a reload looks too");
            }
        }
        drop(end);
        for reads in readers {
            assert!(reads.join().expect("a reader without an error") > 10);
        }
    });
    wait_for("the end of what is open to nobody", || town.generations() == 1);
}
