//! Each checker passes what is sound and fails what is broken: trees with a file or two, looked at by the real programs.

use super::{CHECKERS, Outcome, Subject, Verdict, subject};
use crate::{
    formats::unit::UnitFile,
    node::{NodeFile, Variant},
    pipeline::{self, Resolved},
    system::{Enabled, File},
    tree::Tree,
    value::AbsolutePath,
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

/// What the checkers say of a system.
fn outcomes(resolved: &Resolved) -> Vec<Outcome> {
    let tree = Tree::of(resolved);
    let folder = subject::laid_out(&tree).expect("a folder");
    let subject = Subject::new(resolved, &tree, folder.path());
    CHECKERS.iter().flat_map(|checker| checker(&subject)).collect()
}

/// What one checker says of a system; nothing if its program is not here.
fn verdict(resolved: &Resolved, checker: &str) -> Option<Verdict> {
    let all = outcomes(resolved);
    let mut found = all.iter().filter(|outcome| outcome.checker == checker);
    let outcome = found.next().unwrap_or_else(|| panic!("{checker} has nothing to say: {all:?}"));
    match &outcome.verdict {
        Verdict::Skipped(why) => {
            let strict = std::env::var_os("ODBOX_TEST_STRICT").is_some_and(|value| value == "1");
            assert!(!strict, "cannot test {checker}: {why}");
            eprintln!("skipped: {why}");
            None
        }
        verdict => Some(verdict.clone()),
    }
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
fn visudo_judges_who_may_become_root() {
    let files = |text: &str| with(&[("/etc/sudoers.d/odbox", text)]);
    passes(&files("%sudo ALL=(ALL:ALL) NOPASSWD: ALL\n"), "visudo -c");
    fails(&files("%sudo ALL=(ALL:ALL NOPASSWD: ALL\n"), "visudo -c", "syntax error");
}
