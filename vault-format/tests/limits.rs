//! What somebody hostile may write costs no more than its length: in time, memory and stack.
//!
//! Nothing is timed here. Without its bound each of these is taken, or takes minutes, all memory or
//! the stack.
#![allow(clippy::unwrap_used, reason = "a test may panic, and so may what it is made of")]

use std::{fmt::Write, fs::File, sync::Arc};

use vault_format::{
    Identities, LOCK_FILE, Lock, POLICY_FILE, Policy, SIGNATURE_FILE, VaultFiles, VaultFolder, cipher,
    folder, lock, policy, report,
    signers::{AllowedSigners, Signer},
    ssh::SshKey,
    verify,
};

const NESTED: usize = 100_000;
const MANY: usize = 10_000;

fn keys(count: usize) -> String {
    let keys = (0..count).flat_map(|_| Identities::generate().recipients());
    keys.map(|key| format!("\"{key}\",")).collect()
}

fn refused(text: &str) -> String {
    let error = Policy::parse(text).expect_err("it is taken");
    // Showing the error must not cost more than finding it.
    report::render(&error)
}

#[test]
fn values_that_nest_deep_are_refused() {
    for nested in [
        format!("x = {}{}", "[".repeat(NESTED), "]".repeat(NESTED)),
        format!("x = {}", "[".repeat(NESTED)),
        format!("x = {}", "{a=".repeat(NESTED)),
        format!("x = {}{}", "[{a=".repeat(NESTED), "}]".repeat(NESTED)),
        format!("{}x = 1", "a.".repeat(NESTED)),
        format!("x = {{ {}x = 1 }}", "a.".repeat(NESTED)),
        format!("[{}x]", "a.".repeat(NESTED)),
        format!("[[{}x]]", "a.".repeat(NESTED)),
    ] {
        refused(&format!("version = 1\n{nested}\n"));
        refused(&format!("version = 1\n[secret.a]\n{nested}\n"));
        assert!(policy::PolicyEditor::of(&nested).is_err());
    }
}

#[test]
fn groups_nest_32_deep_in_whatever_order_they_are_named() {
    let chain = |depth: usize, name: fn(usize) -> usize| {
        let mut text = format!("version = 1\n[recipients]\ng{:06} = [{}]\n", name(0), keys(1));
        for at in 1..depth {
            writeln!(text, "g{:06} = [\"g{:06}\"]", name(at), name(at - 1)).unwrap();
        }
        text
    };
    for name in [|at| at, |at| 999_999 - at] {
        assert!(Policy::parse(&chain(32, name)).is_ok());
        assert!(refused(&chain(33, name)).contains("nests too deep"));
        assert!(refused(&chain(10_000, name)).contains("nests too deep"));
    }
}

#[test]
fn groups_of_groups_cannot_multiply() {
    // 10,000 groups of 500 keys each: 5 million keys from 200 KB, and it grows with the square.
    let mut text = format!("version = 1\n[recipients]\nall = [{}]\n", keys(500));
    for at in 0..MANY {
        writeln!(text, "g{at} = [\"all\"]").unwrap();
    }
    assert!(refused(&text).contains("more than 2 million keys"));
}

#[test]
fn one_group_named_often_in_one_list_cannot_multiply() {
    let names = "\"all\",".repeat(MANY);
    let text = format!("version = 1\n[recipients]\nall = [{}]\nmany = [{names}]\n", keys(500));
    assert!(refused(&text).contains("more than 2 million keys"));
}

#[test]
fn secrets_for_many_keys_each_cannot_multiply() {
    for audience in ["", "audience = [\"all\"]"] {
        let mut text =
            format!("version = 1\n[recipients]\nall = [{}]\n[defaults]\naudience = [\"all\"]\n", keys(500));
        for at in 0..MANY {
            writeln!(text, "[secret.s{at}]\n{audience}").unwrap();
        }
        assert!(refused(&text).contains("more than 2 million keys"));
    }
}

#[test]
fn names_of_groups_without_keys_cannot_multiply_either() {
    let names = "\"none\",".repeat(1_000);
    let mut text = format!(
        "version = 1\n[recipients]\nnone = []\nops = [{}]\n[defaults]\naudience = [\"ops\",{names}]\n",
        keys(1)
    );
    for at in 0..MANY {
        writeln!(text, "[secret.s{at}]").unwrap();
    }
    assert!(refused(&text).contains("more than 2 million"));
}

#[test]
fn an_audience_is_no_larger_than_a_file_can_be_encrypted_to() {
    let with = |count| {
        format!("version = 1\n[recipients]\nall = [{}]\n[secret.a]\naudience = [\"all\"]\n", keys(count))
    };
    assert!(Policy::parse(&with(cipher::MAX_RECIPIENTS)).is_ok());
    assert!(refused(&with(cipher::MAX_RECIPIENTS + 1)).contains("more than 1,000 keys"));
}

#[test]
fn very_many_views_of_one_secret_share_its_services() {
    let units: String = (0..2_000).map(|at| format!("\"u{at}.service\",")).collect();
    let mut text = format!(
        "version = 1\n[recipients]\nops = [{}]\n[defaults]\naudience = [\"ops\"]\n[secret.a]\nservices = [{units}]\n",
        keys(1)
    );
    for at in 0..MANY {
        writeln!(text, "[view.v{at}]\nof = \"a\"").unwrap();
    }
    let policy = Policy::parse(&text).unwrap();
    assert_eq!(policy.views().len(), MANY);
    let services = &policy.secret(&"a".parse().unwrap()).access.services;
    assert!(policy.views().values().all(|view| Arc::ptr_eq(&view.access.services, services)));
}

#[test]
fn names_of_very_many_parts_are_checked_in_one_pass() {
    let mut text =
        format!("version = 1\n[recipients]\nops = [{}]\n[defaults]\naudience = [\"ops\"]\n", keys(1));
    let parts = "a/".repeat(500);
    for at in 0..2_000 {
        writeln!(text, "[secret.\"{parts}{at:06}\"]").unwrap();
    }
    assert!(Policy::parse(&text).is_ok());
    let folder = &parts[..parts.len() - 1];
    writeln!(text, "[secret.\"{folder}\"]").unwrap();
    assert!(refused(&text).contains("which is a file"));
}

#[test]
fn an_error_shows_little_of_a_long_line_and_of_many_names() {
    let long = format!("version = 1\nx = \"{}\"\n", "x".repeat(1 << 20));
    let shown = refused(&long);
    assert!(shown.len() < 10_000 && shown.contains("vault.toml:2:1: unknown field"), "{shown:.200}");
    let mut many = "version = 1\n[recipients]\n".to_owned();
    for at in 0..MANY {
        writeln!(many, "g{at} = []").unwrap();
    }
    let many = format!("{many}[secret.a]\naudience = [\"nobody\"]\n");
    assert!(refused(&many).len() < 10_000);
}

#[test]
fn a_policy_has_16_mib_at_most() {
    let mut text = "version = 1\n".to_owned();
    text.push_str(&"#".repeat(policy::MAX_BYTES - text.len()));
    assert!(Policy::parse(&text).is_ok());
    text.push('#');
    assert!(refused(&text).contains("longer than 16 MiB"));
}

/// Files of holes: long, but on no disk, and refused before a byte is read.
#[test]
fn files_beyond_their_limit_are_not_read() {
    let temp = tempfile::tempdir().unwrap();
    let file = |name: &str, len: u64| File::create(temp.path().join(name)).unwrap().set_len(len).unwrap();
    let key = SshKey::generate("").unwrap();
    let signer = Signer::new("alice", key.public_key().clone()).unwrap();
    let trusted = AllowedSigners::parse(&signer.to_string()).unwrap();
    let vault = VaultFolder::open(temp.path()).unwrap();
    let problem = || verify(&vault, &trusted, |_, _| false).unwrap_err().problems()[0].to_string();

    file(SIGNATURE_FILE, 1);
    file(LOCK_FILE, lock::MAX_BYTES + 1);
    assert!(problem().contains("longer than 134217728 bytes"), "{}", problem());
    file(LOCK_FILE, 1);
    file(SIGNATURE_FILE, 1 << 30);
    assert!(problem().contains("longer than 65536 bytes"), "{}", problem());
    file("a.age", folder::MAX_FILE + 1);
    assert!(matches!(vault.read("a.age", folder::MAX_FILE), Err(folder::FolderError::TooLong { .. })));
    file(POLICY_FILE, 1 << 40);
    assert!(matches!(vault.read(POLICY_FILE, lock::MAX_BYTES), Err(folder::FolderError::TooLong { .. })));
}

#[test]
fn a_lock_of_very_many_secrets_and_a_name_twice_is_read_in_proportion() {
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let mut text =
        "version = 1\nid = \"000102030405060708090a0b0c0d0e0f\"\nserial = 1\nancestors = []\n[files]\n"
            .to_owned();
    for at in 0..5_000 {
        writeln!(text, "[secret.s{at}]\nsha256 = \"{digest}\"\nrecipients = []\ncreated = 2026-11-22T13:51:00Z\nrotated = 2026-11-22T13:51:00Z\norigin = \"entered\"").unwrap();
    }
    let lock = Lock::parse(&text).unwrap();
    assert_eq!(lock.secrets.len(), 5_000);
    assert_eq!(Lock::parse(&lock.to_text().unwrap()).unwrap(), lock);
    assert!(Lock::parse(&format!("{text}[secret.s1]\n")).is_err());
    let ancestors =
        text.replace("ancestors = []", &format!("ancestors = [{}]", format!("\"{digest}\",").repeat(10_000)));
    assert!(Lock::parse(&ancestors).unwrap_err().to_string().contains("more than 512 ancestors"));
}

/// What any TOML costs in memory is a multiple of its length, and ours need not be parsed as such.
#[test]
fn only_a_lock_as_we_write_it_may_be_long() {
    let digest = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let mut text =
        "version = 1\nid = \"000102030405060708090a0b0c0d0e0f\"\nserial = 1\nancestors = []\n\n[files]\n"
            .to_owned();
    for at in 0..25_000 {
        writeln!(text, "\n[secret.s{at:05}]\nsha256 = \"{digest}\"\nrecipients = []\ncreated = 2026-11-22T13:51:00Z\nrotated = 2026-11-22T13:51:00Z\norigin = \"entered\"").unwrap();
    }
    assert!(text.len() > 1 << 22);
    assert_eq!(Lock::parse(&text).unwrap().secrets.len(), 25_000);
    for (from, to) in
        [("[secret.s00001]", "[ secret.s00001]"), ("[files]", "[files]\n#"), ("s00001", "s00002")]
    {
        let other = text.replacen(from, to, 1);
        let is_comment = to.ends_with('#');
        assert_eq!(Lock::parse(&other).is_ok(), is_comment, "{to}");
    }
    let padded = text.replace("[files]", &format!("[files]\n#{}", "#".repeat(1 << 22)));
    for other in [padded, text.replacen("[secret.s00001]", "[ secret.s00001]", 1)] {
        assert!(Lock::parse(&other).unwrap_err().to_string().contains("longer than 4 MiB"));
    }
}
