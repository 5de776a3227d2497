use crate::{
    node::{NodeFile, Variant},
    pipeline::{self, Resolved},
    problem::Problems,
    system::Content,
    value::AbsolutePath,
};

const NODE: &str = "architecture = \"x86_64\"\nplatform = \"devm\"\n\
                    [vault]\nsnakeoil = true\nmachine = \"devm-x86_64\"\n\
                    [service-stack]\nautocerts = true\n";
const LOGIN: &str = "[login]\nmode = \"standard\"\nadmin-email = \"admin@example.org\"\n";

fn resolve(rest: &str) -> Result<Resolved, Problems> {
    let node = NodeFile::from_text("devm-x86_64", "node.toml", &format!("{NODE}{rest}"));
    pipeline::resolve(&[node], Variant::Run)
}

fn resolved(rest: &str) -> Resolved {
    resolve(rest).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn script(resolved: &Resolved) -> &str {
    match &resolved.system.files[&AbsolutePath::known(super::scripts::ASK)].value.content {
        Content::Text(text) => text,
        other => panic!("{other:?}"),
    }
}

fn problem(rest: &str) -> String {
    match resolve(rest) {
        Ok(_) => panic!("it resolves"),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn lets_encrypt_is_asked_for_the_domain_once_a_day() {
    let resolved = resolved(&format!("domain = \"odoo.example.org\"\n{LOGIN}"));
    let script = script(&resolved);
    for part in [
        "--server https://acme-v02.api.letsencrypt.org/directory",
        "--domains odoo.example.org",
        "--email admin@example.org",
        "--key-type ec256",
        "--http.webroot /var/lib/acme/web",
        "client renew --days 30;",
    ] {
        assert!(script.contains(part), "no {part:?} in {script}");
    }
    let born: Vec<&str> = resolved.system.born_keys.keys().map(AbsolutePath::as_str).collect();
    assert_eq!(
        born,
        ["/var/lib/acme/lego", "/var/lib/acme/tls/odoo.example.org.pem"],
        "keys on a disk are named"
    );
    let timer = &resolved.system.units[super::TIMER].value.file;
    assert_eq!(timer.get("Timer", "OnCalendar"), ["daily"], "it is renewed in time");
    assert_eq!(timer.get("Timer", "OnActiveSec"), ["0"], "there may be none yet");
}

#[test]
fn another_server_is_asked_if_there_is_one() {
    let options = "acme-server = \"https://acme.example.org:14000/dir\"\n";
    let text = format!("{options}{LOGIN}[local-ca]\n");
    let resolved = resolved(&text);
    assert!(script(&resolved).contains("--server https://acme.example.org:14000/dir"), "the option wins");
    let unit = &resolved.system.units[super::ASK].value.file;
    assert!(!unit.render().contains("local-ca"), "the machine's own server is not asked: {}", unit.render());
}

#[test]
fn the_machines_own_server_is_asked_and_waited_for() {
    let resolved = resolved(&format!("{LOGIN}[local-ca]\nport = 14000\n"));
    assert!(script(&resolved).contains("--server https://localhost:14000/acme/local-ca/directory"));
    let unit = &resolved.system.units[super::ASK].value.file;
    assert!(unit.get("Unit", "After")[0].contains("local-ca.service"), "it is ready when it answers");
    let trust = "LEGO_CA_CERTIFICATES=/usr/local/share/ca-certificates/odbox-vault-ca.crt";
    assert_eq!(unit.get("Service", "Environment"), [trust], "the client trusts it");
    let timer = &resolved.system.units[super::TIMER].value.file;
    assert_eq!(timer.get("Timer", "OnCalendar"), ["*-*-* 00/4:00"], "its certificates are short-lived");
}

#[test]
fn the_key_is_for_nginx_and_the_account_for_nobody() {
    let system = resolved(&format!("{LOGIN}[local-ca]\n")).system;
    let mode = |path| {
        let file = &system.files[&AbsolutePath::known(path)].value;
        (file.owner.to_string(), file.group.to_string(), file.mode)
    };
    let folder = |owner: &str, group: &str, mode| (owner.to_owned(), group.to_owned(), mode);
    assert_eq!(mode(super::CERTIFICATES), folder("acme", "nginx", 0o750));
    assert_eq!(mode(super::CLIENT), folder("acme", "acme", 0o700));
}

#[test]
fn what_no_server_would_issue_is_told_before() {
    assert!(problem(LOGIN).contains("Let's Encrypt gives nobody a certificate for `localhost`"));
    assert!(problem("[local-ca]\n").contains("wants to know a mail address"));
    let beyond = problem(&format!("domain = \"odoo.example.org\"\n{LOGIN}[local-ca]\n"));
    assert!(beyond.contains("signs for `localhost` and whatever is below, and not for `odoo.example.org`"));
    resolved(&format!("domain = \"odoo.localhost\"\n{LOGIN}[local-ca]\n"));
    assert!(problem("acme-server = \"http://acme.example.org\"\n").contains("does not begin with https://"));
}
