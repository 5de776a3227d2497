//! Odoo, as browsers and other programs meet it.

use serde_json::{Value, json};

use crate::node::Node;

/// The vault's authority, which everybody may read.
pub const AUTHORITY: &str = "/run/vault/certs/vault-ca-cert.pem";
/// Where Odoo is.
const URL: &str = "https://localhost";
/// The database.
pub const DATABASE: &str = "odoo_martel_14";

/// Asks Odoo by JSON-RPC over TLS, in the session of the machine's root.
fn ask(node: &Node, path: &str, parameters: &Value) -> Value {
    node.write("/run/question", &json!({ "jsonrpc": "2.0", "params": parameters }).to_string());
    let answer = node.run(&format!(
        "curl --silent --show-error --max-time 100 --cacert {AUTHORITY} --cookie-jar /run/session --cookie /run/session \
             --header 'Content-Type: application/json' --data @/run/question {URL}{path}"
    ));
    serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Logs in, and tells Odoo's answer.
pub fn log_in(node: &Node, password: &str) -> Value {
    ask(node, "/web/session/authenticate", &json!({ "db": DATABASE, "login": "admin", "password": password }))
}

/// Waits until it answers; after a restart it takes seconds.
pub fn wait_until_it_answers(node: &Node) {
    for url in [format!("{URL}/web/login"), format!("{URL}/longpolling/poll")] {
        node.run(&format!(
            "for try in $(seq 300); do
                 code=$(curl --silent --output /dev/null --write-out '%{{http_code}}' --cacert {AUTHORITY} {url})
                 case $code in 000|502) sleep 0.3 ;; *) exit 0 ;; esac
             done
             echo \"{url}: $code\"
             exit 1"
        ));
    }
}

/// The login page comes over TLS by the vault's certificate, which nobody else's authority has signed.
pub fn is_served_with_the_vaults_certificate(node: &Node) {
    wait_until_it_answers(node);
    let page = node.run(&format!("curl --silent --show-error --cacert {AUTHORITY} {URL}/web/login"));
    assert!(page.contains("name=\"csrf_token\"") && page.contains("name=\"password\""), "{page}");
    // CURLE_PEER_FAILED_VERIFICATION
    assert_eq!(node.try_run(&format!("curl --silent {URL}/web/login")).status, Some(60));
    let served = node.run(
        "openssl s_client -connect localhost:443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256",
    );
    let of_vault =
        node.run("openssl x509 -in /run/vault/certs/localhost-cert.pem -noout -fingerprint -sha256");
    assert_eq!(served, of_vault);
}

/// admin/admin, with which Odoo's data begins.
pub fn denies_the_password_of_its_data(node: &Node) {
    for password in ["admin", "", "abc124"] {
        let answer = log_in(node, password);
        assert_eq!(answer["error"]["data"]["name"], "odoo.exceptions.AccessDenied", "{password:?}: {answer}");
    }
}

/// The snake-oil vault's.
pub fn takes_the_vaults_password(node: &Node) {
    let answer = log_in(node, "abc123");
    assert_eq!(answer["result"]["username"], "admin", "{answer}");
    assert_eq!(answer["result"]["is_admin"], true, "{answer}");
}

/// Through Nginx to the process for long polling, and from there to PostgreSQL's notifications; the processes that
/// answer everything else refuse to wait.
pub fn long_polling_hears_what_another_process_says(node: &Node) {
    // The module that has it is not in a new database; as the administrator adds one.
    node.run(
        "su - admin -c 'odoo --init=bus --stop-after-init' >/run/said 2>&1 || { cat /run/said; exit 1; }
         systemctl restart odoo.service",
    );
    wait_until_it_answers(node);
    takes_the_vaults_password(node);
    let poll = json!({ "channels": ["probe"], "last": 0 });
    let mut speaker = node
        .command(
            "sleep 3
             echo \"env['bus.bus'].sendone('probe', 'heard'); env.cr.commit()\" |
                 su - admin -c 'odoo shell' >/run/said 2>&1",
        )
        .spawn()
        .expect("a shell");
    let answer = ask(node, "/longpolling/poll", &poll);
    assert!(speaker.wait().expect("a shell").success(), "{}", node.run("cat /run/said"));
    assert_eq!(answer["result"][0]["message"], "heard", "{answer}");

    let refused = node.run(
        "curl --silent --header 'Content-Type: application/json' --data @/run/question \
             http://127.0.0.1:8069/longpolling/poll",
    );
    assert!(refused.contains("bus.Bus unavailable"), "{refused}");
}
