use std::{fs, path::Path};

use crate::{
    modules::sample,
    node::{NodeFile, Variant},
    pipeline,
    system::Content,
    tree::Tree,
};

/// What comes of a node with these addons, beside which are these files.
fn with(addons: &str, files: &[&str]) -> Result<Tree, String> {
    let folder = fixtures::tree::folder();
    for file in files {
        let path = folder.path().join(file);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, file).expect("a file");
    }
    let text = format!(
        "architecture = \"x86_64\"\nplatform = \"devm\"\n[vault]\nsnakeoil = true\n\
         [service-stack]\nodoo-addons = {addons}\n"
    );
    let node = folder.path().join("devm-x86_64.toml");
    fs::write(&node, text).expect("a node");
    let files = NodeFile::find(node.to_str().expect("a path")).expect("a node");
    let resolved = pipeline::resolve(&files, Variant::Run).map_err(|problems| sample::all(&problems))?;
    Ok(resolved.tree())
}

/// The files of addons, below their folder.
fn addons(tree: &Tree) -> Vec<&str> {
    let files = tree.files.iter().filter(|(_, content)| matches!(content, Content::Bytes(_)));
    files.filter_map(|(path, _)| path.as_str().strip_prefix("/opt/odoo-addons/node/")).collect()
}

/// The option of Odoo that names the folders.
fn option(tree: &Tree) -> Option<&str> {
    let unit = tree.text("/etc/systemd/system/odoo.service");
    unit.split_whitespace().find_map(|word| word.strip_prefix("--addons-path="))
}

#[test]
fn by_default_there_are_none() {
    let tree = with("[]", &[]).expect("a tree");
    assert_eq!(option(&tree), None, "Odoo refuses a folder without any");
    assert!(
        !tree.text("/etc/systemd/system/odoo.service").contains("/opt/odoo-addons"),
        "nor is it bound in"
    );
}

#[test]
fn a_folder_is_an_addon_or_has_some() {
    let files = [
        "one/__manifest__.py",
        "one/models/a.py",
        "more/two/__manifest__.py",
        "more/three/__manifest__.py",
        "more/README.md",
        "more/docs/index.md",
    ];
    let tree = with("[\"one\", \"more\"]", &files).expect("a tree");
    assert_eq!(
        addons(&tree),
        ["one/__manifest__.py", "one/models/a.py", "three/__manifest__.py", "two/__manifest__.py"],
        "addons, and nothing that lies beside them"
    );
    assert_eq!(option(&tree), Some("/opt/odoo-addons/node"));
}

#[test]
fn what_git_and_python_keep_for_themselves_stays_behind() {
    let files = ["a/__manifest__.py", "a/.git/config", "a/__pycache__/b.pyc", "a/c.pyc", "a/.hidden"];
    assert_eq!(addons(&with("[\"a\"]", &files).expect("a tree")), ["a/__manifest__.py"]);
}

#[test]
fn wheels_have_exactly_one_version() {
    let tree = with("[\"odoo14-addon-web-responsive==14.0.1.2.1\"]", &[]).expect("a tree");
    assert_eq!(option(&tree), Some("/opt/odoo-addons/wheels/odoo/addons"));
    let artifact = &tree.manifest.artifacts["/opt/odoo-addons/wheels"];
    assert_eq!(artifact.to_string(), "wheels for Python 3.9: odoo14-addon-web-responsive==14.0.1.2.1");
    for (wheel, why) in [
        ("odoo14-addon-web-responsive", "has no version: another one could come tomorrow"),
        ("odoo14-addon-web-responsive>=14.0", "has no version: another one could come tomorrow"),
        ("odoo14-addon-web-responsive==14.*", "is no wheel with one version"),
        ("odoo14-addon-web-responsive==14.0 --pre", "is no wheel with one version"),
        ("odoo14-addon-web-responsive==14.0,!=1", "is no wheel with one version"),
        ("odoo16-addon-x==16.0.1", "is no addon for Odoo 14"),
    ] {
        let problems = with(&format!("[\"{wheel}\"]"), &[]).expect_err(wheel);
        assert!(problems.contains(&format!("`{wheel}` {why}")), "{wheel}: {problems}");
    }
}

#[test]
fn what_is_wrong_with_a_folder_is_told() {
    for (addons, files, message) in [
        ("[\"none\"]", &[][..], "No such file or directory"),
        ("[\"a\"]", &["a/README.md"], "there is no addon in"),
        ("[\"a\", \"b/a\"]", &["a/__manifest__.py", "b/a/__manifest__.py"], "there are two addons `a`"),
        ("[\"a\"]", &["a/__manifest__.py", "a/two words.png"], "has characters other than"),
    ] {
        let problems = with(addons, files).expect_err(message);
        assert!(problems.contains(message), "{addons}: {problems}");
    }
}

#[test]
fn a_link_is_not_followed() {
    let folder = fixtures::tree::folder();
    let addon = folder.path().join("a");
    fs::create_dir(&addon).expect("a folder");
    fs::write(addon.join("__manifest__.py"), "{}").expect("a file");
    std::os::unix::fs::symlink(Path::new("/etc/shadow"), addon.join("b")).expect("a link");
    let read = crate::addons::Addons::read(&[crate::value::Located::OnDisk(addon)]);
    let problems = sample::all(&read.expect_err("a link"));
    assert!(problems.contains("it is neither a file nor a folder"), "{problems}");
}

/// Everybody on the machine can read an addon.
#[test]
fn no_vault_and_no_private_key_travels_as_an_addon() {
    let beside = with("[\"one\"]", &["one/__manifest__.py", "one/vault/vault.lock"]).expect_err("a vault");
    assert!(beside.contains("there is a vault in"), "{beside}");
    let around =
        with("[\"vault/one\"]", &["vault/vault.lock", "vault/one/__manifest__.py"]).expect_err("a vault");
    assert!(around.contains("there is a vault in"), "{around}");

    let folder = fixtures::tree::folder();
    let addon = folder.path().join("one");
    fs::create_dir(&addon).expect("a folder");
    fs::write(addon.join("__manifest__.py"), "{}").expect("a file");
    let identity = snakeoil::identity("devm-x86_64").expect("an identity");
    fs::write(addon.join("age.key"), identity).expect("a file");
    let node = folder.path().join("a.toml");
    let text = "architecture = \"x86_64\"\nplatform = \"devm\"\n[service-stack]\nodoo-addons = [\"one\"]\n";
    fs::write(&node, text).expect("a node");
    let files = NodeFile::find(node.to_str().expect("a path")).expect("a node");
    let problems = sample::all(&pipeline::resolve(&files, Variant::Run).err().expect("a private key"));
    assert!(problems.contains("age.key` has a private key or a password's hash in it"), "{problems}");
}
