use std::os::unix::fs::{PermissionsExt, symlink};

use fixtures::disk::Disk;
use fixtures::machine::{self, Need};
use fixtures::vault::Vault;
use vault_format::lock::LockedSecret;
use vault_format::signers::AllowedSigners;
use vault_format::{SecretName, VaultFiles, VaultFolder, verify};

use super::*;
use crate::snapshot::{Recorder, Snapshot};

const MOUNT_POINT: &str = "/run/vault";

/// The facts and the files of a vault, as a verifier gives them.
fn verified(vault: &Vault) -> (Facts, Snapshot) {
    let folder = VaultFolder::open(&vault.path()).expect("a vault");
    let recorder = Recorder::new(&folder).expect("a memory object");
    let trusted = fs::read_to_string(vault.signers()).expect("signers");
    let trusted = AllowedSigners::parse(&trusted).expect("sound signers");
    let verified = verify(&recorder, &trusted, |_, _| false).expect("a sound vault");
    (Facts::of(&verified), recorder.finish().expect("a snapshot"))
}

fn opened(root: &Path) -> StateFolder {
    StateFolder::open(root, Path::new(MOUNT_POINT)).expect("a state folder")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("metadata").permissions().mode() & 0o7777
}

#[test]
fn what_was_accepted_is_remembered_with_its_files() {
    let temp = tempfile::tempdir().expect("a folder");
    let root = temp.path().join("lib/vaultd");
    let state = opened(&root);
    assert!(state.accepted().expect("readable").is_none());
    assert!(state.good().expect("readable").is_none());
    assert!(accepted_anywhere(&root).expect("readable").is_empty());

    let (facts, snapshot) = verified(&Vault::with("token", "x").build());
    assert_eq!((facts.serial, facts.secrets, facts.principal.as_str()), (1, 1, "operator"));
    let accepted = state.accept(&facts, &Verdict::First, &snapshot).expect("accepted");
    assert_eq!((accepted.lock_sha256, &accepted.signer), (facts.lock_sha256, &facts.signer));
    assert_eq!(opened(&root).accepted().expect("readable"), Some(accepted.clone()));
    assert_eq!(accepted_anywhere(&root).expect("readable"), std::slice::from_ref(&accepted));
    assert_eq!(judge(Some(&accepted), &Configured::default(), None, &facts), Ok(Verdict::Same));

    let good = Snapshot::from_file(state.good().expect("readable").expect("a copy")).expect("a snapshot");
    assert_eq!(good.entries().expect("a listing"), snapshot.entries().expect("a listing"));
    assert_eq!(good.read("token.age", 9999).expect("a file"), snapshot.read("token.age", 9999).expect("it"));
    let folder = root.join("run-vault");
    for (path, bits) in [(&root, 0o700), (&folder, 0o700), (&folder.join(GOOD), 0o600)] {
        assert_eq!(mode(path), bits, "{}", path.display());
    }
    let text = serde_json::to_string(&facts).expect("JSON");
    assert_eq!(serde_json::from_str::<Facts>(&text).expect("facts"), facts);
}

/// The snapshot of a vault of which everything but its public files is known.
fn later(vault: &Vault) -> (Facts, Snapshot) {
    let folder = VaultFolder::open(&vault.path()).expect("a vault");
    let recorder = Recorder::new(&folder).expect("a memory object");
    let trusted = fs::read_to_string(vault.signers()).expect("signers");
    let trusted = AllowedSigners::parse(&trusted).expect("sound signers");
    let everything = |_: &SecretName, _: &LockedSecret| true;
    let known = vault_format::verify::verify_unless_known(&recorder, &trusted, |_, _| false, &everything);
    let facts = Facts::of(&known.expect("a sound vault"));
    (facts, recorder.finish_without(&["gone.age".to_owned()]).expect("a snapshot"))
}

#[test]
fn the_copy_grows_and_what_does_not_count_yet_is_no_part_of_it() {
    let temp = tempfile::tempdir().expect("a folder");
    let state = opened(&temp.path().join("state"));
    let vault = Vault::with("token", vec![7; 20_000]).and("gone", "g").build();
    let (facts, snapshot) = verified(&vault);
    assert!(!state.can_grow(), "there is nothing yet");
    state.accept(&facts, &Verdict::First, &snapshot).expect("accepted");
    assert!(state.can_grow());
    assert!(!opened(&temp.path().join("state")).can_grow(), "nobody knows who wrote it");
    let path = state.folder.join(GOOD);
    let whole = fs::read(&path).expect("the copy");

    let same = state.accept_grown(&facts, &Verdict::Same, &snapshot).expect("the same");
    assert_eq!(
        (same.copy_bytes, fs::read(&path).expect("the copy")),
        (Some(whole.len() as u64), whole.clone())
    );
    Vault::with("token", vec![7; 20_000]).build_upon(&vault);
    let (facts, snapshot) = later(&vault);
    let accepted = state.accept_grown(&facts, &Verdict::Newer, &snapshot).expect("accepted");
    let grown = fs::read(&path).expect("the copy");
    assert!(grown.starts_with(&whole) && grown.len() < whole.len() + 15_000, "{} bytes", grown.len());
    assert_eq!(accepted.copy_bytes, Some(grown.len() as u64));
    let good = Snapshot::from_file(state.good().expect("readable").expect("a copy")).expect("a snapshot");
    let trusted =
        AllowedSigners::parse(&fs::read_to_string(vault.signers()).expect("signers")).expect("signers");
    verify(&good, &trusted, |_, _| false).expect("all of the state, and nothing else");

    // Somebody else wrote to it: the next one is whole.
    fs::write(&path, [grown.as_slice(), b"x"].concat()).expect("the copy");
    assert!(!state.can_grow());
    assert!(state.accept_grown(&facts, &Verdict::First, &snapshot).is_err());
    assert_eq!(state.accepted().expect("readable"), Some(accepted));
    fs::write(&path, &grown).expect("the copy");
    assert!(!state.can_grow(), "what failed once is not tried again");
}

#[test]
fn a_waiver_lets_one_state_in_once() {
    let temp = tempfile::tempdir().expect("a folder");
    let state = opened(&temp.path().join("state"));
    let (facts, snapshot) = verified(&Vault::with("token", "x").build());
    let (other, files) = verified(&Vault::with("token", "y").build());
    let accept = |facts: &Facts, snapshot: &Snapshot| {
        let (accepted, waiver) = (state.accepted().expect("readable"), state.waiver().expect("readable"));
        let verdict = judge(accepted.as_ref(), &Configured::default(), waiver.as_ref(), facts)?;
        Ok::<_, Refusal>(state.accept(facts, &verdict, snapshot).expect("accepted"))
    };
    accept(&facts, &snapshot).expect("the first");
    let refusal = accept(&other, &files).expect_err("another vault");
    assert!(matches!(refusal, Refusal::OtherVault { .. }), "{refusal}");

    let waiver = state.waive(Exception::NewHistory).expect("a waiver");
    assert!(!waiver.by.is_empty());
    let kept = fs::read(state.folder.join(WAIVER)).expect("the file");
    assert_eq!(accept(&other, &files).expect("waived").waiver, Some(waiver.clone()));
    assert!(accept(&facts, &snapshot).is_err(), "the waiver was used twice");
    // Also where the machine stopped before its file was removed.
    fs::write(state.folder.join(WAIVER), kept).expect("the file");
    assert_eq!(state.waiver().expect("readable"), None);
    assert!(accept(&facts, &snapshot).is_err(), "the waiver was used twice");
    // A state that needs none leaves it alone, and it stays on record.
    let second = state.waive(Exception::NewHistory).expect("a waiver");
    assert_eq!(accept(&other, &files).expect("the same").waiver, Some(waiver));
    assert_eq!(accept(&facts, &snapshot).expect("waived").waiver, Some(second));
}

#[test]
fn a_full_disk_leaves_what_was_accepted() {
    if !machine::has(&[Need::Root, Need::Program("mount")]) {
        return;
    }
    let disk = Disk::of_pages(64);
    let state = opened(&disk.path().join("state"));
    let (facts, snapshot) = verified(&Vault::with("token", "x").build());
    let before = state.accept(&facts, &Verdict::First, &snapshot).expect("accepted");
    let good = fs::read(state.folder.join(GOOD)).expect("the copy");
    let (next, files) = verified(&Vault::with("token", vec![0; 40_000]).build());
    let mut refused = 0;
    for pages in 0..20 {
        disk.leave_free(pages);
        match state.accept(&next, &Verdict::First, &files) {
            Ok(accepted) => assert_eq!(accepted.serial, next.serial),
            Err(error) => {
                refused += 1;
                assert!(
                    matches!(&error, StateError::Write { error, .. } if error.kind() == io::ErrorKind::StorageFull),
                    "{error:?}"
                );
                assert_eq!(state.accepted().expect("readable"), Some(before.clone()));
                assert!(!state.folder.join("good.tar.new").exists());
                let now = fs::read(state.folder.join(GOOD)).expect("the copy");
                // The copy may be ahead, never behind or cut.
                assert!(now == good || now.len() > 40_000, "{} bytes", now.len());
            }
        }
    }
    assert!((1..20).contains(&refused), "{refused} were refused");
}

#[test]
fn what_is_left_of_a_crash_is_no_obstacle() {
    let temp = tempfile::tempdir().expect("a folder");
    let state = opened(&temp.path().join("state"));
    let target = temp.path().join("target");
    fs::write(&target, "untouched").expect("a file");
    symlink(&target, state.folder.join("good.tar.new")).expect("a link");
    fs::write(state.folder.join("accepted.json.new"), "half").expect("a file");
    let (facts, snapshot) = verified(&Vault::with("token", "x").build());
    state.accept(&facts, &Verdict::First, &snapshot).expect("accepted");
    assert_eq!(fs::read_to_string(&target).expect("a file"), "untouched");
    assert!(state.accepted().expect("readable").is_some());
}

#[test]
fn damage_and_links_are_no_state() {
    let temp = tempfile::tempdir().expect("a folder");
    let state = opened(&temp.path().join("state"));
    let (facts, snapshot) = verified(&Vault::with("token", "x").build());
    state.accept(&facts, &Verdict::First, &snapshot).expect("accepted");
    let path = state.folder.join(ACCEPTED);
    let text = fs::read_to_string(&path).expect("the file");
    let more = text.replacen('{', "{\"more\": 1,", 1);
    for damaged in ["", "{}", &text[..text.len() / 2], &more, &text.repeat(2), &" ".repeat(70_000)] {
        fs::write(&path, damaged).expect("damage");
        assert!(matches!(state.accepted(), Err(StateError::Damaged(_))), "{damaged} was taken");
    }
    fs::remove_file(&path).expect("remove");
    symlink("/dev/zero", &path).expect("a link");
    assert!(matches!(state.accepted(), Err(StateError::Read { .. })));
}

#[test]
fn a_folder_that_others_can_write_to_is_not_trusted() {
    let temp = tempfile::tempdir().expect("a folder");
    let root = temp.path().join("state");
    let folder = opened(&root).folder;
    let open = || StateFolder::open(&root, Path::new(MOUNT_POINT));
    for path in [&root, &folder] {
        for bits in [0o720, 0o702] {
            fs::set_permissions(path, fs::Permissions::from_mode(bits)).expect("chmod");
            assert!(matches!(open(), Err(StateError::NotOurs(_))), "{bits:o}");
        }
        // As systemd makes it by StateDirectory=.
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("chmod");
        open().expect("a state folder");
    }
    fs::remove_dir(&folder).expect("rmdir");
    symlink(temp.path(), &folder).expect("a link");
    assert!(matches!(open(), Err(StateError::NotOurs(_))));
    fs::remove_file(&folder).expect("remove");
    fs::write(&folder, "").expect("a file");
    assert!(matches!(open(), Err(StateError::NotOurs(_))));
    assert!(matches!(StateFolder::open(&root, Path::new("vault")), Err(StateError::MountPoint(_))));
    assert!(StateFolder::open_existing(&root, Path::new("/other")).expect("readable").is_none());
    assert!(!root.join("other").exists());
}
