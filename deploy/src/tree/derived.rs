//! The files that follow from what a system has beside its files: units, users, groups.

use std::collections::BTreeMap;

use crate::{
    formats::unit::UnitFile,
    system::{By, Enabled, Entry, File, System, User},
    value::{AbsolutePath, UserName},
};

/// Where our units are.
const UNITS: &str = "/etc/systemd/system";
/// Where the units of packages are.
const PACKAGED_UNITS: &str = "/usr/lib/systemd/system";

/// Every file, folder and link of a system.
pub(super) fn entries(system: &System) -> BTreeMap<AbsolutePath, By<Entry>> {
    let mut entries = system.files.clone();
    let units = AbsolutePath::known(UNITS);
    for (name, By { module, value: unit }) in &system.units {
        let path = units.join(name);
        let file = binding(&unit.file, name, system);
        put(&mut entries, path.clone(), File::text(file.render()), module);
        enable(&mut entries, name, &unit.enabled, path, module);
    }
    for (name, By { module, value: enabled }) in &system.packaged_units {
        let target = AbsolutePath::known(PACKAGED_UNITS).join(&template(name));
        enable(&mut entries, name, enabled, target, module);
    }
    put(&mut entries, AbsolutePath::known("/etc/sysusers.d/odbox.conf"), File::text(users(system)), "base");
    entries
}

/// A unit that may listen where it says that it does, and nowhere else: a port stays its owner's while that does not run.
fn binding(file: &UnitFile, name: &str, system: &System) -> UnitFile {
    let mut file = file.clone();
    if !name.ends_with(".service") {
        return file;
    }
    let mut service = file.section("Service");
    // A port that the kernel chooses (0) is nobody's; programs in Go ask for one to see whether there is IPv6.
    service.set("SocketBindDeny", "1-65535");
    for (port, _) in system.ports.iter().filter(|(_, unit)| unit.value == name) {
        service.number("SocketBindAllow", *port);
    }
    file
}

fn put(
    entries: &mut BTreeMap<AbsolutePath, By<Entry>>,
    path: AbsolutePath,
    file: File,
    module: &'static str,
) {
    entries.insert(path, By { module, value: file.into() });
}

/// The link that has a unit start, or keeps it from starting.
fn enable(
    entries: &mut BTreeMap<AbsolutePath, By<Entry>>,
    name: &str,
    enabled: &Enabled,
    file: AbsolutePath,
    module: &'static str,
) {
    let units = AbsolutePath::known(UNITS);
    match enabled {
        Enabled::WantedBy(target) => {
            put(entries, units.join(&format!("{target}.wants/{name}")), File::link(file), module)
        }
        Enabled::Masked => {
            put(entries, units.join(name), File::link(AbsolutePath::known("/dev/null")), module)
        }
        Enabled::Static => {}
    }
}

/// The file of an instance: `a@b.service` is of `a@.service`.
fn template(name: &str) -> String {
    match (name.split_once('@'), name.rsplit_once('.')) {
        (Some((prefix, _)), Some((_, kind))) => format!("{prefix}@.{kind}"),
        _ => name.to_owned(),
    }
}

/// Users and groups, as sysusers.d(5) has them.
fn users(system: &System) -> String {
    let mut lines = vec!["# Users and groups of this machine, and no others.".to_owned()];
    let of_users = |name: &UserName| system.users.contains_key(name);
    let groups = system.groups.iter().filter(|(name, _)| !of_users(name));
    lines.extend(groups.map(|(name, group)| format!("g {name} {}", group.value.gid)));
    for (name, By { value: User { uid, description, home, shell, groups }, .. }) in &system.users {
        lines.push(format!("u {name} {uid} \"{description}\" {home} {shell}"));
        lines.extend(groups.iter().map(|group| format!("m {name} {group}")));
    }
    lines.join("\n") + "\n"
}
