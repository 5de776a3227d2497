//! Readers whose keys only an age plugin can use: a public one in software, and one of ours that asks for a
//! PIN on a real terminal.

use std::{fs, process::Command};

use fixtures::{
    command::{Run, program, public_copy, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    mount::MountPoint,
    plugin::{PIN, PluginKey, plugged_in},
    terminal::Operator,
    tree,
    vault::Vault,
};

/// Somebody who runs nothing else.
const SOMEBODY: u32 = 50_017;
const TERMINAL: [Need; 2] = [Program("sh"), Program("stty")];
/// X-Wing in software: a plugin that others made, and that takes no hardware.
const PLUGIN: &str = "age-plugin-xwing";
const PEERS: [Need; 4] = [Program(PLUGIN), Program("age"), Program("rage"), Program("age-keygen")];

fn two_secrets() -> Vault {
    Vault::with("other", "another").and("token", "the value").build().trusted()
}

fn on(vault: &Vault, arguments: &[&str]) -> Run {
    plugged_in(vaultgen().arg("--vault").arg(vault.path()).args(arguments))
}

/// The types of the stanzas of a secret, in order of the alphabet and without grease: where that is put is chance.
fn stanzas(vault: &Vault, name: &str) -> Vec<String> {
    let file = fs::read(vault.path().join(format!("{name}.age"))).expect("a file");
    let lines = String::from_utf8_lossy(&file);
    let lines = lines.lines().take_while(|line| !line.starts_with("---"));
    let types = lines.filter_map(|line| line.strip_prefix("-> ")?.split(' ').next());
    let mut types: Vec<String> = types.filter(|tag| !tag.ends_with("-grease")).map(str::to_owned).collect();
    types.sort();
    types
}

/// What age and rage make of a secret with a plugin's identity.
#[track_caller]
fn expect_opened_by_peers(key: &PluginKey, vault: &Vault, name: &str, value: &str) {
    for peer in ["age", "rage"] {
        let open = program(peer).args(["-d", "-i"]).arg(&key.file);
        let opened = open.arg(vault.path().join(format!("{name}.age"))).succeeds();
        assert_eq!(opened.text(), value, "{peer}");
    }
}

#[test]
fn a_public_plugin_joins_leaves_and_opens_what_age_and_rage_open() {
    if !machine::has(&PEERS) {
        return;
    }
    let vault = two_secrets();
    let key = PluginKey::of(PLUGIN, &vault.beside("xwing.key"));
    on(&vault, &["recipients", "add", "ops", &key.recipient]).succeeds();
    on(&vault, &["verify"]).succeeds();
    // The header alone was made anew; then all of it.
    for again in ["", "rekey"] {
        if !again.is_empty() {
            on(&vault, &[again]).succeeds();
        }
        assert_eq!(stanzas(&vault, "token"), ["X25519", "xwing"]);
        expect_opened_by_peers(&key, &vault, "token", "the value");
        assert_eq!(vault.open_text("token"), "the value");
    }
    let with_key = |verb: &[&str]| on(&vault, verb).arg("--identity").arg(&key.file);
    assert_eq!(with_key(&["show", "token"]).succeeds().text(), "the value");
    with_key(&["verify"]).succeeds().says("opened: 2 secrets");
    on(&vault, &["add", "third", "--batch"]).input("3").succeeds();
    expect_opened_by_peers(&key, &vault, "third", "3");

    // Who opens files with a plugin can let others in, and out again.
    let friend = PluginKey::of(PLUGIN, &vault.beside("friend.key"));
    with_key(&["recipients", "add", "friends", &friend.recipient]).succeeds();
    with_key(&["grant", "token", "friends"]).succeeds();
    expect_opened_by_peers(&friend, &vault, "token", "the value");
    assert_eq!(stanzas(&vault, "other"), ["X25519", "xwing"]);
    on(&vault, &["recipients", "remove", "ops", &key.recipient]).succeeds().says("known to a removed key");
    assert_eq!((stanzas(&vault, "token").len(), stanzas(&vault, "other").len()), (2, 1));
    with_key(&["show", "other"]).exits(1).explains_once("age-plugin-xwing: ");
    expect_opened_by_peers(&friend, &vault, "token", "the value");
    on(&vault, &["verify"]).succeeds();
}

#[test]
fn a_vault_can_be_made_and_kept_with_a_plugin_alone() {
    if !machine::has(&PEERS) {
        return;
    }
    let vault = Vault::init(&["--bare"]);
    let fresh = vault.beside("fresh");
    let key = PluginKey::of(PLUGIN, &vault.beside("xwing.key"));
    let run = |verb: &[&str]| {
        let variable = format!("VAULTGEN_IDENTITY={}", key.file.display());
        vaultgen().arg("--vault").arg(&fresh).args(verb).under(["env", &variable])
    };
    run(&["init", "--batch"]).succeeds().says("17 secrets");
    let shown = run(&["show", "passwords/root.txt"]).succeeds().text();
    assert!(shown.len() > 10 && !fresh.join("age.key").exists(), "{shown}");
    run(&["certs", "web.example.org"]).succeeds();
    run(&["verify"]).arg("--identity").arg(&key.file).succeeds().says("opened: 19 secrets");

    // Nobody could encrypt to a key that is not known.
    let text = fs::read_to_string(&key.file).expect("an identity");
    let bare: String = text.lines().filter(|line| !line.starts_with('#')).collect();
    fs::write(&key.file, &bare).expect("an identity without comments");
    run(&["verify"]).arg("--identity").arg(&key.file).succeeds().says("opened: 19 secrets");
    // A comment is of the identity below it, and of no other.
    for before in ["", &fs::read_to_string(vault.identity()).expect("an identity")] {
        fs::write(&key.file, format!("{before}{bare}")).expect("an identity without a comment");
        let init = vaultgen().args(["init", "--batch", "--vault"]).arg(vault.beside("other"));
        let init = init.arg("--identity").arg(&key.file).exits(1);
        init.explains_once("the public key is not known");
    }
}

#[test]
fn a_plugin_asks_on_the_terminal_and_for_its_pin_once_a_run() {
    if !machine::has(&TERMINAL) {
        return;
    }
    let vault = two_secrets();
    let key = PluginKey::with_pin(&vault.beside("pin.key"), 3, "pin");
    on(&vault, &["recipients", "add", "ops", &key.recipient]).succeeds();
    assert_eq!(stanzas(&vault, "token"), ["X25519", "pin", "pin", "pin"]);
    on(&vault, &["verify"]).succeeds();

    let mut operator = Operator::starts(on(&vault, &["verify", "--identity"]).arg(&key.file));
    for secret in 0..2 {
        // What a plugin writes does not move the cursor.
        operator.reads("age-plugin-pin: the token \\u{1b}[2J blinks").reads("May it be used?");
        operator.reads("y: use it").reads("n: leave it").reads("[y/N] ").types("y");
        operator.reads("age-plugin-pin: Which slot? ").types("9a");
        if secret == 0 {
            operator.reads("age-plugin-pin: PIN: ").types(PIN);
        }
    }
    operator.reads("opened: 2 secrets");
    let (status, screen) = operator.ends();
    assert!(status == 0 && !screen.contains(PIN) && screen.matches("PIN").count() == 1, "{screen}");

    for (slot, pin, error) in [("9a", Some("wrong"), "the PIN is wrong"), ("1", None, "no such slot")] {
        let mut operator = Operator::starts(on(&vault, &["show", "token", "--identity"]).arg(&key.file));
        operator.reads("[y/N] ").types("y").reads("slot? ").types(slot);
        if let Some(pin) = pin {
            operator.reads("PIN: ").types(pin);
        }
        let (status, screen) = operator.ends();
        assert!(status == 1 && screen.contains(error) && !screen.contains("the value"), "{screen}");
        assert_eq!(screen.matches("error: ").count(), 1, "{screen}");
    }
}

/// A key that opens the file without a question comes first, wherever it stands.
#[test]
fn nobody_is_asked_in_vain() {
    if !machine::has(&TERMINAL) {
        return;
    }
    let vault = two_secrets();
    let key = PluginKey::with_pin(&vault.beside("pin.key"), 1, "pin");
    on(&vault, &["recipients", "add", "ops", &key.recipient]).succeeds();
    let show = |batch: &[&str]| on(&vault, &["show", "token", "--identity"]).arg(&key.file).args(batch);
    show(&[]).under(["setsid", "--wait"]).exits(1).explains_once("age-plugin-pin asks something");
    // Also where there is a terminal.
    let (status, screen) = Operator::starts(show(&["--batch"])).ends();
    assert!(status == 1 && screen.contains("and there is nobody to ask"), "{screen}");
    assert!(!screen.contains("[y/N]"), "{screen}");
    let both = show(&["--batch", "--identity"]).arg(vault.identity()).succeeds();
    assert!(both.text() == "the value" && both.errors.is_empty(), "{both}");
}

#[test]
fn what_is_wrong_with_a_plugin_is_said_once_and_changes_nothing() {
    let vault = two_secrets();
    let key = PluginKey::with_pin(&vault.beside("pin.key"), 1, "pin");
    let add =
        |key: &PluginKey| vec!["recipients".to_owned(), "add".into(), "ops".into(), key.recipient.clone()];
    let plain = |arguments: &[String]| vaultgen().arg("--vault").arg(vault.path()).args(arguments);
    let folder = fixtures::command::odbox("age-plugin-pin").parent().expect("a folder").to_owned();
    let before = fs::read(vault.path().join("vault.lock")).expect("a lock");

    plain(&add(&key)).exits(1).explains_once("there is no age-plugin-pin, which the key takes");
    let debug = plugged_in(plain(&add(&key))).under(["env", "AGEDEBUG=plugin"]);
    debug.exits(1).explains_once("AGEDEBUG is set");
    for path in [".", "", "bin"] {
        // `bin` leads to nothing, so what comes after it counts.
        let path = format!("PATH={path}:/usr/bin:/bin");
        let run = plain(&add(&key)).in_folder(&folder).under(["env", &path]);
        let error =
            if path.contains("bin:/usr") { "there is no age-plugin-pin" } else { "PATH names relatively" };
        run.exits(1).explains_once(error);
    }
    // What cannot be started does not count, wherever it lies; nor does Windows ask for permissions.
    let fake = vault.beside("fake");
    fs::create_dir(&fake).expect("a folder");
    fs::write(fake.join("age-plugin-pin"), "").expect("no program");
    let path = format!("PATH={}:.:/usr/bin:/bin", fake.display());
    let run = plain(&add(&key)).in_folder(&folder).under(["env", &path]);
    run.exits(1).explains_once("PATH names relatively");
    fs::rename(fake.join("age-plugin-pin"), fake.join("age-plugin-pin.exe")).expect("a name");
    let run = plain(&add(&key)).in_folder(&fake).under(["env", "PATH=.:/usr/bin:/bin"]);
    run.exits(1).explains_once("PATH names relatively");
    for tag in ["X25519", "scrypt", "a-grease"] {
        let posing = PluginKey::with_pin(&vault.beside("posing.key"), 1, tag);
        plugged_in(plain(&add(&posing))).exits(1).explains_once(&format!("a stanza of the type {tag}"));
    }
    let silent = PluginKey::with_pin(&vault.beside("silent.key"), 0, "pin");
    plugged_in(plain(&add(&silent))).exits(1).explains_once("age-plugin-pin: ");
    assert_eq!(fs::read(vault.path().join("vault.lock")).expect("a lock"), before);

    plugged_in(plain(&add(&key))).succeeds();
    // A native key opens it without the plugin; and nobody needs the plugin to verify.
    assert_eq!(plain(&["show".into(), "token".into()]).succeeds().text(), "the value");
    plain(&["verify".into()]).succeeds();
    let show = plain(&["show".into(), "token".into(), "--identity".into()]).arg(&key.file);
    show.exits(1).explains_once("there is no age-plugin-pin, which the key takes");
}

#[test]
fn a_machine_may_have_a_plugin_but_vaultd_starts_none() {
    let vault = two_secrets();
    let key = PluginKey::with_pin(&vault.beside("pin.key"), 2, "pin");
    let added = on(&vault, &["machine", "add", "tpm", "--profile", "none", "--recipient", &key.recipient]);
    added.succeeds().says("vaultd starts no age plugins");
    on(&vault, &["grant", "token", "tpm"]).succeeds();
    on(&vault, &["verify"]).succeeds();
    fs::set_permissions(&key.file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("chmod");
    let place = MountPoint::new();
    let mount = plugged_in(place.mount_with(&vault.path(), &key.file, &vault.signers()));
    mount.exits(1).explains_once("no plugins are started here");
}

/// What a native identity opens is served, whoever else may open it.
#[test]
fn vaultd_serves_a_vault_that_has_readers_with_plugins() {
    if !machine::has(&[Need::Root, Need::Fuse, Program("mount")]) {
        return;
    }
    let vault = two_secrets();
    let key = PluginKey::with_pin(&vault.beside("pin.key"), 2, "pin");
    on(&vault, &["recipients", "add", "ops", &key.recipient]).succeeds();
    let place = MountPoint::new();
    place.mount(&vault).succeeds();
    assert_eq!(fs::read(place.join("token")).expect("a secret"), b"the value");
}

/// The daemon is built without the code that starts plugins.
#[test]
fn vaultd_cannot_start_a_plugin() {
    let features = |package: &str| {
        let cargo = Command::new(env!("CARGO"))
            .args(["tree", "--offline", "--locked", "--edges", "no-dev,features", "--package", package])
            .args(["--invert", "age"])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .output();
        let output = cargo.expect("cargo");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let has_plugins = |package: &str| features(package).contains("age feature \"plugin\"");
    assert!(has_plugins("vaultgen") && !has_plugins("vaultd"));
}

/// A plugin is started for each file, and none stays in the table of processes.
#[test]
fn thousands_of_files_do_not_fill_the_table_of_processes() {
    if !machine::has(&[Need::Root, Program("prlimit")]) {
        return;
    }
    let folder = tree::folder();
    let path = |name: &str| folder.path().join(name);
    let key = PluginKey::with_pin(&path("pin.key"), 1, "pin");
    fs::create_dir(path("files")).expect("a folder");
    for number in 0..300 {
        fs::write(path("files").join(format!("file-{number}")), "x").expect("a file");
    }
    std::os::unix::fs::chown(folder.path(), Some(SOMEBODY), Some(SOMEBODY)).expect("chown");
    let _ = public_copy("age-plugin-pin", folder.path());
    let vaultgen = public_copy("vaultgen", folder.path()).as_user(SOMEBODY).at_home(folder.path());
    let run = |arguments: &[&str]| {
        let run = vaultgen.clone().arg("--vault").arg(path("vault")).args(arguments);
        let search = format!("PATH=/usr/bin:{}", folder.path().display());
        run.under(["env", &search, "prlimit", "--nproc=150"])
    };
    run(&["init", "--bare", "--batch"]).succeeds();
    run(&["recipients", "add", "ops", &key.recipient]).succeeds();
    run(&["add", "--batch", "--from"]).arg(path("files")).succeeds();
    run(&["verify"]).succeeds().says("sound: 300 secrets");
}
