use std::{fs, os::unix::fs::PermissionsExt};

use deploy::formats::{
    Unwritable,
    unit::{Section, UnitFile, Word},
};
use fixtures::{command::program, machine, tree};

use crate::{
    machine::{Machine, NEEDS},
    value,
};

/// A service that does one thing.
fn service(write: impl Fn(&mut Section<'_>) -> Result<(), Unwritable>) -> Result<UnitFile, Unwritable> {
    let mut unit = UnitFile::new();
    write(&mut unit.section("Service"))?;
    Ok(unit)
}

/// Those of the values that a service can have.
fn writable(
    values: &[String],
    write: impl Fn(&mut Section<'_>, &str) -> Result<(), Unwritable>,
) -> Vec<String> {
    let written = value::written(values, 6, |value| service(|section| write(section, value)));
    written.into_iter().map(|(value, _)| value.to_owned()).collect()
}

/// The command line of a script with arguments.
fn script(text: &'static str, arguments: &[String]) -> Vec<Word> {
    let words = ["/usr/bin/sh", "-c", text, "sh"].map(Word::from);
    words.into_iter().chain(arguments.iter().map(Word::from)).collect()
}

/// Names of folders, each with a file that holds the number of the value.
fn folders(machine: &Machine, parent: &str, values: &[String]) -> Vec<String> {
    let name = |value: &String| format!("{parent}/p{}", value.replace('/', ""));
    let mut folders: Vec<String> = values.iter().map(name).collect();
    folders.sort();
    folders.dedup();
    for (number, folder) in folders.iter().enumerate() {
        fs::create_dir_all(machine.path(folder)).expect("a folder");
        fs::write(machine.path(folder).join("number"), format!("{number}\0")).expect("a file");
    }
    folders
}

/// What is in the file of each of these folders.
fn numbers(folders: &[String]) -> Vec<String> {
    (0..folders.len()).map(|number| number.to_string()).collect()
}

#[test]
fn a_program_gets_the_words_and_the_environment_that_were_written() {
    if !machine::has(&NEEDS) {
        return;
    }
    value::each(100, |values| {
        let mut machine = Machine::new();
        let print = script("printf '%s\\0' \"$@\" >/out/words", &values);
        let words = service(|section| section.command("ExecStart", &print).map(drop));
        machine.service("words.service", &words.expect("every value is an argument"));
        let environment = service(|section| {
            for (number, value) in values.iter().enumerate() {
                section.environment(format!("V{number}").leak(), value)?;
            }
            section.set("StandardOutput", "file:/out/environment");
            section.command("ExecStart", ["/usr/bin/env", "-0"]).map(drop)
        });
        machine.service("environment.service", &environment.expect("every value is one of a variable"));
        let (machine, _) = machine.boot();
        assert_eq!(value::split(&fs::read(machine.path("/out/words")).expect("the words")), values);
        let environment = value::split(&fs::read(machine.path("/out/environment")).expect("the environment"));
        for (number, value) in values.iter().enumerate() {
            assert!(environment.contains(&format!("V{number}={value}")), "{value:?} in {environment:?}");
        }
    });
}

#[test]
fn a_program_is_run_by_the_path_that_was_written() {
    if !machine::has(&NEEDS) {
        return;
    }
    value::each(60, |values| {
        let mut machine = Machine::new();
        let path = |value: &str| format!("/out/p{}", value.replace('/', ""));
        let written =
            writable(&values, |section, value| section.command("ExecStart", [path(value)]).map(drop));
        for value in &written {
            let program = machine.path(&path(value));
            fs::write(&program, "#!/bin/sh\nprintf '%s\\0' \"$0\" >>/out/ran\n").expect("a program");
            fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("a program");
        }
        let all = service(|section| {
            written.iter().try_for_each(|value| section.command("ExecStart", [path(value)]).map(drop))
        });
        machine.service("programs.service", &all.expect("written before"));
        let (machine, _) = machine.boot();
        let ran = value::split(&fs::read(machine.path("/out/ran")).unwrap_or_default());
        assert_eq!(ran, written.iter().map(|value| path(value)).collect::<Vec<String>>(), "{}", machine.said);
    });
}

#[test]
fn folders_are_mounted_made_and_opened_as_written() {
    if !machine::has(&NEEDS) {
        return;
    }
    value::each(60, |values| {
        let mut machine = Machine::new();
        let values = writable(&values, |section, value| {
            let path = format!("/p{}", value.replace('/', ""));
            section.words("ReadWritePaths", [&path])?.words("BindReadOnlyPaths", [&path]).map(drop)
        });
        let folders = folders(&machine, "/out/paths", &values);
        let open = service(|section| {
            section.set("ProtectSystem", "strict").words("ReadWritePaths", &folders)?;
            section.command("ExecStart", script("for f; do echo >\"$f/open\"; done", &folders)).map(drop)
        });
        machine.service("open.service", &open.expect("written before"));
        let closed = service(|section| {
            section.words("BindReadOnlyPaths", &folders)?;
            section
                .command(
                    "ExecStart",
                    script("for f; do echo >\"$f/closed\"; done; echo >/out/tried", &folders),
                )
                .map(drop)
        });
        machine.service("closed.service", &closed.expect("written before"));
        let (machine, _) = machine.boot();
        assert!(machine.path("/out/tried").exists(), "closed.service did not run");
        for folder in &folders {
            assert!(machine.path(folder).join("open").exists(), "{folder:?} is not open");
            assert!(!machine.path(folder).join("closed").exists(), "{folder:?} is not closed");
        }
    });
}

#[test]
fn binds_credentials_and_state_go_where_it_was_written() {
    if !machine::has(&NEEDS) {
        return;
    }
    value::each(60, |values| {
        let mut machine = Machine::new();
        let values = writable(&values, |section, value| {
            let path = format!("/p{}", value.replace('/', ""));
            section
                .bind("BindPaths", path.as_str(), path.as_str())?
                .credential("LoadCredential", "c", &path)
                .map(drop)
        });
        let folders = folders(&machine, "/out/paths", &values);
        let target = |folder: &String| folder.replacen("/out/paths", "/mnt", 1);
        let targets: Vec<String> = folders.iter().map(target).collect();
        let bound = service(|section| {
            for folder in &folders {
                section.bind("BindReadOnlyPaths", folder, target(folder))?;
            }
            let print = script("for f; do cat \"$f/number\"; done >/out/bound", &targets);
            section.command("ExecStart", print).map(drop)
        });
        machine.service("bound.service", &bound.expect("written before"));
        let credentials = service(|section| {
            for (number, folder) in folders.iter().enumerate() {
                section.credential("LoadCredential", &format!("c{number}"), &format!("{folder}/number"))?;
            }
            let print = "cd \"$CREDENTIALS_DIRECTORY\"; for n; do cat \"c$n\"; done >/out/credentials";
            section.command("ExecStart", script(print, &numbers(&folders))).map(drop)
        });
        machine.service("credentials.service", &credentials.expect("written before"));
        let names = writable(&values, |section, value| {
            section.words("StateDirectory", [format!("p{}", value.replace('/', ""))]).map(drop)
        });
        let names: Vec<String> = names.iter().map(|value| format!("p{}", value.replace('/', ""))).collect();
        let state = service(|section| {
            section.words("StateDirectory", &names)?.command("ExecStart", ["/usr/bin/true"]).map(drop)
        });
        machine.service("state.service", &state.expect("written before"));
        let (machine, _) = machine.boot();
        for file in ["/out/bound", "/out/credentials"] {
            let read = value::split(&fs::read(machine.path(file)).expect("what was read"));
            assert_eq!(read, numbers(&folders), "{file}");
        }
        for name in names {
            assert!(machine.path("/var/lib").join(&name).is_dir(), "{name:?}");
        }
    });
}

#[test]
fn free_text_and_single_paths_are_what_systemd_has() {
    if !machine::has(&NEEDS) {
        return;
    }
    value::each(60, |values| {
        let mut machine = Machine::new();
        let path = |value: &str| format!("/p{}", value.replace('/', ""));
        let values = writable(&values, |section, value| {
            section.text("Description", value)?.path("WorkingDirectory", &path(value)).map(drop)
        });
        for (number, value) in values.iter().enumerate() {
            fs::create_dir_all(machine.path(&path(value))).expect("a folder");
            let mut unit = service(|section| {
                // What is over and done, systemd may forget.
                section.set("RemainAfterExit", "yes").path("WorkingDirectory", &path(value))?;
                section.command("ExecStart", ["/usr/bin/true"]).map(drop)
            })
            .expect("written before");
            let mut section = unit.section("Unit");
            let section = section.text("Description", value).expect("written before");
            let section = section.words("RequiresMountsFor", [path(value)]).expect("written before");
            section.words("After", [r"a\x2db.mount"]).expect("written before");
            machine.service(&format!("t{number}.service"), &unit);
        }
        let (_machine, account) = machine.boot();
        for (number, value) in values.iter().enumerate() {
            let unit = account.split(" Unit ").find(|unit| unit.starts_with(&format!("t{number}.service:")));
            let lines: Vec<&str> = unit
                .unwrap_or_else(|| {
                    panic!(
                        "no unit in {} {:?} {:?}",
                        {
                            std::process::Command::new("cp")
                                .arg("-a")
                                .arg(_machine.path("/"))
                                .arg("/tmp/kept")
                                .status()
                                .unwrap()
                        },
                        account.len(),
                        account.matches(".service:").count()
                    )
                })
                .split('\n')
                .map(|line| line.trim_matches('\t'))
                .collect();
            for line in [
                format!("Description: {value}"),
                format!("WorkingDirectory: {}", path(value)),
                format!("RequiresMountsFor: {} (origin-file)", path(value)),
                r"After: a\x2db.mount (origin-file)".to_owned(),
            ] {
                assert!(lines.contains(&line.as_str()), "{line:?} in {lines:#?}");
            }
        }
    });
}

#[test]
fn systemd_analyze_has_nothing_to_say() {
    if !machine::has(&[machine::Need::Program("systemd-analyze")]) {
        return;
    }
    value::each(60, |values| {
        let values = writable(&values, |section, value| section.text("Description", value).map(drop));
        let mut unit = service(|section| {
            values.iter().try_for_each(|value| section.environment("V", value).map(drop))?;
            section.command("ExecStart", ["/usr/bin/true".to_owned()].iter().chain(&values)).map(drop)
        })
        .expect("written before");
        values.iter().for_each(|value| {
            unit.section("Unit").text("Description", value).expect("written before");
        });
        let folder = tree::folder();
        let file = folder.path().join("verified.service");
        fs::write(&file, unit.render()).expect("a unit");
        let ended = program("systemd-analyze").args(["verify", "--man=no"]).arg(file).succeeds();
        assert!(!ended.errors.contains("verified.service"), "{ended}");
    });
}
