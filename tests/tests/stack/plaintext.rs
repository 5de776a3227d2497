//! Where the vault's plaintext is not.

use fixtures::command::program;

use crate::node::Node;

/// Every line of the vault's secrets that tells one from another, and the password of the snake-oil vault, which a
/// machine whose vault was changed has no more.
fn secrets(node: &Node) -> String {
    let text = node.run("find /run/vault -type f ! -name '*-cert.pem' -exec cat {} + -exec echo \\;");
    let is_secret = |line: &&str| line.len() >= 6 && !line.starts_with(['-', '#', '[']);
    let mut lines: Vec<&str> = text.lines().filter(is_secret).chain(["abc123"]).collect();
    lines.sort_unstable();
    lines.dedup();
    assert!(
        lines.len() > 7,
        "two hashes in two schemes, a password, a setting, a private key of several lines"
    );
    lines.join("\n") + "\n"
}

/// In whatever was written since the node was installed; but what the test puts there is found.
pub fn none_is_on_the_disk(node: &Node) {
    let secrets = secrets(node);
    node.write("/root/planted", &format!("of a test: {secrets}"));
    let layers = node.written();
    let found = program("grep").args(["--recursive", "--text", "--files-with-matches", "--no-messages"]);
    // Our programs know what snake oil is.
    let found = found.args(["--exclude=vaultd", "--exclude=vaultgen", "--fixed-strings", "--file=-"]);
    let found = found.args(&layers).input(secrets).run();
    node.run("rm /root/planted");
    let planted = layers[0].join("root/planted");
    let found = found.text();
    assert_eq!(found.lines().collect::<Vec<_>>(), [planted.to_string_lossy()], "plaintext on the disk");
}

/// Neither in an environment nor in an argument; but what the test puts there is found.
pub fn none_is_in_a_process(node: &Node) {
    node.write("/run/secrets", &secrets(node));
    let found = node.run(
        "read -r PLANTED </run/secrets
         export PLANTED
         sleep 600 &
         unset PLANTED
         planted=$!
         sleep 0.2
         grep --text --files-with-matches --no-messages --fixed-strings --file=/run/secrets \
             /proc/[0-9]*/environ /proc/[0-9]*/cmdline | sed s/$planted/planted/ || true
         kill $planted
         rm /run/secrets",
    );
    assert_eq!(found, "/proc/planted/environ", "plaintext in a process");
}
