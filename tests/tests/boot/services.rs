//! What is only for some services, opened by all sorts of processes, and what the journal has of it.

use std::fs;

use fixtures::command::odbox;
use serde_json::Value;

use crate::machine::{Machine, can_boot};
use crate::operator::TOKEN;

/// Opens in a service that is gone when this returns; a sentence of systemd-run(1).
fn in_service(name: &str, more: &str) -> String {
    format!("systemd-run --quiet --wait --pipe --collect --unit={name} {more}")
}

/// A machine that serves [`TOKEN`], which everybody could read if it were not only for two services.
fn serving() -> Machine {
    let machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run(
        "sed -i '/^\\[secret.\"api\\/token\"\\]/a mode = \"0444\"\\nworld-readable = true\\n\
             services = [\"right.service\", \"also.service\"]' /root/vault/vault.toml
         vaultgen sign --yes --quiet --vault /root/vault",
    );
    machine.bring_vault();
    machine.run("systemctl enable --quiet --now vaultd.service");
    machine
}

/// Expects a command to get the secret, or to be denied it.
fn gets(machine: &Machine, gets: bool, command: &str) {
    let ended = machine.try_run(command);
    match gets {
        true => assert_eq!((ended.status, ended.text().trim()), (Some(0), "first"), "{command}: {ended}"),
        false => {
            assert_ne!(ended.status, Some(0), "{command}: {ended}");
            assert!(!ended.text().contains("first"), "{command}: {ended}");
        }
    }
}

/// The records that match, as `journalctl` has them, once there are `count`.
fn records(machine: &Machine, matches: &str, count: usize) -> Vec<Value> {
    let text = machine.run(&format!(
        "for try in $(seq 200); do
             journalctl --boot --output=json --no-pager {matches} >/tmp/records
             [ $(wc -l </tmp/records) -lt {count} ] || break
             sleep 0.05
         done
         cat /tmp/records"
    ));
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(records.len(), count, "{matches}: {text}");
    records
}

#[test]
fn only_processes_of_the_services_open_it() {
    if !can_boot() {
        return;
    }
    let machine = serving();
    let cat = format!("cat /run/vault/{TOKEN}");
    let right = |command: &str| in_service("right.service", command);
    let wrong = |command: &str| in_service("wrong.service", command);

    // Right after somebody was told that the service does not run, it does.
    gets(&machine, false, &cat);
    gets(&machine, true, &right(&cat));
    gets(&machine, false, &wrong(&cat));
    gets(&machine, true, &in_service("also.service", &cat));
    gets(&machine, false, &in_service("right.service.service", &cat));
    gets(&machine, true, &right(&format!("-p DynamicUser=yes {cat}")));
    gets(
        &machine,
        true,
        &right(&format!("-p PrivateUsers=yes -p ProtectSystem=strict -p PrivateTmp=yes {cat}")),
    );

    // A credential is opened by the system manager's helper, within the unit.
    let credential = format!(
        "-p DynamicUser=yes -p LoadCredential=x:/run/vault/{TOKEN} sh -c 'cat $CREDENTIALS_DIRECTORY/x'"
    );
    gets(&machine, true, &right(&credential));
    gets(&machine, false, &wrong(&credential));

    // Where a process thinks that it is, is of no interest.
    gets(&machine, true, &right(&format!("-p Delegate=yes unshare --cgroup --mount --pid --fork {cat}")));
    gets(&machine, false, &wrong(&format!("-p Delegate=yes unshare --cgroup --mount --pid --fork {cat}")));
    let inner = format!(
        "-p Delegate=yes sh -c 'g=/sys/fs/cgroup$(sed -n s/^0:://p /proc/self/cgroup); mkdir -p $g/system.slice/right.service
         echo $$ >$g/system.slice/right.service/cgroup.procs; {cat}'"
    );
    gets(&machine, true, &right(&inner));
    gets(&machine, false, &wrong(&inner));

    // A thread has a number of its own.
    let program = odbox("open-in-thread");
    machine.install("/usr/local/bin/open-in-thread", &fs::read(program).expect("a program"));
    let open = format!("open-in-thread /run/vault/{TOKEN}");
    gets(&machine, true, &right(&open));
    gets(&machine, false, &wrong(&open));
    let record = &records(&machine, "ODBOX_EXE=/usr/local/bin/open-in-thread ODBOX_DECISION=allowed", 1)[0];
    assert_eq!(record["ODBOX_UNIT"], "right.service");

    // The system manager itself, which nobody can ask while it waits.
    let environment = format!("-p EnvironmentFile=/run/vault/{TOKEN} true");
    gets(&machine, false, &format!("timeout 4 {}", right(&environment)));
    machine.run("systemctl is-active --quiet vaultd.service");
}

#[test]
fn a_user_with_a_service_of_that_name_does_not() {
    if !can_boot() {
        return;
    }
    let machine = serving();
    machine.write(
        "/etc/systemd/user/right.service",
        &format!(
            "[Service]\nType=oneshot\nExecStart=-/bin/sh -c 'cat /proc/self/cgroup; cat /run/vault/{TOKEN}; echo \"mallory: $?\"'\n"
        ),
    );
    machine.run(
        "useradd --create-home mallory
         mkdir -p /etc/systemd/user/default.target.wants
         ln -s ../right.service /etc/systemd/user/default.target.wants/
         systemctl start user@$(id -u mallory).service",
    );
    machine.wait_for_lines("mallory: 1", 1);
    let journal = machine.journal();
    assert!(journal.contains("/user@1000.service/app.slice/right.service"), "{journal}");
    assert!(!journal.lines().any(|line| line.ends_with(": first")), "{journal}");
    let record = &records(&machine, "ODBOX_UID=1000", 1)[0];
    assert_eq!(
        (&record["ODBOX_DECISION"], &record["ODBOX_REASON"]),
        (&"denied".into(), &"other-unit".into())
    );
    assert_eq!((&record["ODBOX_UNIT"], &record["PRIORITY"]), (&"user@1000.service".into(), &"4".into()));
}

#[test]
fn each_open_is_in_the_journal() {
    if !can_boot() {
        return;
    }
    let machine = serving();
    let right = |command: &str| in_service("right.service", command);
    // It is gone before anybody could look.
    let cat = format!("cat /run/vault/{TOKEN}");
    gets(&machine, true, &right(&cat));
    gets(&machine, false, &in_service("wrong.service", &cat));
    let by_secret = records(&machine, &format!("ODBOX_SECRET={TOKEN}"), 2);
    let (allowed, denied) = (&by_secret[0], &by_secret[1]);
    for (field, value) in [
        ("ODBOX_DECISION", "allowed"),
        ("ODBOX_REASON", "service"),
        ("ODBOX_UNIT", "right.service"),
        ("ODBOX_EXE", "/usr/bin/cat"),
        ("ODBOX_UID", "0"),
        ("ODBOX_GID", "0"),
        ("ODBOX_GENERATION", "1"),
        ("ODBOX_COUNT", "1"),
        ("PRIORITY", "6"),
        ("SYSLOG_IDENTIFIER", "vaultd"),
    ] {
        assert_eq!(allowed[field], value, "{field}: {allowed}");
    }
    assert_eq!((&denied["ODBOX_UNIT"], &denied["PRIORITY"]), (&"wrong.service".into(), &"4".into()));
    assert_eq!(allowed["MESSAGE_ID"], vaultd_message_id());
    records(&machine, "--identifier=vaultd ODBOX_DECISION=denied", 1);
    // Who tells the program may die. Nobody waits for long until the next one does, so on a busy machine an open or
    // two are told without it.
    machine.run("systemctl kill --signal=KILL 'vaultd-programs@*.service'");
    let told = "journalctl --boot --output=json --no-pager ODBOX_EXE=/usr/bin/cat ODBOX_DECISION=allowed";
    let mut opens = 1;
    while opens == 1 || machine.run(told).lines().count() < 2 {
        assert!(opens < 10, "the program of nobody who opened it was told");
        gets(&machine, true, &right(&cat));
        opens += 1;
    }
    let again: Value =
        machine.run(told).lines().last().map(serde_json::from_str).expect("a record").expect("JSON");
    assert_eq!(again["ODBOX_UNIT"], "right.service", "{again}");
    let of_unit = machine.run("journalctl --boot --unit=right.service --output=cat --no-pager");
    assert!(of_unit.contains(&format!("{TOKEN} opened by /usr/bin/cat of right.service")), "{of_unit}");

    // Under load, and while servers die, each is counted and none is denied.
    let read = format!("sh -c 'for i in $(seq 500); do : </run/vault/{TOKEN} || exit 1; done'");
    machine.run(&format!(
        "{} &
         reader=$!
         for i in 1 2 3 4 5; do
             pkill -KILL -f '^vaultd server' || true
             sleep 0.05
         done
         wait $reader",
        right(&read)
    ));
    machine.run("systemctl stop vaultd.service");
    let all = machine.run("journalctl --boot --output=json --no-pager ODBOX_DECISION=allowed");
    let all: Vec<Value> = all.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let first_time = all.iter().filter(|record| record["ODBOX_AGAIN"].is_null());
    let sum: u64 = first_time
        .map(|record| record["ODBOX_COUNT"].as_str().and_then(|n| n.parse::<u64>().ok()).expect("a count"))
        .sum();
    assert!((495 + opens..=500 + opens).contains(&sum), "{sum}: {all:#?}");
    assert!(all.len() < 100, "{} records", all.len());
}

/// As `docs/record.md` tells it.
fn vaultd_message_id() -> String {
    let page = include_str!("../../../docs/record.md");
    let (_, after) = page.split_once("MESSAGE_ID=").expect("it is told");
    after.chars().take_while(char::is_ascii_hexdigit).collect()
}

#[test]
fn explain_says_what_would_be() {
    if !can_boot() {
        return;
    }
    let machine = serving();
    machine.run("useradd web");
    machine
        .write("/etc/systemd/system/right.service", "[Service]\nUser=web\nExecStart=/bin/sleep infinity\n");
    machine.write("/etc/systemd/system/wrong.service", "[Service]\nExecStart=/bin/sleep infinity\n");
    machine.run("systemctl daemon-reload");
    let right = machine.run(&format!("vaultd explain {TOKEN} --unit right.service"));
    assert!(right.contains("right.service  not running"), "{right}");
    assert!(right.contains("right.service may open it:\n- it runs as web: mode 0444 lets others read it\n- it is one of the services"), "{right}");
    machine.run("systemctl start right.service wrong.service");
    let all = machine.run(&format!("vaultd explain {TOKEN}"));
    assert!(all.contains("right.service  /system.slice/right.service"), "{all}");
    let wrong = machine.try_run(&format!("vaultd explain {TOKEN} --unit wrong.service"));
    assert_eq!(wrong.status, Some(1), "{wrong}");
    assert!(wrong.text().contains("- only a process of also.service or right.service may"), "{wrong}");
    let missing = machine.try_run(&format!("vaultd explain {TOKEN} --unit missing.service"));
    assert_eq!(missing.status, Some(1), "{missing}");
    assert!(missing.errors.contains("there is no unit missing.service"), "{missing}");
}
