//! Each checker passes what is sound and fails what is broken: trees with a file or two, looked at by the real programs.

use std::process::Command;

use fixtures::{
    command,
    machine::{self, Need},
};

use super::{CHECKERS, Outcome, Subject, Verdict, subject, vaultd};
use crate::{
    formats::unit::UnitFile,
    node::{NodeFile, Variant},
    pipeline::{self, Resolved},
    system::{Enabled, File, Sandbox, User},
    value::{AbsolutePath, UserName},
};

/// A system with nothing in it.
fn nothing() -> Resolved {
    let text = "architecture = \"x86_64\"\nplatform = \"devm\"\n";
    match pipeline::resolve(&[NodeFile::from_text("test", "test.toml", text)], Variant::Run) {
        Ok(resolved) => resolved,
        Err(problems) => panic!("an empty node is sound: {:?}", Vec::from_iter(problems.iter())),
    }
}

/// A system with these files.
fn with(files: &[(&'static str, &str)]) -> Resolved {
    let mut resolved = nothing();
    for (path, text) in files {
        resolved.system.by("base").file(AbsolutePath::known(path), File::text(*text));
    }
    resolved
}

/// A section of a unit: its name, and its directives.
type Section<'a> = (&'static str, &'a [(&'static str, &'static str)]);

/// A system with these units, each of sections with their directives.
fn with_units(units: &[(&'static str, &[Section<'_>])]) -> Resolved {
    let mut resolved = nothing();
    for (name, sections) in units {
        let mut file = UnitFile::new();
        for (section, directives) in *sections {
            let mut section = file.section(section);
            for (key, value) in *directives {
                section.set(key, value);
            }
        }
        resolved.system.by("base").unit(*name, file, Enabled::Static);
    }
    resolved
}

/// A system with a service of these directives.
fn with_service(directives: &[(&'static str, &'static str)]) -> Resolved {
    with_units(&[("a.service", &[("Service", directives)])])
}

/// What the checkers say of a system.
fn outcomes(resolved: &Resolved) -> Vec<Outcome> {
    let tree = resolved.tree();
    let folder = subject::laid_out(&tree).expect("a folder");
    let subject = Subject::new(resolved, &tree, folder.path());
    CHECKERS.iter().flat_map(|checker| checker(&subject)).collect()
}

/// What one checker says of a system; nothing if its program is not here.
fn verdict(resolved: &Resolved, checker: &str) -> Option<Verdict> {
    let all = outcomes(resolved);
    let of_checker: Vec<&Verdict> =
        all.iter().filter(|outcome| outcome.checker == checker).map(|outcome| &outcome.verdict).collect();
    assert!(!of_checker.is_empty(), "{checker} has nothing to say: {all:?}");
    if let Some(Verdict::Skipped(why)) = of_checker.iter().find(|one| matches!(one, Verdict::Skipped(_))) {
        machine::skip(format!("{checker}: {why}"));
        return None;
    }
    let worst = of_checker.iter().find(|verdict| ***verdict != Verdict::Passed).or(of_checker.first());
    worst.map(|verdict| (*verdict).clone())
}

#[track_caller]
fn passes(resolved: &Resolved, checker: &str) {
    if let Some(verdict) = verdict(resolved, checker) {
        assert_eq!(verdict, Verdict::Passed, "{checker}");
    }
}

/// Expects it to fail, and to say why.
#[track_caller]
fn fails(resolved: &Resolved, checker: &str, why: &str) {
    match verdict(resolved, checker) {
        None => {}
        Some(Verdict::Failed(said)) => assert!(said.contains(why), "{checker} does not say {why:?}: {said}"),
        Some(verdict) => panic!("{checker} takes what is broken ({why}): {verdict:?}"),
    }
}

const NGINX: &str = "\
user nginx;
pid /run/nginx/nginx.pid;
events {}
http {
    include /etc/nginx/mime.types;
    server {
        listen [::]:443 ssl;
        listen 443 ssl;
        server_name odoo.example.org;
        ssl_certificate /run/credentials/nginx.service/tls.pem;
        ssl_certificate_key \"/run/credentials/nginx.service/tls-key.pem\";
        location / { proxy_pass http://127.0.0.1:8069; }
    }
}
";

#[test]
fn nginx_judges_its_configuration() {
    let files = |text: &str| {
        with(&[("/etc/nginx/nginx.conf", text), ("/etc/nginx/mime.types", "types { text/html html; }")])
    };
    passes(&files(NGINX), "nginx -t");
    fails(
        &files(&NGINX.replace("server_name", "server_nmae")),
        "nginx -t",
        "unknown directive \"server_nmae\"",
    );
    fails(&files(&NGINX.replace("127.0.0.1:8069", "$")), "nginx -t", "invalid variable name");
    fails(&files(NGINX.trim_end().strip_suffix('}').expect("a block")), "nginx -t", "unexpected end of file");
}

#[test]
fn sshd_judges_its_configuration() {
    let part = |text: &str| with(&[("/etc/ssh/sshd_config.d/10-odbox.conf", text)]);
    passes(&part("PasswordAuthentication no\nHostKey /etc/ssh/ssh_host_ed25519_key\n"), "sshd -t");
    fails(
        &part("PasswordAuthenticatoin no\n"),
        "sshd -t",
        "Bad configuration option: PasswordAuthenticatoin",
    );
    let main = "HostKey /etc/ssh/key\nInclude /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin perhaps\n";
    fails(&with(&[("/etc/ssh/sshd_config", main)]), "sshd -t", "perhaps");
}

#[test]
fn lists_of_public_keys_are_read() {
    let file = |text: &str| with(&[("/etc/ssh/authorized_keys.d/root", text)]);
    let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMxUxW2exbAADrU177NwKk6Sc8mwxx0V7vIw4ByB2vqj of a test\n";
    passes(&file(key), "ssh-keygen -l");
    fails(&file(&key.replace("AAAAC3", "AAAAC4")), "ssh-keygen -l", "is not a public key file");
}

#[test]
fn visudo_judges_who_may_become_root() {
    let files = |text: &str| with(&[("/etc/sudoers.d/odbox", text)]);
    passes(&files("%sudo ALL=(ALL:ALL) NOPASSWD: ALL\n"), "visudo -c");
    fails(&files("%sudo ALL=(ALL:ALL NOPASSWD: ALL\n"), "visudo -c", "syntax error");
}

const VERIFY: &str = "systemd-analyze verify";

#[test]
fn systemd_judges_units() {
    passes(&with_service(&[("ExecStart", "/bin/true")]), VERIFY);
    let broken: [(&[(&str, &str)], &str); 5] = [
        (&[("ExecStart", "/bin/true"), ("ExecStrat", "x")], "Unknown key"),
        (&[("ExecStart", "/bin/true"), ("PrivateTmp", "perhaps")], "perhaps"),
        (&[("ExecStart", "/bin/true"), ("RestartSec", "soon")], "soon"),
        (&[("ExecStart", "/bin/true"), ("SystemCallFilter", "@nonsense")], "Unknown system call group"),
        (&[("Type", "simple")], "Refusing"),
    ];
    for (directives, why) in broken {
        let directives: Vec<(&'static str, &'static str)> = directives.to_vec();
        fails(&with_service(&directives), VERIFY, why);
    }
}

#[test]
fn a_program_that_a_package_brings_need_not_be_here_and_one_that_nothing_brings_fails() {
    let of_package = with_service(&[("ExecStart", "/usr/bin/not-on-this-machine")]);
    // Its package is not installed here.
    passes(&of_package, VERIFY);
    if machine::program("systemd-analyze").is_some() {
        let told = &outcomes(&of_package)[0].subject;
        assert_eq!(told, "a.service (not on this machine: /usr/bin/not-on-this-machine)");
    }
    let nobodys = with_service(&[("ExecStart", "/usr/local/lib/odbox/nobodys")]);
    fails(&nobodys, VERIFY, "nothing brings /usr/local/lib/odbox/nobodys");
    let mut unrunnable = with_service(&[("ExecStart", "/usr/local/lib/odbox/script")]);
    let path = AbsolutePath::known("/usr/local/lib/odbox/script");
    unrunnable.system.by("base").file(path, File::text("#!/bin/sh\n"));
    fails(&unrunnable, VERIFY, "is not executable");
}

#[test]
fn units_that_wait_for_each_other_fail() {
    let cyclic = with_units(&[
        (
            "a.service",
            &[
                ("Unit", &[("Requires", "b.service"), ("After", "b.service")]),
                ("Service", &[("ExecStart", "/bin/true")]),
            ],
        ),
        (
            "b.service",
            &[
                ("Unit", &[("Requires", "a.service"), ("After", "a.service")]),
                ("Service", &[("ExecStart", "/bin/true")]),
            ],
        ),
    ]);
    fails(&cyclic, VERIFY, "cyclic");
    let alone = with_units(&[(
        "a.service",
        &[("Unit", &[("Requires", "nobodys.service")]), ("Service", &[("ExecStart", "/bin/true")])],
    )]);
    fails(&alone, VERIFY, "nobodys.service not found");
}

#[test]
fn a_drop_in_of_a_packages_unit_is_judged_where_the_package_is_not() {
    let drop_in = |text: &str| with(&[("/etc/systemd/system/elsewhere.service.d/odbox.conf", text)]);
    passes(&drop_in("[Service]\nPrivateTmp=yes\n"), VERIFY);
    fails(&drop_in("[Service]\nPrivateTemp=yes\n"), VERIFY, "PrivateTemp");
}

#[test]
fn a_service_without_a_sandbox_is_too_exposed() {
    let exposed = with_service(&[("ExecStart", "/bin/true")]);
    fails(&exposed, "systemd-analyze security", "its exposure is above 3.0");
    let mut file = UnitFile::new();
    let mut service = file.section("Service");
    service.set("ExecStart", "/bin/true");
    Sandbox::of(&UserName::known("nobody")).apply(&mut service).expect("a sandbox");
    let mut tight = nothing();
    tight.system.by("base").unit("a.service", file, Enabled::Static);
    passes(&tight, "systemd-analyze security");
}

#[test]
fn systemd_judges_calendar_times() {
    let timer = |time| {
        with_units(&[
            ("a.timer", &[("Timer", &[("OnCalendar", time)])]),
            ("a.service", &[("Service", &[("ExecStart", "/bin/true")])]),
        ])
    };
    passes(&timer("Mon..Fri 02:30"), "systemd-analyze calendar");
    fails(&timer("25:00"), "systemd-analyze calendar", "25:00");
    fails(&timer("*-02-31 02:00"), "systemd-analyze calendar", "it never elapses");
}

#[test]
fn users_get_their_numbers() {
    let user = |uid| {
        let mut resolved = nothing();
        let home = AbsolutePath::known("/var/lib/a");
        resolved.system.by("base").user(UserName::known("alice"), User::service(uid, "Alice", &home));
        resolved
    };
    passes(&user(801), "systemd-sysusers");
    // `backup`, of Debian's own users, has this number.
    fails(&user(34), "systemd-sysusers", "alice does not get the number 34");
    fails(
        &with(&[("/etc/sysusers.d/x.conf", "q nothing\n")]),
        "systemd-sysusers",
        "Unknown command type 'q'",
    );
}

#[test]
fn folders_of_the_boot_have_owners() {
    let line = |text: &str| with(&[("/etc/tmpfiles.d/x.conf", text)]);
    passes(&line("d /run/x 0755 root root -\n"), "systemd-tmpfiles");
    fails(&line("d /run/x 0755 root noone -\n"), "systemd-tmpfiles", "Failed to resolve group 'noone'");
    fails(&line("zzz /run/x\n"), "systemd-tmpfiles", "x.conf:1");
}

#[test]
fn scripts_are_read() {
    let script = |text: &str| with(&[("/usr/local/lib/odbox/x", text)]);
    passes(&script("#!/bin/sh\nset -eu\necho \"$1\"\n"), "sh -n");
    fails(&script("#!/bin/sh\nif true; then\n"), "sh -n", "end of file unexpected");
    passes(&script("#!/bin/bash\na=(1 2)\necho \"${a[@]}\"\n"), "sh -n");
    fails(&script("#!/bin/bash\na=(1 2\n"), "sh -n", "unexpected EOF");
    fails(
        &script("#!/bin/sh\nfor x in $(ls *.x); do rm -r \"$y/\"*; done\n"),
        "shellcheck",
        "y is referenced but not assigned",
    );
}

#[test]
fn python_is_compiled() {
    let file = |text: &str| with(&[("/etc/x/y.py", text)]);
    passes(&file("A = 1\n"), "python3");
    fails(&file("A = (1\n"), "python3", "/etc/x/y.py");
}

#[test]
fn postgresql_judges_settings_and_rules() {
    let files = |settings: &str, rules: &str, map: &str| {
        with(&[
            ("/etc/postgresql/a/postgresql.conf", settings),
            ("/etc/postgresql/a/pg_hba.conf", rules),
            ("/etc/postgresql/a/pg_ident.conf", map),
        ])
    };
    let (settings, rules, map) =
        ("data_directory = '/x'\n", "local all all peer map=odbox\n", "odbox root \"admin\"\n");
    let sound = files(settings, rules, map);
    passes(&sound, "postgres -C");
    passes(&sound, "pg_hba_file_rules");
    fails(&files("work_mem = 8 mugs\n", rules, map), "postgres -C", "syntax error");
    fails(&files("work_memory = 8\n", rules, map), "postgres -C", "work_memory");
    fails(
        &files(settings, "local all all pear\n", map),
        "pg_hba_file_rules",
        "pg_hba.conf:1: invalid authentication method \"pear\"",
    );
    fails(&files(settings, rules, "odbox root\n"), "pg_hba_file_rules", "pg_ident.conf:1: missing entry");
}

#[test]
fn a_ruleset_is_judged() {
    let file = |text: &str| with(&[("/etc/nftables.conf", text)]);
    let rules = "flush ruleset\ntable inet filter {\n chain input {\n  type filter hook input priority filter; policy drop;\n  tcp dport { 22, 80 } accept\n }\n}\n";
    passes(&file(rules), "nft -c");
    fails(&file(&rules.replace("dport", "dprot")), "nft -c", "syntax error");
}

#[test]
fn mounts_are_read() {
    let file = |text: &str| with(&[("/etc/fstab", text)]);
    passes(&file("/dev/disk/by-partlabel/backup /backup ext4 nofail 0 2\n"), "findmnt --verify");
    fails(&file("/dev/disk/by-partlabel/backup\n"), "findmnt --verify", "parse error at line 1");
}

#[test]
fn certificates_in_clear_are_read() {
    let file = |text: &str| with(&[("/usr/local/share/ca-certificates/x.crt", text)]);
    fails(
        &file("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        "openssl x509",
        "certificate 1",
    );
    fails(&file("-----BEGIN CERTIFICATE-----\nAAAA\n"), "openssl x509", "certificate 1 does not end");
}

#[test]
fn vaultd_judges_its_settings() {
    if !machine::has(&[Need::Root]) {
        return;
    }
    let verdict = |settings: &str| {
        let resolved = with(&[("/etc/vaultd/vaultd.toml", settings)]);
        let tree = resolved.tree();
        let folder = subject::laid_out(&tree).expect("a folder");
        let subject = Subject::new(&resolved, &tree, folder.path());
        vaultd::judge(&subject, settings, Command::new(command::odbox("vaultd")))
    };
    let of_key = verdict("valt = \"/x\"\n");
    assert!(
        matches!(&of_key, Err(Verdict::Failed(why)) | Ok(Verdict::Failed(why)) if why.contains("`valt`")),
        "{of_key:?}"
    );
}

#[test]
fn caddy_judges_its_configuration() {
    let file = |text: &str| with(&[("/etc/x/caddy.json", text)]);
    let sound = r#"{"admin":{"disabled":true},"storage":{"module":"file_system","root":"/run/x"},
        "apps":{"http":{"servers":{"a":{"listen":["127.0.0.1:8443"],"routes":[{"handle":[{"handler":"acme_server","ca":"x"}]}]}}},
        "pki":{"certificate_authorities":{"x":{"install_trust":false,
        "root":{"certificate":"/run/credentials/x/root.pem","private_key":"/run/credentials/x/ca-key.pem"},
        "intermediate":{"certificate":"/run/credentials/x/ca.pem","private_key":"/run/credentials/x/ca-key.pem"}}}}}}"#;
    passes(&file(sound), "caddy validate");
    fails(&file(&sound.replace("routes", "routs")), "caddy validate", "unknown field \"routs\"");
    fails(&file("{"), "caddy validate", "Error: ");
}
