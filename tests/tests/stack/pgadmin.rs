//! PgAdmin below `/pgadmin`, as a browser meets it.

use crate::{node::Node, odoo::AUTHORITY};

/// What a browser does: it keeps cookies, and finds the token against forged requests in each page.
const BROWSER: &str = r#"
url=https://localhost/pgadmin
get() {
    curl --silent --show-error --cacert "$authority" --cookie-jar /run/pgadmin --cookie /run/pgadmin "$@"
}
log_in() {
    rm -f /run/pgadmin
    token=$(get $url/login | sed -n 's/.*"csrfToken": "\([^"]*\).*/\1/p')
    printf 'email=admin@localhost&password=%s&csrf_token=%s&internal_button=Login' "$1" "$token" |
        get --output /dev/null --header "Referer: $url/login" --data @- $url/authenticate/login
    get --output /dev/null --write-out '%{http_code} %{redirect_url}\n' $url/browser/
}
"#;

/// Shell commands of a browser.
fn browse(node: &Node, script: &str) -> String {
    node.run(&format!("authority={AUTHORITY}\n{BROWSER}\n{script}"))
}

/// Whoever has another password is sent back to the login.
pub fn logs_in_with_the_vaults_password_alone(node: &Node) {
    let told = browse(node, "log_in abc124");
    assert!(told.starts_with("302 https://localhost/pgadmin/login"), "{told}");
    assert_eq!(browse(node, "log_in abc123"), "200");
}

/// Nobody guesses for long; what the page says unlocks.
pub fn locks_after_three_wrong_passwords(node: &Node) {
    browse(node, "for wrong in 4 5 6; do log_in abc12$wrong; done");
    let told = browse(node, "log_in abc123");
    assert!(told.starts_with("302 https://localhost/pgadmin/login"), "{told}");
    let page = include_str!("../../../docs/box.md");
    let command = page.lines().find(|line| line.starts_with("psql pgadmin ")).expect("a command of the page");
    node.write("/run/unlock", command);
    node.run("su - admin -c 'sh /run/unlock'");
    assert_eq!(browse(node, "log_in abc123"), "200");
}

/// The connection that is there from the start needs no password, and is Odoo's database by PgAdmin's own role.
pub fn is_connected_without_a_prompt(node: &Node) {
    let told = browse(
        node,
        "log_in abc123 >/dev/null
         token=$(get $url/browser/js/utils.js | sed -n \"s/.*csrf_token'\\] = '\\([^']*\\).*/\\1/p\")
         get --request POST --header \"X-pgA-CSRFToken: $token\" --header \"Referer: $url/browser/\" \
             $url/browser/server/connect/1/1",
    );
    let told: serde_json::Value =
        serde_json::from_str(&told).unwrap_or_else(|error| panic!("{error}: {told}"));
    assert_eq!(told["data"]["connected"], true, "{told}");
    assert_eq!(told["data"]["db"], crate::odoo::DATABASE, "{told}");
    assert_eq!(told["data"]["user"]["name"], "pgadmin", "{told}");
    assert_eq!(told["data"]["user"]["is_superuser"], false, "{told}");
}
