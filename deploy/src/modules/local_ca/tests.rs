use crate::{
    node::{NodeFile, Variant},
    pipeline::{self, Resolved},
    system::Content,
    value::AbsolutePath,
};

fn resolved(options: &str) -> Resolved {
    let text = format!(
        "architecture = \"x86_64\"\nplatform = \"devm\"\n[vault]\nsnakeoil = true\nmachine = \"devm-x86_64\"\n\
         [local-ca]\n{options}"
    );
    let node = NodeFile::from_text("devm-x86_64", "node.toml", &text);
    pipeline::resolve(&[node], Variant::Run).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn caddy(resolved: &Resolved) -> serde_json::Value {
    match &resolved.system.files[&AbsolutePath::known(super::CONFIGURATION)].value.content {
        Content::Text(text) => serde_json::from_str(text).expect("JSON"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn it_listens_on_this_machine_only() {
    for (options, port) in [("", 10443), ("port = 14000\n", 14000)] {
        let resolved = resolved(options);
        let listen = &caddy(&resolved)["apps"]["http"]["servers"]["acme"]["listen"];
        assert_eq!(*listen, serde_json::json!([format!("127.0.0.1:{port}"), format!("[::1]:{port}")]));
        assert_eq!(resolved.system.ports[&port].value, super::UNIT, "nobody else listens there");
        assert!(!resolved.system.open_ports.contains_key(&port), "nor is it let in");
        let ready = &resolved.system.units[super::UNIT].value.file.get("Service", "ExecStartPost")[0];
        let directory = format!("https://localhost:{port}/acme/local-ca/directory");
        assert!(ready.ends_with(&directory), "ready when it answers: {ready}");
    }
}

#[test]
fn it_has_the_key_of_its_intermediate_alone() {
    let resolved = resolved("");
    let unit = &resolved.system.units[super::UNIT].value.file;
    let expected = [
        "root.pem:/run/vault/certs/vault-ca-cert.pem",
        "ca.pem:/run/vault/certs/local-ca-cert.pem",
        "ca-key.pem:/run/vault/certs/local-ca-key.pem",
    ];
    assert_eq!(unit.get("Service", "LoadCredential"), expected, "not the vault CA's key");
    let ca = &caddy(&resolved)["apps"]["pki"]["certificate_authorities"]["local-ca"];
    assert_eq!(ca["intermediate"]["private_key"], "/run/credentials/local-ca.service/ca-key.pem");
    assert_eq!(ca["install_trust"], false, "the unit below does that");
    let trust = &resolved.system.units[super::TRUST].value.file;
    assert_eq!(trust.get("Service", "LoadCredential"), ["root.pem:/run/vault/certs/vault-ca-cert.pem"]);
}

#[test]
fn debians_own_server_does_not_start() {
    let units = resolved("").system.packaged_units;
    assert_eq!(units["caddy.service"].value, crate::system::Enabled::Masked, "it would take port 80");
}
