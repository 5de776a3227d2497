//! The configuration of Caddy, as JSON.

use serde_json::{Value, json};

use crate::value::Port;

/// The id of its CA, which is in the URL of the directory.
pub(super) const CA: &str = "local-ca";
/// Where systemd puts the credentials of the unit: the configuration cannot say `%d`.
const CREDENTIALS: &str = "/run/credentials/local-ca.service";

/// The text of the file.
pub(super) fn configuration(port: Port) -> String {
    let configuration = json!({
        "admin": { "disabled": true, "config": { "persist": false } },
        "storage": { "module": "file_system", "root": "/run/local-ca" },
        "apps": {
            "http": { "https_port": port.get(), "servers": { "acme": server(port) } },
            "tls": { "automation": { "policies": [{
                "subjects": ["localhost"],
                "issuers": [{ "module": "internal", "ca": CA }],
            }] } },
            "pki": { "certificate_authorities": { CA: authority() } },
        },
    });
    format!("{configuration:#}\n")
}

fn server(port: Port) -> Value {
    json!({
        "listen": [format!("127.0.0.1:{port}"), format!("[::1]:{port}")],
        "protocols": ["h1", "h2"],
        "automatic_https": { "disable_redirects": true },
        "routes": [{
            "match": [{ "host": ["localhost"] }],
            "handle": [{ "handler": "acme_server", "ca": CA }],
            "terminal": true,
        }],
    })
}

/// Caddy wants the key of a root too, reads it, and has no use for it where the intermediate is given: whatever is a
/// key does, and the root's own stays where it is.
fn authority() -> Value {
    let file = |name: &str| format!("{CREDENTIALS}/{name}");
    json!({
        "install_trust": false,
        "root": { "certificate": file("root.pem"), "private_key": file("ca-key.pem") },
        "intermediate": { "certificate": file("ca.pem"), "private_key": file("ca-key.pem") },
    })
}
