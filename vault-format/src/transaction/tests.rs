use std::{
    fs::Permissions,
    os::unix::fs::{PermissionsExt, symlink},
};

use super::*;

fn lock(temp: &tempfile::TempDir) -> ExclusiveFolder {
    ExclusiveFolder::lock(VaultFolder::open(temp.path()).unwrap(), || panic!("nobody else is there")).unwrap()
}

fn exclusive() -> (tempfile::TempDir, ExclusiveFolder) {
    let temp = tempfile::tempdir().unwrap();
    let folder = lock(&temp);
    (temp, folder)
}

fn stage<'a>(folder: &'a ExclusiveFolder, files: &[(&str, &str)], removed: &[&str]) -> Staging<'a> {
    let mut staging = folder.stage().unwrap();
    for (path, text) in files {
        staging.write_public(path, text.as_bytes()).unwrap();
    }
    for path in removed {
        staging.remove(*path);
    }
    staging
}

/// What a killed program leaves: nothing is dropped.
fn kill(staging: Staging<'_>) {
    std::mem::forget(staging);
}

fn tree(folder: &ExclusiveFolder) -> Vec<(String, String)> {
    let read = |entry: Entry| {
        let bytes = folder.folder().read(&entry.path, 99).unwrap();
        (entry.path, String::from_utf8(bytes).unwrap())
    };
    folder.folder().entries().unwrap().into_iter().map(read).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
}

#[test]
fn writes_replaces_and_removes_and_leaves_nothing_else() {
    let (temp, folder) = exclusive();
    stage(&folder, &[("a/b", "1"), ("c", "2"), ("d", "3")], &[]).commit().unwrap();
    let second = stage(&folder, &[("a/b", "4")], &["c", "not-there/x"]);
    second.write_private("key", &Plaintext::from("secret".to_owned())).unwrap();
    second.commit().unwrap();
    assert_eq!(tree(&folder), pairs(&[("a/b", "4"), ("d", "3"), ("key", "secret")]));
    let mode = std::fs::metadata(temp.path().join("key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!temp.path().join(STAGING).exists());
}

#[test]
fn a_staged_change_is_undone_and_a_committed_one_is_finished() {
    let (temp, folder) = exclusive();
    stage(&folder, &[("a", "old"), ("b", "old")], &[]).commit().unwrap();
    let change = (&[("a", "new"), ("new/c", "new")], &["b"]);

    drop(stage(&folder, change.0, change.1));
    assert_eq!(tree(&folder), pairs(&[("a", "old"), ("b", "old")]));

    kill(stage(&folder, change.0, change.1));
    drop(folder);
    let folder = lock(&temp);
    assert_eq!(tree(&folder), pairs(&[("a", "old"), ("b", "old")]));
    assert!(!temp.path().join("new").exists());

    let staging = stage(&folder, change.0, change.1);
    folder.commit(&staging.removed).unwrap();
    kill(staging);
    drop(folder);
    let folder = lock(&temp);
    assert_eq!(tree(&folder), pairs(&[("a", "new"), ("new/c", "new")]));
}

#[test]
fn a_target_that_cannot_be_replaced_leaves_everything_as_it_was() {
    let (temp, folder) = exclusive();
    stage(&folder, &[("a", "old")], &[]).commit().unwrap();
    std::fs::create_dir(temp.path().join("folder")).unwrap();
    symlink("/tmp", temp.path().join("link")).unwrap();
    for path in ["folder", "link", "link/x"] {
        let staging = stage(&folder, &[("a", "new")], &[]);
        assert!(staging.write_public(path, b"new").is_err(), "{path}");
        drop(staging);
        assert_eq!(folder.folder().read("a", 9).unwrap(), b"old");
        assert!(!temp.path().join(STAGING).exists());
    }
}

#[test]
fn a_staging_folder_that_is_not_ours_is_refused_and_left_alone() {
    let (temp, folder) = exclusive();
    stage(&folder, &[("a", "old")], &[]).commit().unwrap();
    drop(folder);
    std::fs::create_dir_all(temp.path().join(FILES)).unwrap();
    std::fs::write(temp.path().join(FILES).join("a"), "hostile").unwrap();
    std::fs::write(temp.path().join(COMMIT), "a\n").unwrap();
    for mode in [0o755, 0o700, 0o1777] {
        std::fs::set_permissions(temp.path().join(STAGING), Permissions::from_mode(mode)).unwrap();
        let refused = ExclusiveFolder::lock(VaultFolder::open(temp.path()).unwrap(), || {});
        assert!(matches!(refused, Err(FolderError::ForeignStaging(_))), "{mode:o}");
    }
    assert_eq!(std::fs::read(temp.path().join("a")).unwrap(), b"old");
    assert!(temp.path().join(COMMIT).exists());
}

#[test]
fn a_change_survives_a_copy_of_the_folder() {
    let (temp, folder) = exclusive();
    let staging = stage(&folder, &[("a", "new")], &[]);
    folder.commit(&staging.removed).unwrap();
    kill(staging);
    let copy = tempfile::tempdir().unwrap();
    let copied =
        std::process::Command::new("cp").arg("-a").arg(temp.path().join(".")).arg(copy.path()).status();
    assert!(copied.unwrap().success());
    assert_eq!(tree(&lock(&copy)), pairs(&[("a", "new")]));
}

#[test]
fn a_second_program_waits() {
    let (temp, folder) = exclusive();
    let second = VaultFolder::open(temp.path()).unwrap();
    let (say, heard) = std::sync::mpsc::channel();
    let waiting =
        std::thread::spawn(move || ExclusiveFolder::lock(second, || say.send(()).unwrap()).map(drop));
    heard.recv().unwrap();
    drop(folder);
    assert!(waiting.join().unwrap().is_ok());
}

#[test]
fn a_removal_that_cannot_be_done_leaves_everything_as_it_was() {
    let (temp, folder) = exclusive();
    stage(&folder, &[("a", "old")], &[]).commit().unwrap();
    std::fs::create_dir(temp.path().join("folder")).unwrap();
    for (file, removed) in [("a", "folder"), ("a", "a/../a"), ("a", "a/b"), ("a", "b\na"), ("new/b", "new")] {
        assert!(stage(&folder, &[(file, "new")], &[removed]).commit().is_err(), "{removed}");
        assert_eq!(tree(&folder), pairs(&[("a", "old")]));
        assert!(!temp.path().join(STAGING).exists());
    }
}

#[test]
fn a_file_whose_name_is_listed_otherwise_is_refused() {
    let (temp, folder) = exclusive();
    for path in ["gr\u{f6}\u{df}e", "a\nb", "a\\b"] {
        let staging = stage(&folder, &[("a", "new")], &[]);
        assert!(staging.write_public(path, b"new").is_err(), "{path:?}");
        drop(staging);
        assert!(tree(&folder).is_empty());
        assert!(!temp.path().join(STAGING).exists());
    }
}

#[test]
fn a_file_may_come_where_the_folder_of_a_removed_one_would_be() {
    let (_temp, folder) = exclusive();
    stage(&folder, &[("a", "new")], &["a/b"]).commit().unwrap();
    assert_eq!(tree(&folder), pairs(&[("a", "new")]));
}
