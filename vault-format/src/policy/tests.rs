use super::*;
use crate::Identities;

const ALICE: &str = "age1gye3k9xdwclzjlxvky74h6cdzh6vh88m6lax3chvfsdpshz3zfuqn367l2";

fn key() -> String {
    Identities::generate().recipients().first().unwrap().to_string()
}

/// A policy with two people, a machine and whatever comes after.
fn policy(rest: &str) -> (String, [String; 3]) {
    let keys = [key(), key(), key()];
    let [alice, bob, devm] = &keys;
    let text = format!(
        r#"version = 1
[recipients]
alice = {{ kind = "person", keys = ["{alice}"] }}
safe = {{ kind = "recovery", keys = ["{bob}"] }}
ops = ["alice", "safe"]
[machines]
devm = {{ keys = ["{devm}"], profile = "odoo-box" }}
[defaults]
audience = ["ops"]
{rest}"#
    );
    (text, keys)
}

fn refused(rest: &str) -> PolicyError {
    let (text, _) = policy(rest);
    Policy::parse(&text).expect_err(rest)
}

#[test]
fn groups_in_groups_and_machines_resolve_to_keys() {
    let (text, keys) = policy("[secret.\"a/b\"]\naudience = [\"ops\", \"devm\"]\n");
    let policy = Policy::parse(&text).unwrap();
    let audience = &policy.secret(&"a/b".parse().unwrap()).audience;
    assert_eq!(
        audience.iter().map(Recipient::as_str).collect::<BTreeSet<_>>(),
        keys.iter().map(String::as_str).collect()
    );
    let other = policy.secret(&"other".parse().unwrap());
    assert_eq!(other.audience.len(), 2);
    assert_eq!((other.access.owner.as_str(), other.access.mode), ("root", Mode::OWNER_ONLY));
}

#[test]
fn every_example_of_the_format_is_taken() {
    let (text, _) = policy(
        r#"
owner = "root"
group = "root"
mode = "0400"
[secret."passwords/root.txt"]
kind = "password"
description = "root's login"
rotate-after = "180d"
rotate-at = "https://example.org/runbook"
[secret."passwords/root.yesc"]
kind = "password-hash"
from = "passwords/root.txt"
expires = 2027-03-01
[secret."certs/localhost-key.pem"]
kind = "private-key"
owner = "nginx"
group = "nginx"
services = ["nginx.service"]
on-change = ["reload nginx.service"]
[view."postgres/tls-key.pem"]
of = "certs/localhost-key.pem"
owner = "postgres"
[template."odoo/admin.conf"]
source = "templates/admin.conf"
audience = ["ops", "devm"]
owner = "odoo"
"#,
    );
    let policy = Policy::parse(&text).unwrap();
    let view = &policy.views()[&"postgres/tls-key.pem".parse().unwrap()];
    assert_eq!(view.access.owner, "postgres");
    assert_eq!(view.access.group, "nginx");
    assert!(view.access.services.contains("nginx.service"), "a view inherits its source's services");
    let template = &policy.templates()[&"odoo/admin.conf".parse().unwrap()];
    assert_eq!((template.source.as_str(), template.audience.len()), ("templates/admin.conf", 3));
    assert_eq!((template.owner.as_str(), template.group.as_str()), ("odoo", "root"));
    assert!(template.services.is_none(), "a template inherits its secrets' services");
}

#[test]
fn each_mistake_shows_its_line() {
    let line = 10; // where `rest` starts
    for (rest, at, word) in [
        ("mode = \"0777\"", line, "read permission only"),
        ("mode = \"0444\"", line, "every user"),
        ("mode = \"400\"", line, "four octal digits"),
        ("modee = \"0400\"", line, "unknown field"),
        ("owner = \"a b\"", line, "name of a user"),
        ("owner = 0", line, "invalid type"),
        ("[secret.\"../a\"]", line, "part . or .."),
        ("[secret.\"/a\"]", line, "empty part"),
        ("[secret.\"a\\nb\"]", line, "not allowed"),
        ("[secret.a]\naudience = [\"opps\"]", line + 1, "opps"),
        ("[secret.a]\naudience = []", line, "nobody could decrypt"),
        ("[secret.a]\nkind = \"pasword\"", line + 1, "unknown variant"),
        ("[secret.a]\nrotate-after = \"soon\"", line + 1, "span of time"),
        ("[secret.a]\nservices = [\"nginx\"]", line + 1, "systemd unit"),
        ("[secret.a]\non-change = [\"kill nginx.service\"]", line + 1, "action"),
        ("[secret.a]\non-change = [\"reload ../x.service\"]", line + 1, "systemd unit"),
        ("[secret.a]\n[secret.A]", line + 1, "same path"),
        ("[secret.a]\n[secret.\"a/b\"]", line + 1, "which is a file"),
        ("[secret.a]\n[view.a]\nof = \"a\"", line + 1, "same path"),
        ("[template.t]\nsource = \"../../etc/shadow\"", line + 1, "part . or .."),
        ("[template.t]\nsource = \"passwords/x\"", line + 1, "below templates/"),
    ] {
        let error = refused(rest);
        assert!(error.to_string().contains(word), "{rest}: {error}");
        assert_eq!(error.line(), Some(at), "{rest}: {error}");
    }
}

#[test]
fn a_view_may_only_narrow_the_services() {
    let source = "[secret.k]\nservices = [\"nginx.service\", \"odoo.service\"]\n";
    let with = |services: &str| format!("{source}[view.v]\nof = \"k\"\nservices = {services}\n");
    assert!(Policy::parse(&policy(&with("[\"nginx.service\"]")).0).is_ok());
    refused(&with("[\"sshd.service\"]"));
    refused(&with("[]"));
}

#[test]
fn circles_and_unknown_members_are_refused() {
    for recipients in
        ["a = [\"b\"]\nb = [\"a\"]", "a = [\"a\"]", "a = [\"nobody\"]", "a = { keys = [\"x y\"] }"]
    {
        assert!(
            Policy::parse(&format!("version = 1\n[recipients]\n{recipients}\n")).is_err(),
            "{recipients}"
        );
    }
}

#[test]
fn an_unknown_version_is_refused() {
    assert!(Policy::parse("version = 2\n").unwrap_err().to_string().contains("version 1"));
    assert!(Policy::parse("").unwrap_err().to_string().contains("version"));
}

#[test]
fn an_editor_keeps_comments_and_order() {
    let text = format!(
        "# ours\nversion = 1 # one\n\n[recipients]\n# Alice\nops = {{ kind = \"person\", keys = [\"{ALICE}\"] }}\n\n[defaults]\naudience = [\"ops\"]\n"
    );
    let mut editor = PolicyEditor::of(&text).unwrap();
    let table = SecretTable { kind: Kind::Password, description: "x".to_owned(), ..SecretTable::default() };
    editor.set_secret(&"a/b".parse().unwrap(), &table);
    let edited = editor.text();
    assert!(edited.starts_with(&text), "{edited}");
    let policy = Policy::parse(&edited).unwrap();
    assert_eq!(policy.secret(&"a/b".parse().unwrap()).kind, Kind::Password);
}

#[test]
fn a_private_key_in_the_policy_is_not_repeated() {
    let secret = "AGE-SECRET-KEY-1GH2XQXX9ZVVF57YMGX2DE3ATTQNCQ0RQ7FSHQJEFGFXYCVSXH7DSVDKJQS";
    for line in [format!("a = {{ keys = [\"{secret}\"] }}"), format!("a = [\"{secret}\"]")] {
        let error = Policy::parse(&format!("version = 1\n[recipients]\n{line}\n")).unwrap_err();
        let text = crate::report::render(&error);
        assert!(!text.contains("GH2XQXX9") && text.contains("private key"), "{text}");
    }
}

#[test]
fn a_recovery_key_is_in_the_default_audience() {
    let [mine, safe] = [key(), key()].map(|key| key.parse::<Recipient>().unwrap());
    let signer = crate::ssh::SshKey::generate("x").unwrap();
    let signer = crate::signers::Signer::new("alice", signer.public_key().clone()).unwrap();
    let mut editor = PolicyEditor::new("ops", &BTreeSet::from([mine.clone()]), &signer);
    editor.add_recovery("ops", "alice", "safe", &safe);
    let policy = Policy::parse(&editor.text()).unwrap();
    assert_eq!(policy.secret(&"x".parse().unwrap()).audience, BTreeSet::from([mine, safe.clone()]));
    assert_eq!(policy.groups()["safe"], Group { kind: GroupKind::Recovery, keys: BTreeSet::from([safe]) });
    assert_eq!(policy.groups()["alice"].kind, GroupKind::Person);
}

#[test]
fn dates_and_spans_are_moments() {
    let of = |line: &str| {
        let (text, _) = policy(&format!("[secret.a]\n{line}\n"));
        Policy::parse(&text).map(|policy| policy.secret(&"a".parse().unwrap()).rotation.clone())
    };
    for (text, moment) in [
        ("2027-03-01", "2027-03-01T00:00:00Z"),
        ("2027-03-01T12:30:00", "2027-03-01T12:30:00Z"),
        ("2027-03-01T12:30:00.5+02:00", "2027-03-01T10:30:00Z"),
    ] {
        let rotation = of(&format!("expires = {text}")).unwrap();
        assert_eq!(rotation.expires.unwrap().to_string(), moment);
    }
    let rotation = of("rotate-after = \"180d\"\nrotate-at = \"the runbook\"").unwrap();
    assert_eq!(rotation.after.unwrap().as_secs(), 180 * 24 * 60 * 60);
    assert_eq!(rotation.at.as_deref(), Some("the runbook"));
    for wrong in ["expires = 12:30:00", "rotate-after = \"soon\"", "rotate-after = \"99999999999999999999y\""]
    {
        assert_eq!(of(wrong).unwrap_err().line(), Some(11), "{wrong}");
    }
}

/// Whoever puts a value in says nothing about what the policy says otherwise.
#[test]
fn setting_a_secret_leaves_what_is_not_said() {
    let (text, _) = policy(
        "# ours\n[secret.a]\n# why\nkind = \"opaque\" # what\nrotate-after = \"180d\"\nservices = [\"nginx.service\"]\n\n[secret]\nb = { mode = \"0440\" }\n",
    );
    let mut editor = PolicyEditor::of(&text).unwrap();
    let table = SecretTable {
        kind: Kind::Password,
        audience: vec!["ops".to_owned()],
        owner: Some("odoo".to_owned()),
        group: Some("web".to_owned()),
        mode: Some("0440".parse().unwrap()),
        services: vec!["odoo.service".to_owned()],
        on_change: vec!["restart odoo.service".to_owned()],
        expires: Some("2027-03-01".parse().unwrap()),
        ..SecretTable::default()
    };
    editor.set_secret(&"a".parse().unwrap(), &table);
    editor.set_secret(&"b".parse().unwrap(), &SecretTable { kind: Kind::SshKey, ..SecretTable::default() });
    let edited = editor.text();
    assert!(
        edited.contains("# ours\n[secret.a]\n# why\nkind = \"password\" # what\nrotate-after = \"180d\"\n"),
        "{edited}"
    );
    assert!(edited.contains("on-change = [\"restart odoo.service\"]\nexpires = 2027-03-01\n"), "{edited}");
    let policy = Policy::parse(&edited).unwrap();
    let secret = policy.secret(&"a".parse().unwrap());
    assert_eq!((secret.access.owner.as_str(), secret.access.group.as_str()), ("odoo", "web"));
    assert_eq!(secret.access.mode.to_string(), "0440");
    assert!(secret.access.services.contains("odoo.service") && secret.access.services.len() == 1);
    assert!(secret.rotation.after.is_some() && secret.rotation.expires.is_some());
    let inline = policy.secret(&"b".parse().unwrap());
    assert_eq!((inline.kind, inline.access.mode.to_string().as_str()), (Kind::SshKey, "0440"));
    for wrong in ["", "soon", "12:30:00", "2027-02-30"] {
        assert!(wrong.parse::<Expiry>().is_err(), "{wrong}");
    }
}
