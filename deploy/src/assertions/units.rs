//! Units refer to users and units that there are, and files to owners.

use crate::{
    problem::Problem,
    system::{Enabled, ROOT, System},
    value::UserName,
};

pub(super) fn failed(system: &System) -> Vec<Problem> {
    users_of_units(system)
        .chain(owners_of_files(system))
        .chain(groups_of_users(system))
        .chain(wanted(system))
        .collect()
}

fn is_known(system: &System, name: &str) -> bool {
    name == ROOT
        || UserName::new(name)
            .is_ok_and(|name| system.users.contains_key(&name) || system.groups.contains_key(&name))
}

fn users_of_units(system: &System) -> impl Iterator<Item = Problem> {
    system.units.iter().flat_map(move |(name, unit)| {
        let named = ["User", "Group"].into_iter().flat_map(|key| unit.value.file.get("Service", key));
        let unknown = named.filter(|user| !is_known(system, user));
        unknown.map(move |user| {
            Problem::new(format!("{name} of `{}` runs as `{user}`, which no module adds", unit.module))
        })
    })
}

fn owners_of_files(system: &System) -> impl Iterator<Item = Problem> {
    system.files.iter().flat_map(move |(path, file)| {
        let owners = [&file.value.owner, &file.value.group].into_iter();
        let unknown = owners.filter(|owner| !is_known(system, owner.as_str()));
        unknown.map(move |owner| {
            Problem::new(format!("{path} of `{}` belongs to `{owner}`, which no module adds", file.module))
        })
    })
}

fn groups_of_users(system: &System) -> impl Iterator<Item = Problem> {
    system.users.iter().flat_map(move |(name, user)| {
        let unknown = user.value.groups.iter().filter(|group| !system.groups.contains_key(*group));
        unknown.map(move |group| {
            Problem::new(format!("the user `{name}` is in the group `{group}`, which no module adds"))
        })
    })
}

/// What a unit of ours is wanted by is there: ours, or of a package.
fn wanted(system: &System) -> impl Iterator<Item = Problem> {
    system.units.iter().filter_map(move |(name, unit)| {
        let Enabled::WantedBy(target) = unit.value.enabled else { return None };
        let is_there = target.ends_with(".target")
            || system.units.contains_key(target)
            || system.packaged_units.contains_key(target);
        (!is_there).then(|| {
            Problem::new(format!("{name} of `{}` is wanted by {target}, which is not there", unit.module))
        })
    })
}
