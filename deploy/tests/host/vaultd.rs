//! vaultd takes the settings and the vault that it is given.

use std::fs;

use deploy::system::Content;
use fixtures::{command, tree};

use crate::node;

#[test]
fn vaultd_takes_its_settings_and_its_vault() {
    let (folder, rendered) = (tree::folder(), node::dev_vm(""));
    let root = folder.path();
    for (path, content) in &rendered.files {
        let at = root.join(path.as_str().trim_start_matches('/'));
        match content {
            Content::Text(text) if path.as_str().starts_with("/etc/") => node::write(&at, text),
            Content::Bytes(bytes) => node::write(&at, bytes),
            _ => {}
        }
    }
    let file = root.join("etc/vaultd/vaultd.toml");
    let settings = fs::read_to_string(&file).expect("settings");
    fs::write(&file, settings.replace("\"/etc/", &format!("\"{}/etc/", root.display()))).expect("settings");
    let ended = command::vaultd().args(["check", "--config"]).arg(&file).run();
    assert_eq!(ended.status, Some(0), "{ended}");
}
