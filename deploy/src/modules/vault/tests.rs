use std::{collections::BTreeSet, fs, path::Path};

use fixtures::vault::Vault;

use crate::{
    assertions,
    formats::unit::UnitFile,
    modules::{Offers, World, sample, vault::units::UNITS, wiring},
    node::{NodeFile, Variant},
    pipeline,
    problem::Problems,
    system::{Content, System},
    tree::Tree,
    value::Domain,
};

const SNAKE_OIL: &str = "[vault]\nsnakeoil = true\n";

/// What comes of a node on a disk whose vault is this one.
fn with_vault(vault: &Vault, machine: &str) -> Result<pipeline::Resolved, Problems> {
    let node = vault.beside("node.toml");
    let text = format!(
        "architecture = \"x86_64\"\nplatform = \"devm\"\nhost-name = \"devm\"\n\
         [vault]\nsource = \"vault\"\nsigners = \"allowed_signers\"\nmachine = \"{machine}\"\n"
    );
    fs::write(&node, text).expect("a node");
    pipeline::resolve(&NodeFile::find(node.to_str().expect("a path")).expect("a node"), Variant::Run)
}

#[track_caller]
fn refused(resolved: Result<pipeline::Resolved, Problems>) -> String {
    sample::all(&resolved.err().expect("something is wrong"))
}

#[test]
fn the_machine_gets_ciphertext_signers_and_what_vaultd_is_told() {
    let tree = sample::tree(SNAKE_OIL);
    for (path, bytes) in snakeoil::files().iter().filter(|(path, _)| !path.starts_with('.')) {
        let there = match tree.at(&format!("/etc/vaultd/vault/{path}")) {
            Some(Content::Text(text)) => text.as_bytes(),
            Some(Content::Bytes(bytes)) => bytes,
            other => panic!("{path} is {other:?}"),
        };
        assert_eq!(there, *bytes, "{path}");
        assert_eq!(tree.access(&format!("/etc/vaultd/vault/{path}")), ("root", "root", "0644"));
    }
    assert!(tree.text("/etc/vaultd/allowed_signers").contains("ssh-ed25519"));
    assert_eq!(tree.access("/etc/age.key"), ("root", "root", "0600"));
    assert_eq!(tree.text("/etc/age.key"), snakeoil::identity("devm-x86_64").expect("an identity"));
    assert_eq!(tree.manifest.artifacts["/usr/local/bin"].to_string(), "odbox: vaultd vaultgen");
    assert_eq!(tree.manifest.users["vaultd"], 807);
}

#[test]
fn the_settings_name_the_vault_and_its_serial_for_a_first_boot() {
    let tree = sample::tree(SNAKE_OIL);
    let lock = vault_format::Lock::parse(tree.text("/etc/vaultd/vault/vault.lock")).expect("a lock");
    let settings: toml::Table =
        toml::from_str(tree.text("/etc/vaultd/vaultd.toml")).expect("settings are TOML");
    assert_eq!(settings["vault-id"].as_str(), Some(lock.id.to_string().as_str()));
    assert_eq!(settings["min-serial"].as_integer(), i64::try_from(lock.serial).ok());
    assert_eq!(settings["identity"].as_str(), Some("/etc/age.key"));
    assert_eq!(settings["mountpoint"].as_str(), Some("/run/vault"));
    assert_eq!(settings["allow-snakeoil"].as_bool(), Some(true));
}

#[test]
fn a_vault_may_restart_the_units_that_have_its_secrets_as_credentials() {
    let tree = sample::tree(&format!("{SNAKE_OIL}[login]\nmode = \"standard\"\n"));
    assert!(tree.text("/etc/vaultd/vaultd.toml").contains("on-change-units = [\"odbox-login.service\"]\n"));
    let alone = sample::tree(SNAKE_OIL);
    assert!(alone.text("/etc/vaultd/vaultd.toml").contains("on-change-units = []\n"));
}

#[test]
fn every_unit_beside_the_source_of_vaultd_is_there_and_it_starts_early() {
    let tree = sample::tree(SNAKE_OIL);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vaultd/systemd");
    let names = fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").file_name());
    let units = names.filter(|name| !name.to_string_lossy().ends_with(".conf"));
    let known: BTreeSet<&str> = UNITS.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        units.map(|name| name.into_string().expect("a name")).collect::<BTreeSet<_>>().len(),
        known.len()
    );
    for name in known {
        tree.text(&format!("/etc/systemd/system/{name}"));
    }
    let wanted = "/etc/systemd/system/sysinit.target.wants/vaultd.service";
    assert_eq!(tree.link(wanted), "/etc/systemd/system/vaultd.service");
    assert!(tree.text("/etc/tmpfiles.d/vaultd.conf").ends_with("d /run/vault 0711 root root -\n"));
    assert!(tree.at("/etc/systemd/system/vaultd.service.d/odbox.conf").is_none());
    assert!(tree.at("/etc/systemd/system/vaultd-cleanup.service.d/odbox.conf").is_none());
}

#[test]
fn another_mount_and_identity_are_told_to_all_that_know_the_usual_ones() {
    let options = "mount = \"/srv/secrets\"\nidentity = \"/var/keys/age.key\"\n";
    let tree = sample::tree(&format!("{SNAKE_OIL}{options}[login]\nmode = \"standard\"\n"));
    let settings = tree.text("/etc/vaultd/vaultd.toml");
    assert!(settings.contains("mountpoint = \"/srv/secrets\"\n"));
    assert!(settings.contains("identity = \"/var/keys/age.key\"\n"));
    assert_eq!(tree.access("/var/keys/age.key"), ("root", "root", "0600"));
    assert!(tree.text("/etc/tmpfiles.d/vaultd.conf").contains("d /srv/secrets 0711"));
    assert_eq!(
        tree.text("/etc/systemd/system/vaultd.service.d/odbox.conf"),
        "[Unit]\nRequiresMountsFor=/var/keys/age.key /srv\n"
    );
    let cleanup = tree.text("/etc/systemd/system/vaultd-cleanup.service.d/odbox.conf");
    assert_eq!(
        cleanup,
        "[Service]\n\
         ExecCondition=\n\
         ExecCondition=/usr/bin/grep --quiet --fixed-strings \" /srv/secrets \" /proc/self/mountinfo\n\
         ExecCondition=/usr/bin/sh -c \"test -z \\\"$(systemctl list-jobs --no-legend vaultd.service)\\\"\"\n\
         ExecStart=\n\
         ExecStart=/usr/bin/umount --force --lazy --no-canonicalize --internal-only /srv/secrets\n"
    );
    let login = tree.text("/etc/systemd/system/odbox-login.service");
    assert!(login.contains("LoadCredential=root:/srv/secrets/passwords/root.yesc\n"), "{login}");
}

#[test]
fn a_vault_of_ones_own_brings_no_identity() {
    let vault = Vault::with("api/token", "x").machine("box").build();
    let tree = sample::sound(with_vault(&vault, "box")).tree();
    assert!(tree.at("/etc/age.key").is_none());
    assert!(tree.at("/etc/vaultd/vault/api/token.age").is_some());
    assert!(!tree.text("/etc/vaultd/vaultd.toml").contains("snakeoil"));
}

/// Whatever `vaultgen` takes as a name, the machine gets, and a tree of it is read back.
#[test]
fn a_secret_may_have_any_name_that_vaultgen_takes() {
    let names = ["api/a,b", "api/c=d", "+e@f/g.h_i-j"];
    let policy =
        "[machines]\nbox = { keys = [\"age1dxnmy3xf39kecyd863g32j46rwkg45ygf48hgqzrk7nj8p4au5zsu5xrgn\"] }";
    let vault = names.iter().fold(Vault::with("x", "y"), |vault, name| vault.and(name, *name)).policy(policy);
    let vault = vault.build();
    let resolved = with_vault(&vault, "box");
    let resolved = resolved.unwrap_or_else(|problems| panic!("{}", sample::all(&problems)));
    let tree = resolved.tree();
    for name in names {
        let path = format!("/etc/vaultd/vault/{name}.age");
        assert!(matches!(tree.at(&path), Some(Content::Text(_) | Content::Bytes(_))), "{path}");
    }
    let out = vault.beside("tree");
    tree.write(&out).expect("a tree");
    assert_eq!(Tree::read(&out).expect("the same tree"), tree);
}

#[test]
fn snake_oil_is_for_dev_vms() {
    let text = "architecture = \"x86_64\"\nplatform = \"ec2\"\n[vault]\nsnakeoil = true\n";
    let problems = refused(sample::node("ec2", text));
    assert!(problems.contains("snake-oil secrets on a machine that is no dev VM"), "{problems}");
    assert!(problems.contains("vaultgen init"), "{problems}");
}

#[test]
fn snake_oil_is_recognised_under_any_other_name() {
    let vault = Vault::copy_of(&fixtures::vault::snake_oil());
    let problems = refused(with_vault(&vault, "devm-x86_64"));
    assert!(problems.contains("this is the snake-oil vault"), "{problems}");
}

#[test]
fn a_machine_that_the_vault_does_not_know_is_told_how_to_be_let_in() {
    let problems = sample::problems(&format!("{SNAKE_OIL}machine = \"web-1\"\n"));
    assert!(problems.contains("the vault does not know the machine `web-1`"), "{problems}");
    assert!(problems.contains("`vaultgen machine add web-1`"), "{problems}");
}

#[test]
fn a_node_whose_name_names_no_machine_says_which_it_is() {
    let text = "architecture = \"x86_64\"\nplatform = \"devm\"\nhost-name = \"a\"\n[vault]\n";
    let problems = refused(sample::node("my box", text));
    assert!(problems.contains("the node's name `my box` has characters"), "{problems}");
    assert!(problems.contains("write `machine = …`"), "{problems}");
    // The snake-oil vault knows one for each processor, whatever the node is called.
    assert!(sample::node("my box", &format!("{text}snakeoil = true\n")).is_ok());
}

/// A person or a group is in many an audience: their key is not for a machine.
#[test]
fn a_group_is_no_machine() {
    let vault = Vault::with("api/token", "x").build();
    let problems = refused(with_vault(&vault, "ops"));
    assert!(problems.contains("the vault does not know the machine `ops`"), "{problems}");
}

/// The certificate's key, as a policy has it, handed to Nginx beside PgAdmin.
fn key_beside_pgadmin(owner: &str, group: &str, mode: &str, more: &str) -> String {
    let certificate = Vault::with("certs/localhost-cert.pem", "x")
        .of_kind("certificate")
        .readable("nginx", "nginx", "0444");
    let key =
        certificate.and("certs/localhost-key.pem", "x").of_kind("private-key").readable(owner, group, mode);
    let vault = key.policy(more).machine("box").build();
    let node = vault.beside("node.toml");
    let text = "architecture = \"x86_64\"\nplatform = \"devm\"\nhost-name = \"devm\"\n\
                [vault]\nsource = \"vault\"\nsigners = \"allowed_signers\"\nmachine = \"box\"\n\
                [service-stack]\npgadmin = true\n";
    fs::write(&node, text).expect("a node");
    let files = NodeFile::find(node.to_str().expect("a path")).expect("a node");
    refused(pipeline::resolve(&files, Variant::Run))
}

#[test]
fn what_the_user_of_another_unit_could_read_is_told() {
    let told = "`certs/localhost-key.pem` is for nginx.service, and ";
    for (owner, group, mode) in
        [("pgadmin", "nginx", "0400"), ("root", "pgadmin", "0440"), ("nginx", "nginx", "0444")]
    {
        let problems = key_beside_pgadmin(owner, group, mode, "");
        assert!(problems.contains(told), "{owner} {group} {mode}: {problems}");
    }
    for (owner, group, mode) in
        [("nginx", "nginx", "0440"), ("root", "pgadmin", "0400"), ("root", "root", "0400")]
    {
        let problems = key_beside_pgadmin(owner, group, mode, "");
        assert!(!problems.contains(told), "{owner} {group} {mode}: {problems}");
    }
}

#[test]
fn what_a_view_shows_to_another_is_told() {
    let view = "[view.\"other/key.pem\"]\nof = \"certs/localhost-key.pem\"\nowner = \"pgadmin\"\n";
    let problems = key_beside_pgadmin("nginx", "nginx", "0400", view);
    assert!(problems.contains("could read `other/key.pem` too, as `pgadmin`"), "{problems}");
}

#[test]
fn snake_oil_and_a_vault_of_its_own_are_not_both() {
    let problems = sample::problems(&format!("{SNAKE_OIL}source = \"vault\"\n"));
    assert!(problems.contains("a vault of its own beside the snake-oil vault"), "{problems}");
    assert!(problems.contains("write `snakeoil = false`"), "{problems}");
}

/// Whoever starts from a shipped node and forgets a key would have a machine that nobody can enter.
#[test]
fn keys_of_the_example_open_nothing_but_the_example() {
    let vault = Vault::with("api/token", "x").machine("box").build();
    let node = vault.beside("node.toml");
    let text = "from = \"ec2-x86_64\"\n[vault]\nsource = \"vault\"\nsigners = \"allowed_signers\"\n";
    fs::write(&node, text).expect("a node");
    let files = NodeFile::find(node.to_str().expect("a path")).expect("a node");
    let problems = refused(pipeline::resolve(&files, Variant::Run));
    for key in ["root-ssh-key", "admin-ssh-key"] {
        assert!(problems.contains(&format!("`{key}` is the example's")), "{problems}");
    }
}

#[test]
fn what_is_wrong_with_vault_signers_and_keys_is_told_at_once() {
    let vault = Vault::with("api/token", "x").machine("box").build();
    let node = vault.beside("node.toml");
    let text = "architecture = \"x86_64\"\nplatform = \"ec2\"\n[vault]\nsource = \"no-vault\"\n\
                signers = \"no-signers\"\nroot-ssh-key = \"no-key\"\n";
    fs::write(&node, text).expect("a node");
    let files = NodeFile::find(node.to_str().expect("a path")).expect("a node");
    let problems = refused(pipeline::resolve(&files, Variant::Run));
    for name in ["no-vault", "no-signers", "no-key"] {
        assert!(problems.contains(name), "{name}: {problems}");
    }
}

#[test]
fn a_vault_needs_a_source_and_signers_from_outside() {
    let problems = sample::problems("[vault]\n");
    assert!(problems.contains("the vault has no source"), "{problems}");
    let vault = Vault::with("api/token", "x").machine("box").build();
    let node = vault.beside("inside.toml");
    let text = "architecture = \"x86_64\"\nplatform = \"ec2\"\n\
                [vault]\nsource = \"vault\"\nsigners = \"vault/allowed_signers\"\n";
    fs::write(&node, text).expect("a node");
    let files = NodeFile::find(node.to_str().expect("a path")).expect("a node");
    let problems = refused(pipeline::resolve(&files, Variant::Run));
    assert!(problems.contains("the signers are taken from the vault itself"), "{problems}");
}

/// What is wrong with a box of which these units are handed what the wiring has for them.
fn handed(units: &[&'static str], vault: &Vault, offer: impl FnOnce(&mut Offers)) -> String {
    handed_to("box", units, vault, offer)
}

fn handed_to(
    machine: &str,
    units: &[&'static str],
    vault: &Vault,
    offer: impl FnOnce(&mut Offers),
) -> String {
    let resolved = sample::sound(with_vault(vault, machine));
    let mut offers = Offers::default();
    offer(&mut offers);
    let addons = crate::addons::Addons::default();
    let world = World {
        addons: &addons,
        machine: &resolved.machine,
        variant: Variant::Run,
        vault: resolved.vault.as_ref(),
        offers: &offers,
    };
    let mut system = System::default();
    for unit in units {
        wiring::hand(unit, &mut UnitFile::new(), &world, &mut system.by("test")).expect("a unit");
    }
    let mut problems = Problems::default();
    problems.extend(assertions::failed(&system, &world));
    sample::all(&problems)
}

#[test]
fn pgadmin_has_a_password_and_nginx_a_certificate() {
    let vault = Vault::with("api/token", "x").machine("box").build();
    let problems = handed(&["pgadmin-init.service"], &vault, |_| {});
    assert!(
        problems.contains("pgadmin-init.service needs `passwords/pgadmin-admin.txt` (the web login), which the vault does not have | `vaultgen password pgadmin-admin`"),
        "{problems}"
    );
    let problems = handed(&["nginx.service"], &vault, |offers| {
        offers.vault_certificate = Some(Domain::known("odoo.example.org"));
    });
    assert!(
        problems.contains("nginx.service needs `certs/odoo.example.org-cert.pem` (its certificate), which the vault does not have | `vaultgen certs odoo.example.org`"),
        "{problems}"
    );
    assert_eq!(handed(&["nginx.service"], &vault, |_| {}), "");
}

#[test]
fn a_machine_without_a_local_ca_is_told_how_it_gets_one() {
    let hint = "| `vaultgen machine add box --local-ca`";
    let vault = Vault::with("certs/local-ca-cert.pem", "x").machine("box").build();
    let problems = handed(&["local-ca.service"], &vault, |_| {});
    assert!(problems.contains(&format!("(to issue certificates), which the vault does not have {hint}")));
    let key = "age17z0pr2h0eyv06390dqd90cfskq28ydjwc35y83shszy4u4wgcamq2q8ypc";
    let vault = Vault::with("certs/local-ca-key.pem", "x")
        .policy(&format!("\n[machines]\nbox = {{ keys = [\"{key}\"] }}"))
        .machine("web-1")
        .build();
    let problems = handed(&["local-ca.service"], &vault, |_| {});
    assert!(problems.contains(&format!("which `box` cannot decrypt {hint}")), "that of another: {problems}");
}

#[test]
fn a_secret_that_is_not_for_this_machine_is_found() {
    let key = "age17z0pr2h0eyv06390dqd90cfskq28ydjwc35y83shszy4u4wgcamq2q8ypc";
    let vault = Vault::with("passwords/pgadmin-admin.txt", "abc123")
        .policy(&format!("\n[machines]\nweb-1 = {{ keys = [\"{key}\"] }}"))
        .machine("box")
        .build();
    let problems = handed_to("web-1", &["pgadmin-init.service"], &vault, |_| {});
    assert!(problems.contains("(the web login), which `web-1` cannot decrypt"), "{problems}");
    assert!(problems.contains("`vaultgen grant passwords/pgadmin-admin.txt web-1`"), "{problems}");
}

#[test]
fn a_credential_is_not_brought_anew_by_a_reload() {
    let reload = "on-change = [\"reload pgadmin-init.service\"]";
    let vault = Vault::with("passwords/pgadmin-admin.txt", "abc123").policy(reload).machine("box").build();
    let problems = handed(&["pgadmin-init.service"], &vault, |_| {});
    assert!(problems.contains("a reload does not bring anew"), "{problems}");
    assert!(problems.contains("on-change = [\"restart pgadmin-init.service\"]"), "{problems}");
    for sound in ["on-change = [\"restart pgadmin-init.service\"]", "on-change = [\"reload ssh.service\"]"] {
        let vault = Vault::with("passwords/pgadmin-admin.txt", "abc123").policy(sound).machine("box").build();
        assert_eq!(handed(&["pgadmin-init.service"], &vault, |_| {}), "", "{sound}");
    }
}

#[test]
fn a_reload_is_found_behind_a_template_too() {
    let template = "\n[template.\"odoo/admin.conf\"]\nsource = \"templates/admin.conf\"\nowner = \"root\"";
    let vault = Vault::with("passwords/odoo-admin.txt", "abc123")
        .policy(&format!("on-change = [\"reload odoo.service\"]\n{template}"))
        .public_file(
            "templates/admin.conf",
            "admin_passwd = {{ secret(\"passwords/odoo-admin.txt\") | ini }}\n",
        )
        .machine("box")
        .build();
    let problems = handed(&["odoo.service"], &vault, |_| {});
    assert!(
        problems.contains("have odoo.service reloaded when `passwords/odoo-admin.txt` changes"),
        "{problems}"
    );
}
