//! One vaultd after the other, on the same mount: restarted, killed, replaced by another version, while programs read.
//!
//! `ODBOX_SUCCESSIONS=100` is a long form.

use std::{
    env,
    io::Read,
    process::{Child, Command, Stdio},
};

use fixtures::{
    load,
    vault::{Vault, VaultBuilder},
};

use crate::machine::{Machine, can_boot};
use crate::operator::TOKEN;

const SECRETS: u32 = 200;
const READERS: u32 = 8;
/// Milliseconds that a reader waits between two operations, on average.
const PAUSE: u32 = 2;

/// A machine that serves a state of the load, and its vault outside of it.
fn machine(state: VaultBuilder) -> (Machine, Vault) {
    let (machine, vault) = (Machine::new(), state.build());
    machine.bring(&vault.path(), "/etc/vaultd/vault");
    machine.bring(&vault.identity(), "/etc/age.key");
    machine.bring(&vault.signers(), "/etc/vaultd/allowed_signers");
    machine.run(
        "chown -R root:root /etc/vaultd /etc/age.key; chmod -R a+rX /etc/vaultd; chmod 0600 /etc/age.key",
    );
    // However often it is started here.
    machine.write("/etc/systemd/system/vaultd.service.d/often.conf", "[Unit]\nStartLimitIntervalSec=0\n");
    machine.run("systemctl daemon-reload; systemctl enable --quiet --now vaultd.service");
    (machine, vault)
}

impl Machine {
    /// What the kernel tells the mount from others by.
    fn mount(&self) -> String {
        self.run("grep ' /run/vault ' /proc/self/mountinfo | cut -d ' ' -f 1,3")
    }

    fn wait_for_another_monitor(&self, than: &str) {
        self.run(&format!(
            "for try in $(seq 600); do
                 pid=$(systemctl show --property=MainPID --value vaultd.service)
                 [ $pid = {than} ] || [ $pid = 0 ] || ! systemctl is-active --quiet vaultd.service || exit 0
                 sleep 0.05
             done
             exit 1"
        ));
    }

    fn monitor(&self) -> String {
        self.run("systemctl show --property=MainPID --value vaultd.service")
    }
}

/// A program of the load that reads on the machine; it says what is wrong as soon as something is.
struct Reader(Child);

impl Reader {
    fn start(machine: &Machine, seed: u32) -> Self {
        Self::of(machine.command(&format!("exec /root/load-reader /run/vault {SECRETS} {PAUSE} {seed}")))
    }

    fn of(mut reader: Command) -> Self {
        Self(reader.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a reader"))
    }

    /// One that has a file open, and says what is in it when it is told to end.
    fn holding(machine: &Machine, path: &str) -> Self {
        let script = format!("exec 3<{path}; echo held; read line; cat <&3 || echo gone");
        let mut reader = Self::of(machine.command(&script));
        let mut said = [0; 5];
        reader.0.stdout.as_mut().expect("a pipe").read_exact(&mut said).expect("it has it open");
        reader
    }

    /// What it says when it is told to end.
    fn says(mut self) -> String {
        drop(self.0.stdin.take());
        let mut said = String::new();
        self.0.stdout.take().expect("a pipe").read_to_string(&mut said).expect("text");
        assert!(self.0.wait().expect("a reader").success(), "a reader says: {said}");
        said
    }

    /// How many operations it did, and how many milliseconds the slowest took.
    fn end(self) -> (u64, u64) {
        let said = self.says();
        let numbers: Vec<u64> = said.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        let [operations, slowest] = numbers[..] else { panic!("a reader says: {said}") };
        (operations, slowest)
    }
}

#[test]
fn nobody_notices_restarts_deaths_and_upgrades() {
    if !can_boot() {
        return;
    }
    let rounds: u32 = env::var("ODBOX_SUCCESSIONS").map_or(3, |number| number.parse().expect("a number"));
    let (machine, vault) = machine(load::state(SECRETS, 0));
    machine.bring(&fixtures::command::odbox("load-reader"), "/root/load-reader");
    let sandboxed =
        "systemd-run --quiet --unit=sandboxed -p ProtectSystem=strict -p PrivateTmp=yes sleep infinity";
    machine.run(sandboxed);
    let mount = machine.mount();
    let readers: Vec<Reader> = (1..=READERS).map(|seed| Reader::start(&machine, seed)).collect();
    let held = Reader::holding(&machine, "/run/vault/state");
    let ways = [
        "systemctl restart vaultd.service",
        "systemctl kill --signal=KILL --kill-whom=main vaultd.service",
        "systemctl kill --signal=KILL --kill-whom=all vaultd.service",
        "cp /usr/local/bin/vaultd /usr/local/bin/newer; mv /usr/local/bin/newer /usr/local/bin/vaultd
         systemctl daemon-reexec; systemctl restart vaultd.service",
    ];
    let mut state = 0;
    for round in 0..rounds {
        for way in ways {
            let before = machine.monitor();
            if round % 2 == 1 {
                // The next one loads it, or has it loaded already.
                state += 1;
                load::state(SECRETS, state).build_upon(&vault);
                machine.bring(&vault.path(), "/etc/vaultd/vault");
                machine.run("chmod -R a+rX /etc/vaultd");
                machine.run("systemctl --no-block reload vaultd.service");
            }
            machine.run(way);
            machine.wait_for_another_monitor(&before);
            assert_eq!(machine.mount(), mount, "after {way}");
            assert_eq!(machine.run("cat /run/vault/state"), state.to_string(), "after {way}");
        }
    }
    let ended: Vec<(u64, u64)> = readers.into_iter().map(Reader::end).collect();
    let (operations, slowest) =
        ended.iter().fold((0, 0), |(all, most), (some, slow)| (all + some, most.max(*slow)));
    println!("{} monitors: {operations} operations, none failed, the slowest {slowest} ms", rounds * 4);
    assert_eq!(held.says(), "0", "what was opened at the first monitor's time");
    let inside = "nsenter --mount --target $(systemctl show --property=MainPID --value sandboxed.service)";
    assert_eq!(machine.run(&format!("{inside} cat /run/vault/state")), state.to_string());
}

#[test]
fn a_restart_serves_on_what_was_served_if_the_present_state_is_refused() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run("systemctl enable --quiet --now vaultd.service");
    let mount = machine.mount();
    let held = Reader::holding(&machine, &format!("/run/vault/{TOKEN}"));
    machine.change_token("second");
    machine.damage_vault();
    machine.run("systemctl restart vaultd.service");
    assert_eq!(
        (machine.run(&format!("cat /run/vault/{TOKEN}")), machine.mount()),
        ("first".to_owned(), mount.clone())
    );
    machine.run("until systemctl is-failed --quiet vaultd-verify.service; do sleep 0.05; done");

    machine.bring_vault();
    machine.run("systemctl restart vaultd.service");
    assert_eq!(
        (machine.run(&format!("cat /run/vault/{TOKEN}")), machine.mount()),
        ("second".to_owned(), mount)
    );
    machine.run("until systemctl is-active --quiet vaultd-verify.service; do sleep 0.05; done");
    assert_eq!(held.says(), "first");
}

#[test]
fn what_cannot_be_gone_on_with_is_ended_and_mounted_anew() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run("systemctl enable --quiet --now vaultd.service; mkdir /run/other");
    let held = Reader::holding(&machine, &format!("/run/vault/{TOKEN}"));
    machine.run(
        "printf 'mountpoint = \"/run/other\"\n' >>/etc/vaultd/vaultd.toml; systemctl restart vaultd.service",
    );
    assert_eq!(machine.run(&format!("cat /run/other/{TOKEN}")), "first");
    machine.run("! mountpoint --quiet /run/vault");
    assert_eq!(held.says(), "gone\n");

    // Nobody to end what nobody goes on with.
    machine
        .run("systemctl mask --runtime --now --quiet vaultd-guard.socket; systemctl restart vaultd.service");
    let handed_over = || machine.run("vaultd status | sed -n 's/^hand-over *//p'");
    assert_eq!(handed_over(), "no");
    machine.change_token("second");
    machine.run("systemctl reload vaultd.service");
    assert_eq!(
        (handed_over(), machine.run(&format!("cat /run/other/{TOKEN}"))),
        ("no".into(), "second".into())
    );
    machine.run("systemctl unmask --runtime --quiet vaultd-guard.socket; systemctl restart vaultd.service");
    assert_eq!(handed_over(), "yes");

    // Too many objects for what systemd keeps.
    machine.write("/etc/systemd/system/vaultd.service.d/few.conf", "[Service]\nFileDescriptorStoreMax=5\n");
    machine.run("systemctl daemon-reload; systemctl restart vaultd.service");
    assert_eq!(handed_over(), "no");
    machine.run("systemctl restart vaultd.service");
    assert_eq!(machine.run(&format!("cat /run/other/{TOKEN}")), "second");
    assert_eq!(machine.run("findmnt --noheadings --output=TARGET /run/other"), "/run/other", "one mount");
}

#[test]
fn nobody_waits_for_long_when_the_next_one_does_not_come() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run("printf 'resume-timeout = \"3s\"\\n' >>/etc/vaultd/vaultd.toml");
    machine.run("systemctl enable --quiet --now vaultd.service; cp -a /usr/local/bin/vaultd /root/");
    machine.run("printf '#!/bin/sh\\nexec sleep infinity\\n' >/root/idle; chmod +x /root/idle; mv /root/idle /usr/local/bin/vaultd");
    let before = machine.monitor();
    machine.run("systemctl kill --signal=KILL vaultd.service");
    machine.run(&format!("until [ $(systemctl show --property=MainPID --value vaultd.service) != {before} ]; do sleep 0.05; done"));
    // Whom systemd gives an environment from there, it waits for itself: nothing else would happen on the machine.
    let unit = "systemd-run --quiet --wait --property=EnvironmentFile=/run/vault/api/token true";
    assert_ne!(machine.try_run(&format!("timeout 60 {unit}")).status, Some(124), "systemd hangs");
    machine.try_run("timeout 60 cat /run/vault/api/token").says("cat: /run/vault/api/token: ");
    machine.run("mv /root/vaultd /usr/local/bin/; systemctl restart vaultd.service");
    assert_eq!(machine.run(&format!("cat /run/vault/{TOKEN}")), "first");
    assert_eq!(machine.run("findmnt --noheadings --output=TARGET /run/vault"), "/run/vault", "one mount");
}

#[test]
fn who_is_stopped_between_two_monitors_leaves_nothing_mounted() {
    if !can_boot() {
        return;
    }
    let machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.write("/etc/systemd/system/vaultd.service.d/late.conf", "[Service]\nRestartSec=1h\n");
    machine.run("systemctl daemon-reload; systemctl enable --quiet --now vaultd.service");
    machine.run("systemctl kill --signal=KILL --kill-whom=main vaultd.service");
    machine.run("until systemctl show --property=SubState --value vaultd.service | grep -q auto-restart; do sleep 0.05; done");
    machine.run("grep -q ' /run/vault ' /proc/self/mountinfo; systemctl stop vaultd.service");
    machine.run("while grep -q ' /run/vault ' /proc/self/mountinfo; do sleep 0.05; done");
    machine.run(
        "rm -r /etc/systemd/system/vaultd.service.d; systemctl daemon-reload; systemctl start vaultd.service",
    );
    assert_eq!(machine.run(&format!("cat /run/vault/{TOKEN}")), "first");
}
