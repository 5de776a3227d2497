use crate::{
    node::{NodeFile, Variant},
    pipeline::{self, Resolved},
    system::Content,
    value::AbsolutePath,
};

const NODE: &str = "architecture = \"x86_64\"\nplatform = \"devm\"\n\
                    [vault]\nsnakeoil = true\nmachine = \"devm-x86_64\"\n\
                    [login]\nmode = \"standard\"\nadmin-email = \"admin@example.org\"\n[local-ca]\n\
                    [service-stack]\n";

fn resolved(options: &str, variant: Variant) -> Resolved {
    let node = NodeFile::from_text("devm-x86_64", "node.toml", &format!("{NODE}{options}"));
    pipeline::resolve(&[node], variant).unwrap_or_else(|problems| panic!("{problems:?}"))
}

fn configuration(options: &str, variant: Variant) -> String {
    let resolved = resolved(options, variant);
    match &resolved.system.files[&AbsolutePath::known("/etc/nginx/nginx.conf")].value.content {
        Content::Text(text) => text.clone(),
        other => panic!("{other:?}"),
    }
}

fn has(configuration: &str, lines: &[&str]) {
    for line in lines {
        assert!(configuration.lines().any(|found| found.trim() == *line), "no {line:?} in {configuration}");
    }
}

#[test]
fn without_options_it_is_localhost_with_the_vaults_certificate() {
    let configuration = configuration("", Variant::Run);
    has(
        &configuration,
        &[
            "server_name \"localhost\";",
            "default \"https://localhost\";",
            "ssl_certificate \"/run/credentials/nginx.service/tls.pem\";",
            "ssl_certificate_key \"/run/credentials/nginx.service/tls-key.pem\";",
            "ssl_protocols TLSv1.2 TLSv1.3;",
            "proxy_read_timeout 720s;",
            "gzip on;",
            "server_tokens off;",
            "proxy_pass http://127.0.0.1:8069;",
            "proxy_pass http://127.0.0.1:8072;",
        ],
    );
    for never in ["Strict-Transport-Security", "acme-challenge", "pgadmin", "include"] {
        assert!(!configuration.contains(never), "{never}: {configuration}");
    }
}

#[test]
fn its_certificate_is_a_credential() {
    let resolved = resolved("", Variant::Run);
    let unit = &resolved.system.units[super::UNIT].value.file;
    let credentials = unit.get("Service", "LoadCredential");
    let expected =
        ["tls.pem:/run/vault/certs/localhost-cert.pem", "tls-key.pem:/run/vault/certs/localhost-key.pem"];
    assert_eq!(credentials, expected, "the vault's certificate and key, for the user of Nginx alone");
    assert_eq!(unit.get("Service", "User"), ["nginx"], "it never is root");
    assert_eq!(
        unit.get("Service", "CapabilityBoundingSet"),
        ["CAP_NET_BIND_SERVICE"],
        "for ports 80 and 443"
    );
}

#[test]
fn the_domain_is_pinned_to_tls() {
    let options =
        "domain = \"odoo.example.org\"\nautocerts = true\nacme-server = \"https://acme.example.org/dir\"\n";
    let configuration = configuration(options, Variant::Run);
    has(
        &configuration,
        &[
            "server_name \"odoo.example.org\";",
            "proxy_set_header X-Forwarded-Host \"odoo.example.org\";",
            "add_header Strict-Transport-Security \"max-age=63072000\" always;",
        ],
    );
}

#[test]
fn the_public_port_is_in_every_url() {
    let configuration = configuration("public-port = 8443\npgadmin = true\n", Variant::Run);
    has(
        &configuration,
        &["default \"https://localhost:8443\";", "proxy_set_header X-Forwarded-Host \"localhost:8443\";"],
    );
}

#[test]
fn pgadmin_has_its_path() {
    let configuration = configuration("pgadmin = true\n", Variant::Run);
    has(
        &configuration,
        &[
            "location /pgadmin/ {",
            "proxy_pass http://127.0.0.1:5050;",
            "proxy_set_header X-Script-Name /pgadmin;",
            "proxy_set_header X-Scheme https;",
        ],
    );
}

#[test]
fn with_autocerts_it_answers_challenges_and_has_the_clients_certificate() {
    let options = "autocerts = true\n";
    let configuration = configuration(options, Variant::Run);
    has(
        &configuration,
        &[
            "location ^~ /.well-known/acme-challenge/ {",
            "root /var/lib/acme/web;",
            "ssl_certificate \"/var/lib/acme/tls/localhost.pem\";",
            "ssl_certificate_key \"/var/lib/acme/tls/localhost.pem\";",
        ],
    );
    let resolved = resolved(options, Variant::Run);
    let unit = &resolved.system.units[super::UNIT].value.file;
    assert!(unit.get("Service", "LoadCredential").is_empty(), "nothing of the vault");
    assert!(unit.get("Unit", "After").contains(&"acme-first.service"), "something to start with");
}

#[test]
fn the_bootstrap_variant_passes_nothing_to_odoo() {
    let configuration = configuration("pgadmin = true\n", Variant::Bootstrap);
    assert!(configuration.contains("return 503 \"Odoo does not run here yet"), "{configuration}");
    assert!(!configuration.contains("8069") && !configuration.contains("8072"), "{configuration}");
    assert!(configuration.contains("127.0.0.1:5050"), "PgAdmin runs: {configuration}");
}

#[test]
fn it_is_reached_from_everywhere() {
    let resolved = resolved("", Variant::Run);
    for port in super::PORTS {
        assert_eq!(resolved.system.ports[&port].value, super::UNIT, "who listens on {port}");
        assert!(resolved.system.open_ports.contains_key(&port), "{port} is let in");
    }
}
