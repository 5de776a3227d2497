use std::{collections::BTreeSet, fs, path::Path};

use super::cli_tools::{ADMIN_SET, Tool};
use crate::{modules::sample, tree::Tree};

/// A dev VM whose base has these options.
fn base(options: &str) -> Tree {
    sample::tree(&format!("[base]\n{options}"))
}

fn ec2(options: &str) -> Tree {
    let text = format!("architecture = \"x86_64\"\nplatform = \"ec2\"\n[base]\n{options}");
    sample::sound(sample::node("ec2", &text)).tree()
}

#[test]
fn the_admin_set_is_the_default() {
    let packages = base("").manifest.packages;
    assert!(ADMIN_SET.iter().flat_map(|tool| tool.packages).all(|name| packages.contains(*name)));
    assert_eq!(packages, base("cli-tools = [\"admin\"]\n").manifest.packages);
}

#[test]
fn a_list_of_tools_adds_or_replaces() {
    let set = base("").manifest.packages;
    let more = base("cli-tools = [\"admin\", \"htop\"]\n").manifest.packages;
    assert_eq!(more.difference(&set).collect::<Vec<_>>(), ["htop"]);
    let other = base("cli-tools = [\"htop\"]\n");
    assert!(other.manifest.packages.contains("htop") && !other.manifest.packages.contains("ripgrep"));
    assert!(other.manifest.packages.contains("bash-completion"));
    assert!(other.at("/usr/local/bin/bat").is_none());
    assert_eq!(base("").link("/usr/local/bin/bat"), "/usr/bin/batcat");
    let problems = sample::problems("[base]\ncli-tools = [\"admin\", \"No Package\"]\n");
    assert!(problems.contains("\"admin\" for the admin set, or a package of Debian"), "{problems}");
}

#[test]
fn the_page_has_the_same_table() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/cli-tools.md"));
    let page = page.expect("the page");
    let row = |tool: &Tool| {
        let packages: Vec<String> = tool.packages.iter().map(|name| format!("`{name}`")).collect();
        let from =
            if tool.instead.is_empty() { packages.join(", ") } else { format!("left out: {}", tool.instead) };
        format!("| {} | {from} |", tool.name)
    };
    let written: BTreeSet<&str> = page.lines().filter(|line| line.starts_with("| ")).skip(2).collect();
    let known: BTreeSet<String> = ADMIN_SET.iter().map(row).collect();
    assert_eq!(written, known.iter().map(String::as_str).collect());
}

#[test]
fn each_editor_is_the_default_for_who_asks_the_environment_or_the_link() {
    for (name, package, program) in [
        ("emacs", "emacs-nox", "/usr/bin/emacs"),
        ("vim", "vim", "/usr/bin/vim.basic"),
        ("nano", "nano", "/bin/nano"),
    ] {
        let tree = base(&format!("editor = \"{name}\"\n"));
        assert!(tree.manifest.packages.contains(package));
        assert_eq!(tree.link("/etc/alternatives/editor"), program);
        assert_eq!(
            tree.text("/etc/profile.d/odbox-editor.sh"),
            format!("export EDITOR={name} VISUAL={name}\n")
        );
    }
    assert_eq!(base("").link("/etc/alternatives/editor"), "/usr/bin/emacs");
}

#[test]
fn the_group_sudo_needs_no_password() {
    let tree = base("");
    assert!(tree.text("/etc/sudoers.d/odbox").contains("%sudo ALL=(ALL:ALL) NOPASSWD: ALL\n"));
    assert_eq!(tree.access("/etc/sudoers.d/odbox"), ("root", "root", "0440"));
    assert!(tree.manifest.packages.contains("sudo"));
}

#[test]
fn the_machine_has_its_name_zone_and_language() {
    let text = "architecture = \"x86_64\"\nplatform = \"devm\"\nhost-name = \"devm\"\ntime-zone = \"Europe/Amsterdam\"\n[base]\n";
    let tree = sample::sound(sample::node("devm-x86_64", text)).tree();
    assert_eq!(tree.text("/etc/hostname"), "devm\n");
    assert!(tree.text("/etc/hosts").starts_with("127.0.0.1\tlocalhost\n"));
    assert!(tree.text("/etc/hosts").ends_with("127.0.1.1\tdevm\n"));
    assert_eq!(tree.link("/etc/localtime"), "/usr/share/zoneinfo/Europe/Amsterdam");
    assert_eq!(tree.text("/etc/timezone"), "Europe/Amsterdam\n");
    assert_eq!(tree.text("/etc/locale.conf"), "LANG=C.UTF-8\n");
    assert!(tree.at("/etc/systemd/system/odbox-host-name.service").is_none());
}

#[test]
fn an_instance_asks_its_metadata_for_the_name() {
    let tree = ec2("");
    assert!(tree.at("/etc/hostname").is_none());
    assert!(tree.manifest.packages.contains("libnss-myhostname"));
    let unit = tree.text("/etc/systemd/system/odbox-host-name.service");
    assert!(unit.contains("User=host-name\n") && unit.contains("IPAddressAllow=169.254.169.254\n"), "{unit}");
    assert!(tree.text("/etc/systemd/timesyncd.conf.d/odbox.conf").contains("NTP=169.254.169.123\n"));
}

#[test]
fn a_machine_without_metadata_says_its_name() {
    let problems = sample::node("a", "architecture = \"x86_64\"\nplatform = \"devm\"\n[base]\n");
    let problems = sample::all(&problems.err().expect("no name"));
    assert!(problems.contains("the node does not say its host name"), "{problems}");
}

#[test]
fn memory_is_kept_off_disks() {
    let tree = base("");
    assert!(tree.text("/etc/default/grub.d/50-odbox.cfg").contains("init_on_free=1 nohibernate"));
    let sysctl = tree.text("/etc/sysctl.d/60-odbox-memory.conf");
    assert!(sysctl.contains("kernel.core_pattern = |/bin/false\n"));
    assert!(sysctl.contains("kernel.kexec_load_disabled = 1\n"));
    assert!(tree.text("/etc/systemd/system.conf.d/odbox.conf").contains("DefaultLimitCORE=0\n"));
    assert!(tree.text("/etc/systemd/journald.conf.d/odbox.conf").contains("SystemMaxUse=1G\n"));
}

#[test]
fn nothing_changes_packages_in_between() {
    let tree = base("");
    assert_eq!(tree.link("/etc/systemd/system/apt-daily.timer"), "/dev/null");
    assert_eq!(tree.link("/etc/systemd/system/apt-daily-upgrade.timer"), "/dev/null");
}
