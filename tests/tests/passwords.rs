//! Passwords made and replaced: libcrypt, PAM and OpenSSL take what comes of it.

use std::fs;

use fixtures::{
    command::{Ended, Run, program, vaultgen},
    login::Login,
    machine::{
        self,
        Need::{self, Program, Root},
    },
    terminal::Operator,
    tree::contents,
    vault::Vault,
};

const NEEDS: [Need; 2] = [Program("age"), Program("perl")];
const TERMINAL: [Need; 3] = [Program("sh"), Program("stty"), Program("age")];
const PASSWORD: &str = "kelp-Orbit7-vanilla-tram";
const WEAK: &str = "password1";
/// Nobody's name, and nothing that stands in any message by chance.
const LEAKED: &str = "Zq7tromboneLeak";

fn on(vault: &Vault, arguments: &[&str]) -> Run {
    vaultgen().arg("--vault").arg(vault.path()).args(arguments)
}

/// One password with a hash of each kind, of which one goes by a name of its own, beside another secret.
fn small() -> Vault {
    Vault::with("passwords/root.txt", "the old password")
        .of_kind("password")
        .and("passwords/root.yesc", crypt("the old password", "$y$j9T$abcdefgh$"))
        .policy("kind = \"password-hash\"\nfrom = \"passwords/root.txt\"\nowner = \"odoo\"")
        .and("logins/shadow", crypt("the old password", "$6$abcdefgh$"))
        .policy("kind = \"password-hash\"\nfrom = \"passwords/root.txt\"")
        .and("logins/old.sha512", crypt("the old password", "$6$abcdefgh$"))
        .policy("kind = \"password-hash\"\nfrom = \"passwords/root.txt\"")
        .and("token", "of somebody else")
        .build()
        .trusted()
}

/// What crypt(3) of the system's libcrypt makes of a password and a setting.
fn crypt(password: &str, setting: &str) -> String {
    let script = "chomp(my ($password, $setting) = <STDIN>); print crypt($password, $setting)";
    program("perl").args(["-e", script]).input(format!("{password}\n{setting}\n")).succeeds().text()
}

/// Everything opens, and every hash is that of its password.
#[track_caller]
fn expect_sound(vault: &Vault) {
    let opened = on(vault, &["verify", "--identity"]).arg(vault.identity()).succeeds();
    opened.says(&format!("opened: {} secret", vault.names().len()));
}

#[track_caller]
fn expect_hash(vault: &Vault, name: &str, password: &str, prefix: &str) {
    let hash = vault.open_text(name);
    assert!(hash.starts_with(prefix) && crypt(password, &hash) == hash, "{name}: {hash}");
}

/// The operator's vault keeps its bytes, and so does everything in it that a verb did not mean.
#[track_caller]
fn expect_refused(vault: &Vault, run: Run, status: i32, error: &str) -> Ended {
    let before = contents(&vault.path());
    let ended = run.exits(status);
    ended.explains_once(error);
    assert!(contents(&vault.path()) == before, "something was changed: {ended}");
    ended
}

#[test]
fn a_new_password_takes_all_its_hashes_with_it_and_nothing_else() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    let (policy, token) = (vault.path().join("vault.toml"), vault.path().join("token.age"));
    let before = (fs::read(&policy).expect("a policy"), fs::read(&token).expect("a token"));
    let ended = on(&vault, &["root", "--stdin"]).input(format!("{PASSWORD}\r\nrest")).succeeds();
    ended.tells_nothing_of(PASSWORD);
    assert_eq!(vault.open_text("passwords/root.txt"), PASSWORD);
    expect_hash(&vault, "passwords/root.yesc", PASSWORD, "$y$j9T$");
    // By its name; the other by what it was.
    expect_hash(&vault, "logins/old.sha512", PASSWORD, "$6$");
    expect_hash(&vault, "logins/shadow", PASSWORD, "$y$");
    assert!((fs::read(&policy).expect("a policy"), fs::read(&token).expect("a token")) == before);
    let lock = fs::read_to_string(vault.path().join("vault.lock")).expect("a lock");
    assert_eq!(lock.matches("origin = \"entered\"").count(), 1, "{lock}");
    expect_sound(&vault);
}

/// The hash of no name stays of the scheme that the lock says it has.
#[test]
fn a_hash_keeps_its_scheme() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let table = "\n[secret.\"logins/shadow\"]\nkind = \"password-hash\"\nfrom = \"passwords/root.txt\"\n";
    let file = vault.path().join("vault.toml");
    let policy = fs::read_to_string(&file).expect("a policy") + table;
    fs::write(&file, policy).expect("an edit");
    on(&vault, &["sign", "--yes"]).succeeds();
    // A table without a secret: it comes with the next password, and stays what it is then.
    on(&vault, &["root", "--batch"]).succeeds().says("logins/shadow");
    expect_hash(&vault, "logins/shadow", &vault.open_text("passwords/root.txt"), "$y$");
    let hash = crypt(&vault.open_text("passwords/root.txt"), "$6$abcdefgh$");
    on(&vault, &["rotate", "logins/shadow", "--stdin"]).input(hash).succeeds();
    on(&vault, &["root", "--batch"]).succeeds();
    expect_hash(&vault, "logins/shadow", &vault.open_text("passwords/root.txt"), "$6$");
    expect_sound(&vault);
}

/// What login, PAM and the short verbs make of it, without any identity at hand.
#[test]
fn a_login_changes_with_its_password_and_no_identity_is_needed() {
    let programs = ["useradd", "userdel", "chpasswd", "pamtester"].map(Program);
    if !machine::has(&NEEDS) || !machine::has(&[Root]) || !machine::has(&programs) {
        return;
    }
    let vault = Vault::standard();
    let old = vault.open_text("passwords/admin.txt");
    fs::rename(vault.identity(), vault.beside("away")).expect("an identity elsewhere");
    on(&vault, &["admin", "--batch"]).succeeds();
    let open = |name: &str| {
        let age = program("age").args(["-d", "-i"]).arg(vault.beside("away"));
        age.arg(vault.path().join(name)).succeeds().text()
    };
    let new = open("passwords/admin.txt.age");
    assert!(new != old && new.split('-').count() == 7, "not generated");
    for scheme in ["sha512", "yesc"] {
        let login = Login::new();
        login.set_hash(&open(&format!("passwords/admin.{scheme}.age")));
        assert_eq!(login.authenticate(&new).status, Some(0), "{scheme}");
        assert_eq!(login.authenticate(&old).status, Some(1), "{scheme}");
    }
}

#[test]
fn several_passwords_change_at_once_and_a_new_one_gets_its_hashes() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let names = ["root", "admin", "odoo-admin", "pgadmin-admin"];
    let old = names.map(|name| vault.open_text(&format!("passwords/{name}.txt")));
    on(&vault, &["password", "--generate", "root", "admin", "passwords/odoo-admin.txt", "root"]).succeeds();
    let new = names.map(|name| vault.open_text(&format!("passwords/{name}.txt")));
    assert!(new[..3].iter().zip(&old).all(|(new, old)| new != old) && new[3] == old[3]);
    on(&vault, &["password", "backup", "--batch"]).succeeds().says("passwords/backup.yesc");
    let made = vault.open_text("passwords/backup.txt");
    expect_hash(&vault, "passwords/backup.sha512", &made, "$6$rounds=100000$");
    expect_hash(&vault, "passwords/backup.yesc", &made, "$y$j9T$");
    on(&vault, &["password", "db/replication", "--batch"]).succeeds();
    assert!(vault.names().contains(&"db/replication".to_owned()));
    expect_sound(&vault);
}

#[test]
fn what_login_could_not_take_or_anybody_guesses_is_refused() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    let long = "x1y".repeat(200);
    for (input, error) in [
        (WEAK.to_owned(), "the password is weak: "),
        ("abc12".to_owned(), "too short"),
        (format!("{PASSWORD} "), "white space"),
        (format!("{PASSWORD}\u{7}"), "control character"),
        (format!("{PASSWORD}\0"), "control character"),
        (long.clone(), "no password in the first line"),
        (String::new(), "it is empty"),
        (format!("\n{PASSWORD}"), "it is empty"),
    ] {
        for verb in [["password", "root"].as_slice(), &["root"]] {
            let run = on(&vault, verb).arg("--stdin").input(input.clone());
            let refused = expect_refused(&vault, run, 1, error);
            assert!(input.is_empty() || !refused.errors.contains(input.trim()), "{refused}");
        }
    }
    let run = on(&vault, &["root", "--stdin"]).input(vec![0xff, b'\n']);
    expect_refused(&vault, run, 1, "no password in the first line");
    let weak = on(&vault, &["root", "--stdin", "--allow-weak"]).input(WEAK).succeeds();
    weak.tells_nothing_of(WEAK);
    assert_eq!(vault.open_text("passwords/root.txt"), WEAK);
    // Weak is a matter of taste, what login takes is not.
    let run = on(&vault, &["root", "--stdin", "--allow-weak"]).input("a\u{1b}[2Jbcdef");
    expect_refused(&vault, run, 1, "control character");
}

/// It is in the shell's history by then, and must not be in a log too, or in the vault as a name.
#[test]
fn a_password_as_an_argument_is_refused_and_not_repeated() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    let flag = format!("--password={LEAKED}");
    let generate = format!("--generate={LEAKED}");
    let strange = format!("{LEAKED}!");
    for arguments in [
        ["root", LEAKED].as_slice(),
        &["admin", LEAKED, "more"],
        &["pgadmin-admin", &strange],
        &["odoo-admin", &flag],
        &["root", &generate],
        &["root", &format!("--{LEAKED}")],
        &["password", "root", &strange],
        &["password", &strange],
        &["password", &format!("a b {LEAKED}")],
        &["add", "another", LEAKED],
        &["add", &strange],
    ] {
        let refused = expect_refused(&vault, on(&vault, arguments).arg("--batch"), 2, "argument");
        refused.tells_nothing_of(LEAKED).says("history");
    }
    // It could be a name; beside another one it is taken for what it is.
    let run = on(&vault, &["password", "root", LEAKED, "--batch"]);
    expect_refused(&vault, run, 1, "no password of this vault").tells_nothing_of(LEAKED).says("history");
    let run = on(&vault, &["password", "root", "admin", "--stdin"]).input(PASSWORD);
    expect_refused(&vault, run, 2, "for one NAME");
}

#[test]
fn what_is_no_password_of_its_own_is_refused() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    let on_it = |name| on(&vault, &["password", name, "--batch"]);
    expect_refused(&vault, on_it("passwords/root.yesc"), 1, "is derived from passwords/root.txt");
    let ended = on(&vault, &["add", "passwords/other.yesc"]).input("mine").succeeds();
    ended.says("added: passwords/other.yesc");
    expect_refused(&vault, on_it("passwords/other.yesc"), 1, "of kind \"opaque\"");
    expect_refused(&vault, on_it("other"), 1, "passwords/other.yesc is in the vault, and is not derived");
    on(&vault, &["add", "certs/x", "--kind", "password"]).input("mine\n").succeeds();
    assert_eq!(vault.open_text("certs/x"), "mine");
    on_it("certs/x").succeeds();
    assert_ne!(vault.open_text("certs/x"), "mine");
}

#[test]
fn typed_passwords_are_asked_for_twice_and_never_seen() {
    if !machine::has(&TERMINAL) || !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    let ask = |arguments: &[&str], first: &str, second: Option<&str>| {
        let mut operator = Operator::starts(on(&vault, arguments));
        operator.reads("Password for root (empty: generate one): ").types(first);
        if let Some(second) = second {
            operator.reads("The same again for root: ").types(second);
        }
        operator.ends()
    };
    let (status, screen) = ask(&["root"], PASSWORD, Some(PASSWORD));
    assert!(status == 0 && !screen.contains(PASSWORD), "{screen}");
    assert_eq!(vault.open_text("passwords/root.txt"), PASSWORD);
    expect_hash(&vault, "passwords/root.yesc", PASSWORD, "$y$");

    let (status, screen) = ask(&["password", "root"], WEAK, Some(WEAK));
    assert!(status == 1 && screen.contains("is weak") && !screen.contains(WEAK), "{screen}");
    let (status, screen) = ask(&["root"], PASSWORD, Some(WEAK));
    assert!(status == 1 && screen.contains("differ"), "{screen}");
    assert_eq!(vault.open_text("passwords/root.txt"), PASSWORD);
    let (status, screen) = ask(&["root", "--allow-weak"], WEAK, Some(WEAK));
    assert!(status == 0 && !screen.contains(WEAK), "{screen}");
    assert_eq!(vault.open_text("passwords/root.txt"), WEAK);
    let (status, screen) = ask(&["root"], "", None);
    let generated = vault.open_text("passwords/root.txt");
    assert!(status == 0 && generated.len() >= 20 && !screen.contains(&generated), "{screen}");

    let (status, screen) = Operator::starts(on(&vault, &["root", "--stdin"])).ends();
    assert!(status == 1 && screen.contains("standard input is a terminal"), "{screen}");
}

/// Somebody who cannot sign leaves it to a signer.
#[test]
fn a_password_can_be_proposed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = small();
    fs::rename(vault.path().join("signing.key"), vault.beside("away")).expect("a key elsewhere");
    on(&vault, &["root", "--stdin", "--no-sign"]).input(PASSWORD).succeeds().says("proposed");
    on(&vault, &["verify"]).exits(1);
    on(&vault, &["sign", "--yes", "--sign-key"]).arg(vault.beside("away")).succeeds();
    assert_eq!(vault.open_text("passwords/root.txt"), PASSWORD);
    expect_sound(&vault);
}
