//! Secrets that come in from outside: the exact bytes, one or a whole tree, judged by age.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
};

use fixtures::{
    command::{Ended, Run, program, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    terminal::Operator,
    tree::contents,
    vault::Vault,
};

const NEEDS: [Need; 1] = [Program("age")];
const TERMINAL: [Need; 2] = [Program("sh"), Program("stty")];
const VALUE: &str = "s3cr3t-Value-of-somebody";

fn on(vault: &Vault, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(arguments)
}

fn small() -> Vault {
    Vault::with("token", "one").build().trusted()
}

fn policy(vault: &Vault) -> String {
    fs::read_to_string(vault.path().join("vault.toml")).expect("a policy")
}

#[track_caller]
fn expect_sound(vault: &Vault) {
    let opened = on(vault, &["verify", "--identity"]).arg(vault.identity()).succeeds();
    opened.says(&format!("opened: {} secret", vault.names().len()));
}

#[track_caller]
fn expect_refused(vault: &Vault, run: Run, error: &str) -> Ended {
    let before = contents(&vault.path());
    let ended = run.exits(1);
    ended.explains_once(error);
    assert!(contents(&vault.path()) == before, "something was changed: {ended}");
    ended
}

/// No line end comes or goes, but for what login would take for a part of a password.
#[test]
fn the_exact_bytes_come_in_without_an_identity() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    let opens = |name: &str| {
        let age = program("age").args(["-d", "-i"]).arg(vault.beside("away"));
        age.arg(vault.path().join(format!("{name}.age"))).succeeds().output
    };
    fs::rename(vault.identity(), vault.beside("away")).expect("an identity elsewhere");
    let all: Vec<u8> = (0..=255).chain([b'\n', b'\n']).collect();
    on(&vault, &["add", "a/binary"]).input(all.clone()).succeeds();
    assert_eq!(opens("a/binary"), all);
    let lines = [("x", "x"), ("x\n", "x"), ("x\r\n", "x"), ("x\n\n", "x\n"), (" x ", " x ")];
    for (index, (given, taken)) in lines.into_iter().enumerate() {
        let (plain, password) = (format!("plain{index}"), format!("password{index}"));
        on(&vault, &["add", &plain]).input(given).succeeds();
        on(&vault, &["add", &password, "--kind", "password"]).input(given).succeeds();
        assert_eq!(opens(&plain), given.as_bytes());
        assert_eq!(opens(&password), taken.as_bytes());
    }
    let file = vault.beside("value");
    fs::write(&file, VALUE).expect("a file");
    let added = on(&vault, &["add", "b", "--file"]).arg(&file).succeeds();
    added.says(&format!("{} still has it in plain text", file.display())).tells_nothing_of(VALUE);
    assert_eq!(opens("b"), VALUE.as_bytes());
    // A pipe is as good as a file.
    let shell = "cat \"$1\" | \"$2\" --vault \"$3\" add c --file /dev/fd/0";
    let run = program("sh").args(["-c", shell, "sh"]).arg(&file);
    run.arg(fixtures::command::odbox("vaultgen")).arg(vault.path()).succeeds();
    assert_eq!(opens("c"), VALUE.as_bytes());
}

/// Everything that the policy can say of a secret; and the rest of the policy stays.
#[test]
fn flags_become_the_table_of_the_secret() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault =
        Vault::with("token", "one").policy("# ours\n[secret.later]\nrotate-after = \"90d\" # soon").build();
    let vault = vault.trusted();
    let before = policy(&vault);
    let run = on(&vault, &["add", "odoo/smtp", "--kind", "password", "--audience", "ops"]);
    let run = run.args(["--owner", "odoo", "--group", "mail", "--mode", "0440", "--expires", "2097-03-01"]);
    let run =
        run.args(["--service", "odoo.service", "--service", "mail.service", "--description", "a \"b\"\n"]);
    run.args(["--on-change", "restart odoo.service"]).input(VALUE).succeeds().tells_nothing_of(VALUE);
    let table = "\n[secret.\"odoo/smtp\"]\nkind = \"password\"\ndescription = \"\"\"\na \"b\"\n\"\"\"\n\
        audience = [\"ops\"]\nowner = \"odoo\"\ngroup = \"mail\"\nmode = \"0440\"\n\
        services = [\"odoo.service\", \"mail.service\"]\non-change = [\"restart odoo.service\"]\n\
        expires = 2097-03-01\n";
    assert_eq!(policy(&vault), format!("{before}{table}"));

    // What was written by hand before stays, unless a flag says otherwise.
    on(&vault, &["add", "later", "--owner", "odoo"]).input(VALUE).succeeds();
    assert!(
        policy(&vault)
            .contains("[secret.later]\nrotate-after = \"90d\" # soon\nkind = \"opaque\"\nowner = \"odoo\"\n"),
        "{}",
        policy(&vault)
    );
    expect_sound(&vault);
}

#[test]
fn certificates_and_keys_are_what_they_claim_to_be() {
    if !machine::has(&NEEDS) || !machine::has(&["openssl", "ssh-keygen"].map(Program)) {
        return;
    }
    let vault = small();
    let (key, certificate, ssh) = (vault.beside("key"), vault.beside("cert"), vault.beside("ssh"));
    let request =
        program("openssl").args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let request =
        request.args(["-nodes", "-subj", "/CN=test", "-keyout"]).arg(&key).arg("-out").arg(&certificate);
    request.succeeds();
    program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&ssh).succeeds();
    let add = |name: &str, kind: &str, file| on(&vault, &["add", name, "--kind", kind, "--file"]).arg(file);
    add("test-key", "private-key", &key).succeeds();
    add("test-cert", "certificate", &certificate).succeeds();
    add("test-ssh", "ssh-key", &ssh).succeeds();
    let lock = fs::read_to_string(vault.path().join("vault.lock")).expect("a lock");
    let print = program("ssh-keygen").args(["-lf"]).arg(&ssh).succeeds().text();
    assert!(lock.contains("subject = \"CN=test\""), "{lock}");
    assert!(lock.contains(print.split(' ').nth(1).expect("a fingerprint")), "{lock}");
    let world = "[secret.test-cert]\nkind = \"certificate\"\nmode = \"0444\"\nworld-readable = true\n";
    assert!(policy(&vault).contains(world), "{}", policy(&vault));
    expect_sound(&vault);
    let wrong =
        [("private-key", &certificate), ("certificate", &key), ("ssh-key", &key), ("password-hash", &ssh)];
    for (kind, file) in wrong {
        expect_refused(&vault, add("other", kind, file), "other: it is no");
    }
}

#[test]
fn what_cannot_be_added_changes_nothing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    // What is wrong in the policy is shown where it would stand.
    let expect_shown = |run: Run, error: &str| {
        let before = contents(&vault.path());
        let ended = run.exits(1);
        ended.says(error).says("vault.toml:").says("hint: ");
        assert!(contents(&vault.path()) == before, "something was changed: {ended}");
    };
    let add = |arguments: &[&str]| on(&vault, &["add"]).args(arguments).input(VALUE);
    expect_refused(&vault, add(&["token"]), "token is in the vault already").says("vaultgen rotate token");
    expect_refused(&vault, add(&["other"]).input(""), "it is empty");
    expect_refused(&vault, add(&["other", "--kind", "password"]).input("\n"), "there is no value");
    expect_shown(add(&["other", "--audience", "nobody"]), "no group or machine is called \"nobody\"");
    expect_shown(add(&["other", "--service", "nginx"]), "this is no systemd unit");
    expect_shown(add(&["other", "--on-change", "stop nginx.service"]), "no action on a unit");
    expect_shown(add(&["other", "--owner", "x y"]).arg("--quiet"), "name of a user");
    expect_refused(&vault, add(&["other", "--mode", "0444"]), "every user of the machine");
    expect_shown(add(&["token/below"]), "lies below \"token\"");
    expect_shown(add(&["TOKEN"]), "stands for the same path");
    expect_refused(&vault, add(&["other", "--file", "/nowhere"]), "/nowhere: cannot be read");
    expect_refused(&vault, add(&["other", "--file", "/"]), "it is a folder");
    let endless = add(&["other", "--file"]).arg("/dev/zero").under([
        "sh",
        "-c",
        "ulimit -v 3000000; exec \"$@\"",
        "sh",
    ]);
    expect_refused(&vault, endless, "longer than 1 GiB");
    for wrong in [
        ["other", "--expires", "soon"].as_slice(),
        &["other", "--kind", "secret"],
        &["other", "--mode", "0777"],
        &[".git/hooks/x"],
        &["../x"],
        &["other", "--from", "/tmp"],
        &["other", "--file", "/etc/hostname", "--from", "/tmp"],
        &[],
    ] {
        let before = contents(&vault.path());
        let refused = add(wrong).exits(2);
        assert!(contents(&vault.path()) == before, "{refused}");
    }
}

#[test]
fn a_whole_tree_comes_in_at_once() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    let tree = vault.beside("tree");
    fs::create_dir_all(tree.join("a/b")).expect("a folder");
    fs::create_dir_all(tree.join("empty")).expect("a folder");
    for (path, text) in [("one", "1\n"), ("a/two", "2"), ("a/b/.three", VALUE)] {
        fs::write(tree.join(path), text).expect("a file");
    }
    let add = || on(&vault, &["add", "--owner", "odoo", "--from"]).arg(&tree);
    let added = add().succeeds();
    added.says("added: 3 secrets; serial 2").tells_nothing_of(VALUE);
    assert_eq!(vault.names(), ["a/b/.three", "a/two", "one", "token"]);
    for (name, text) in [("one", "1\n"), ("a/two", "2"), ("a/b/.three", VALUE)] {
        assert_eq!(vault.open_text(name), text);
        assert!(policy(&vault).contains("owner = \"odoo\""));
    }
    expect_sound(&vault);
    expect_refused(&vault, add(), "a/b/.three is in the vault already, and so are 2 others");

    fs::remove_dir_all(&tree).expect("a tree to remove");
    fs::create_dir(&tree).expect("a folder");
    expect_refused(&vault, add(), "there is no file in it");
    let long = format!("{}/x", "y".repeat(252));
    for (path, error) in [
        ("a b", "cannot be the name"),
        ("x.age", "cannot be the name"),
        (&long, "cannot be the name"),
        ("\u{1b}[2J", "cannot be the name"),
        ("none", "it is empty"),
    ] {
        let file = tree.join(path);
        fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        fs::write(&file, if path == "none" { "" } else { VALUE }).expect("a file");
        let refused = expect_refused(&vault, add(), error);
        assert!(!refused.errors.contains('\u{1b}'), "{refused}");
        fs::remove_file(&file).expect("a file");
        let _ = fs::remove_dir(file.parent().expect("a folder"));
        fs::create_dir_all(&tree).expect("a folder");
    }
    fs::write(tree.join("good"), VALUE).expect("a file");
    symlink("good", tree.join("link")).expect("a link");
    expect_refused(&vault, add(), "link: it is a symbolic link");
    fs::remove_file(tree.join("link")).expect("a link");
    program("mkfifo").arg(tree.join("pipe")).succeeds();
    expect_refused(&vault, add(), "pipe: it is a symbolic link or a special file");
    fs::remove_file(tree.join("pipe")).expect("a pipe");
    expect_refused(
        &vault,
        on(&vault, &["add", "--from"]).arg(vault.beside("nowhere")),
        "no such file or folder",
    );
    // The vault's own keys are no secrets.
    for place in [vault.path(), vault.beside(""), vault.path().join("..")] {
        expect_refused(&vault, on(&vault, &["add", "--from"]).arg(place), "the vault lies in it");
    }
    add().succeeds().says("added: 1 secret");
}

/// Root may read everything.
#[test]
fn a_file_that_may_not_be_read_is_named() {
    if !machine::has(&NEEDS) || !machine::has(&[Need::Root]) {
        return;
    }
    let vault = small();
    let file = vault.beside("locked");
    fs::write(&file, VALUE).expect("a file");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o000)).expect("chmod");
    let run = fixtures::command::public_copy("vaultgen", &vault.beside("")).as_user(12345);
    let refused = run.args(["add", "x", "--file"]).arg(&file).exits(1);
    refused.explains("locked: cannot be read");
}

#[test]
fn one_line_can_be_typed_unseen() {
    if !machine::has(&NEEDS) || !machine::has(&TERMINAL) {
        return;
    }
    let vault = small();
    let mut operator = Operator::starts(on(&vault, &["add", "typed"]));
    operator.reads("New value for typed (empty: none): ").types(VALUE);
    operator.reads("The same again for typed: ").types(VALUE);
    let (status, screen) = operator.ends();
    assert!(status == 0 && !screen.contains(VALUE), "{screen}");
    assert_eq!(vault.open_text("typed"), VALUE);
    let (status, screen) = Operator::starts(on(&vault, &["add", "key", "--kind", "private-key"])).ends();
    assert!(status == 1 && screen.contains("not something to type"), "{screen}");
    let (status, screen) = Operator::starts(on(&vault, &["add", "typed"])).ends();
    assert!(status == 1 && screen.contains("typed is in the vault already"), "{screen}");
}

/// Somebody who cannot sign leaves it to a signer.
#[test]
fn a_secret_can_be_proposed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    fs::rename(vault.path().join("signing.key"), vault.beside("away")).expect("a key elsewhere");
    on(&vault, &["add", "other", "--no-sign"]).input(VALUE).succeeds().says("proposed");
    on(&vault, &["verify"]).exits(1);
    on(&vault, &["sign", "--yes", "--sign-key"]).arg(vault.beside("away")).succeeds();
    assert_eq!(vault.open_text("other"), VALUE);
    expect_sound(&vault);
}

/// Whoever writes the value may be reading the vault: neither waits for the other.
#[test]
fn a_secret_can_be_copied_within_the_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let long = "x".repeat(1 << 20);
    let vault = Vault::with("token", long.clone()).build().trusted();
    let shell = "\"$1\" --vault \"$2\" show token | \"$1\" --vault \"$2\" add copy";
    let run = program("sh").args(["-c", shell, "sh"]).arg(fixtures::command::odbox("vaultgen"));
    run.arg(vault.path()).succeeds();
    assert!(vault.open_text("copy") == long);
}
