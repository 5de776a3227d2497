//! No plaintext is ever written to a file, as strace(1) sees every process.

use std::{fs, path::Path};

use fixtures::{
    command::{program, vaultd, vaultgen},
    legacy::{self, LegacyVault},
    machine::{
        self,
        Need::{self, Fuse, Program, Root},
    },
    mount::MountPoint,
    trace::{Trace, traced},
    vault::Vault,
};

const NEEDS: [Need; 2] = [Program("strace"), Program("age")];
/// The shortest line that cannot be there by chance.
const SHORTEST: usize = 8;

/// Texts that must be nowhere, with the name of the secret that each is from: passwords, hashes,
/// and each line of a PEM or SSH key's body.
fn texts_of(vault: &Vault) -> Vec<(String, Vec<u8>)> {
    let mut texts = Vec::new();
    for name in vault.names() {
        let plaintext = vault.open(&name);
        let lines = plaintext.split(|byte| *byte == b'\n');
        let body = lines.filter(|line| line.len() >= SHORTEST && !line.starts_with(b"-----"));
        // The first line of each SSH key is the same: format, cipher, length.
        let body: Vec<_> = body.skip(usize::from(name.starts_with("ssh/"))).collect();
        assert!(!body.is_empty(), "{name} has nothing to look for");
        texts.extend(body.into_iter().map(|line| (name.clone(), line.to_owned())));
    }
    texts
}

/// Whether bytes sent there end on no disk.
fn is_no_file(target: &str) -> bool {
    ["pipe:", "socket:", "anon_inode:", "/dev/fuse", "/memfd:"].iter().any(|start| target.starts_with(start))
}

/// The name of each secret of which a part was written to a file, with the file.
fn leaks<'a>(trace: &'a Trace, texts: &'a [(String, Vec<u8>)]) -> Vec<(&'a str, &'a str)> {
    let found =
        texts.iter().flat_map(|(name, text)| trace.find(text).into_iter().map(|path| (name.as_str(), path)));
    found.filter(|(_, path)| !is_no_file(path)).collect()
}

fn assert_nothing_unseen(trace: &Trace) {
    let unseen: Vec<_> =
        trace.unseen.iter().filter(|call| !call.split(' ').skip(1).all(is_no_file)).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

/// The check finds what it looks for: a shell that writes a secret to a file is caught.
#[test]
fn a_program_that_writes_plaintext_is_caught() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::standard();
    let (log, file) = (vault.beside("log"), vault.beside("plaintext"));
    let texts = texts_of(&vault);
    for name in vault.names() {
        let plaintext = vault.open(&name);
        let leaking = program("sh").args(["-c", "cat > \"$1\"", "sh"]).arg(&file).input(plaintext);
        traced(leaking, &log).succeeds();
        let trace = Trace::read(&log);
        let leaked = leaks(&trace, &texts);
        let path = file.to_str().expect("UTF-8");
        assert!(!leaked.is_empty() && leaked.iter().all(|leak| leak.1 == path), "{name}: {leaked:?}");
        assert!(leaked.iter().any(|leak| leak.0 == name), "{name}: {leaked:?}");
    }
}

#[test]
fn init_writes_ciphertext_only() {
    // Of a process that hides its memory, only root sees what its descriptors are.
    if !machine::has(&NEEDS) || !machine::has(&[Root]) {
        return;
    }
    let made = Vault::standard();
    let (path, log) = (made.beside("traced"), made.beside("log"));
    traced(vaultgen().args(["init", "--batch", "--vault"]).arg(&path), &log).succeeds();
    let vault = Vault::copy_of(&path);
    let trace = Trace::read(&log);
    let written = |end: &str| trace.targets().filter(|target| target.ends_with(end)).count();
    assert_eq!(written(".age"), vault.names().len(), "the trace misses files");
    assert_nothing_unseen(&trace);
    assert_eq!(leaks(&trace, &texts_of(&vault)), []);

    // The operator's own keys are files by design: each is written to its place and nowhere else.
    for key in ["age.key", "signing.key"] {
        let text = fs::read_to_string(vault.path().join(key)).expect("a key");
        let secret = text.lines().rfind(|line| !line.starts_with("-----")).expect("a secret line");
        let targets = trace.find(secret.as_bytes());
        assert!(
            !targets.is_empty() && targets.iter().all(|target| target.ends_with(key)),
            "{key}: {targets:?}"
        );
    }
}

/// What comes in through a pipe or a file goes out as ciphertext only.
#[test]
fn add_and_password_write_ciphertext_only() {
    if !machine::has(&NEEDS) || !machine::has(&[Root]) {
        return;
    }
    const CANARY: &str = "kelp-Orbit7-vanilla-tram";
    let vault = Vault::with("token", "a token of some length").build().trusted();
    let (log, file) = (vault.beside("log"), vault.beside("value"));
    fs::write(&file, CANARY).expect("a file");
    fs::create_dir(vault.beside("tree")).expect("a folder");
    fs::write(vault.beside("tree/leaf"), CANARY).expect("a file");
    let on = |arguments: &[&str]| vaultgen().arg("--vault").arg(vault.path()).args(arguments);
    for (run, written) in [
        (on(&["add", "piped"]).input(CANARY), 1),
        (on(&["add", "file", "--kind", "password", "--file"]).arg(&file), 1),
        (on(&["add", "--from"]).arg(vault.beside("tree")), 1),
        (on(&["root", "--stdin"]).input(CANARY), 3),
        (on(&["rotate", "token", "--stdin"]).input(CANARY), 1),
        (on(&["rotate", "passwords/root.txt"]), 3),
    ] {
        let ended = traced(run, &log).succeeds();
        ended.tells_nothing_of(CANARY);
        let trace = Trace::read(&log);
        let staged = trace.targets().filter(|target| target.ends_with(".age")).count();
        assert_eq!(staged, written, "the trace misses files: {ended}");
        assert_nothing_unseen(&trace);
        let mut texts = texts_of(&vault);
        texts.push(("the canary".to_owned(), CANARY.into()));
        assert_eq!(leaks(&trace, &texts), [], "{ended}");
    }
}

#[test]
fn adopt_writes_ciphertext_only() {
    if !machine::has(&NEEDS) || !machine::has(&[Root]) || !machine::has(&legacy::NEEDS) {
        return;
    }
    let old = LegacyVault::full();
    let log = old.beside("log");
    traced(vaultgen().args(["adopt", "--batch", "--remove-plaintext", "--vault"]).arg(old.path()), &log)
        .succeeds();
    let vault = Vault::copy_of(&old.path());
    let trace = Trace::read(&log);
    let written = |end: &str| trace.targets().filter(|target| target.ends_with(end)).count();
    assert_eq!(written(".age"), vault.names().len(), "the trace misses files");
    assert_nothing_unseen(&trace);
    assert_eq!(leaks(&trace, &texts_of(&vault)), []);
}

#[test]
fn mount_writes_to_its_readers_only() {
    if !machine::has(&NEEDS) || !machine::has(&[Root, Fuse]) {
        return;
    }
    let vault = Vault::standard();
    let place = MountPoint::new();
    let log = vault.beside("log");
    let mounting = traced(place.mount(&vault), &log);
    // strace stays until the last process that it follows has ended.
    let trace = std::thread::scope(|scope| {
        let tracing = scope.spawn(|| mounting.succeeds());
        place.wait_until_mounted();
        for name in vault.names() {
            assert!(fs::read(place.join(&name)).expect("a secret") == vault.open(&name), "{name}");
        }
        vaultd().arg("unmount").arg(place.path()).succeeds();
        tracing.join().expect("a traced server");
        Trace::read(&log)
    });
    let texts = texts_of(&vault);
    // Seen on its way to the readers, so the trace has the process that serves.
    let answered = |path: &Path| trace.targets().any(|target| Path::new(target) == path);
    assert!(answered(Path::new("/dev/fuse")), "{:?}", trace.targets().collect::<Vec<_>>());
    for (name, text) in &texts {
        assert!(trace.find(text).contains(&"/dev/fuse"), "{name} was served by somebody else");
    }
    assert_eq!(leaks(&trace, &texts), []);
    // What strace does not see the bytes of: plaintext in nameless files of a file system in memory, and the copy
    // of the ciphertext that the machine keeps.
    for call in &trace.unseen {
        let is_file = |target: &str| !target.starts_with("/#") && !is_no_file(target);
        let Some((_, copied)) = call.split_once(' ').filter(|(_, target)| is_file(target)) else {
            continue;
        };
        let kept = copied.strip_suffix(".new").filter(|path| path.ends_with("/good.tar"));
        let kept = fs::read(kept.unwrap_or_else(|| panic!("unseen: {call}"))).expect("the copy");
        let holds = |text: &[u8]| kept.windows(text.len()).any(|window| window == text);
        assert!(!texts.iter().any(|(_, text)| holds(text)), "plaintext in {copied}");
    }
}
