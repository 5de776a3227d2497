//! `--background` lets go of whoever started it.

use fixtures::{machine, mount::MountPoint, vault::Vault};

use crate::stand::NEEDS;

#[test]
fn a_pipe_ends_when_the_files_are_readable() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("secret", "s").build();
    let place = MountPoint::new();
    // `cat` ends when nobody holds the other end of its pipe any more.
    let mount = place.mount(&vault).under(["sh", "-c", r#""$@" 2>&1 | cat"#, "sh"]);
    mount.succeeds();
    assert!(place.join("secret").exists());
}
