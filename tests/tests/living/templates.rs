//! Templates: rendered in the mount alone, as new as their text and their values, or not at all.

use std::{
    fs::{self, File},
    io::Read,
    os::unix::fs::MetadataExt,
};

use fixtures::{
    command::vaultgen,
    machine,
    mount::MountPoint,
    vault::{Vault, VaultBuilder},
};

use crate::stand::{LARGE, NEEDS, OWNER, Stand};

const SOURCE: &str =
    "[options]\nadmin_passwd = {{ secret(\"admin\") | ini }}\ndb = {{ secret(\"db\") | json }}\n";

/// Two secrets, and a template of both for a service's user.
fn state(admin: &str, db: &str, source: &str) -> VaultBuilder {
    let table = format!(
        "[template.\"odoo/admin.conf\"]\nsource = \"templates/admin.conf\"\naudience = [\"ops\"]\n\
         owner = \"{OWNER}\"\ngroup = \"{OWNER}\"\nmode = \"0440\""
    );
    Vault::with("admin", admin).and("db", db).policy(&table).public_file("templates/admin.conf", source)
}

fn number(stand: &Stand) -> u64 {
    fs::metadata(stand.place.join("odoo/admin.conf")).expect("stat").ino()
}

#[test]
fn a_template_is_as_new_as_its_text_and_its_values() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state("100%", "a\"b", SOURCE));
    let first = "[options]\nadmin_passwd = 100%\ndb = \"a\\\"b\"\n";
    assert_eq!(stand.read("odoo/admin.conf"), first.as_bytes());
    let facts = fs::metadata(stand.place.join("odoo/admin.conf")).expect("stat");
    assert_eq!((facts.len(), facts.uid(), facts.mode() & 0o777), (first.len() as u64, OWNER, 0o440));
    let mut open = File::open(stand.place.join("odoo/admin.conf")).expect("a file");

    let changed = stand.change(state("200%", "a\"b", SOURCE)).text();
    assert_eq!(changed, "changed admin\nchanged odoo/admin.conf\n");
    assert_eq!(stand.read("odoo/admin.conf"), first.replace("100%", "200%").as_bytes());
    let changed = stand.change(state("200%", "a\"b", "{{ secret(\"admin\") }}")).text();
    assert_eq!(changed, "changed odoo/admin.conf\n");
    assert_eq!(stand.read("odoo/admin.conf"), b"200%");

    stand.kill_server();
    let mut bytes = String::new();
    open.read_to_string(&mut bytes).expect("a read");
    assert_eq!(bytes, first, "an open file keeps its bytes");
}

#[test]
fn what_did_not_change_stays_the_same_file() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state("1", "2", SOURCE).and("other", "3"));
    let before = number(&stand);
    assert_eq!(stand.change(state("1", "2", SOURCE).and("other", "4")).text(), "changed other\n");
    assert_eq!(number(&stand), before);

    let on = |words: &[&str]| vaultgen().args(words).arg("--vault").arg(stand.vault.path());
    on(&["verify"]).arg("--allowed-signers").arg(stand.vault.signers()).succeeds();
    on(&["rekey"]).succeeds();
    assert_eq!(stand.reload().succeeds().text(), "nothing changed\n", "only encrypted anew");
    assert_eq!(number(&stand), before);
}

#[test]
fn a_value_that_would_be_read_as_something_else_serves_nothing_new() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(state("1", "2", SOURCE));
    state("canary\nadmin = true", "2", SOURCE).build_upon(&stand.vault);
    let refused = stand.reload().exits(1);
    refused.explains("odoo/admin.conf: the value of admin cannot be written with this filter");
    refused.tells_nothing_of("canary");
    assert_eq!(stand.read("admin"), b"1");

    let (vault, place) = (state("1 # 2", "2", SOURCE).build(), MountPoint::new());
    place.mount(&vault).exits(1).explains("could be taken for a comment");
    assert!(!place.is_mounted());
}

/// Long enough for the kernel to read it itself.
#[test]
fn a_long_one_is_whole() {
    if !machine::has(&NEEDS) {
        return;
    }
    let source = format!("{}{{{{ secret(\"admin\") | shell }}}}", "x".repeat(LARGE));
    let stand = Stand::of(state("it's", "2", &source));
    assert_eq!(stand.read("odoo/admin.conf"), [&"x".repeat(LARGE), r"'it'\''s'"].concat().as_bytes());
    stand.kill_server();
    let changed = stand.change(state("its", "2", &source)).text();
    assert_eq!(changed, "changed admin\nchanged odoo/admin.conf\n");
    assert_eq!(stand.read("odoo/admin.conf"), [&"x".repeat(LARGE), "'its'"].concat().as_bytes());
}
