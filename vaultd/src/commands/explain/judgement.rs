//! Whether somebody may open a file, and why.

use super::report::Service;
use super::unit::Unit;
use crate::generation::Facts;
use crate::opens::Place;
use crate::resolver::Person;

/// The bit that allows to read, of the three of a class.
const READ: u16 = 0o4;

/// Whether somebody may, and the sentences that say why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Judgement {
    pub who: String,
    pub allowed: bool,
    pub why: Vec<String>,
}

impl Judgement {
    /// Of a user, wherever its processes run.
    pub(super) fn of_user(name: &str, person: &Person, facts: Facts, services: &[Service]) -> Self {
        let (allowed, why) = by_mode(person, facts);
        let mut why = vec![why];
        if allowed && !services.is_empty() {
            why.push(format!("only a process of {} may", names(services)));
        }
        Self { who: name.to_owned(), allowed, why }
    }

    /// Of the processes of a unit.
    pub(super) fn of_unit(unit: &Unit, person: Option<&Person>, facts: Facts, services: &[Service]) -> Self {
        let (mode, as_whom) = match (person, unit.user()) {
            (Some(person), Some(user)) => {
                let (allowed, why) = by_mode(person, facts);
                (allowed, format!("it runs as {user}: {why}"))
            }
            (None, Some(user)) => (false, format!("it runs as {user}, and there is no such user")),
            (_, None) => {
                let (allowed, why) = by_class("others", facts.mode, facts.mode);
                (allowed, format!("it runs as a user that is made when it starts: {why}"))
            }
        };
        let (rule, why) = by_services(unit, services);
        let mut why = vec![as_whom, why];
        if rule && !mode {
            why.push(
                "LoadCredential= in the unit would do: it is read as root, among the unit's processes"
                    .to_owned(),
            );
        }
        Self { who: unit.name.clone(), allowed: mode && rule, why }
    }
}

/// As the kernel judges: by the first class that somebody is in.
fn by_mode(person: &Person, facts: Facts) -> (bool, String) {
    if person.uid == 0 {
        return (true, "root may read every file".to_owned());
    }
    if person.uid == facts.owner {
        return by_class("its owner", facts.mode, facts.mode >> 6);
    }
    match person.groups.contains(&facts.group) {
        true => by_class("its group", facts.mode, facts.mode >> 3),
        false => by_class("others", facts.mode, facts.mode),
    }
}

fn by_class(class: &str, mode: u16, bits: u16) -> (bool, String) {
    let allowed = bits & READ != 0;
    let may = if allowed { "lets" } else { "does not let" };
    (allowed, format!("mode {mode:04o} {may} {class} read it"))
}

fn by_services(unit: &Unit, services: &[Service]) -> (bool, String) {
    if services.is_empty() {
        return (true, "the policy names no services".to_owned());
    }
    let place = unit.place.as_ref();
    let holds = |service: &&Service| {
        service.name == unit.name
            || place.zip(service.place()).is_some_and(|(place, service)| place.is_within(service))
    };
    match services.iter().find(holds) {
        Some(service) if service.name == unit.name => (true, "it is one of the services".to_owned()),
        Some(service) => (true, format!("it runs as a part of {}", service.name)),
        None => (false, format!("only a process of {} may", names(services))),
    }
}

pub(super) fn names(services: &[Service]) -> String {
    services.iter().map(|service| service.name.as_str()).collect::<Vec<_>>().join(" or ")
}

impl Service {
    fn place(&self) -> Option<&crate::opens::ControlGroup> {
        match &self.place {
            Place::At(place) => Some(place),
            Place::Nowhere | Place::Untold => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::{Facts, Judgement, Person, Place, Service, Unit};
    use crate::opens::ControlGroup;

    fn facts(mode: u16) -> Facts {
        Facts { owner: 7, group: 8, mode, modified: SystemTime::UNIX_EPOCH }
    }

    fn person(uid: u32, groups: &[u32]) -> Person {
        Person { uid, groups: groups.iter().copied().collect() }
    }

    fn service(name: &str) -> Service {
        let place = ControlGroup::parse(&format!("/system.slice/{name}")).expect("a group");
        Service { name: name.to_owned(), place: Place::At(place) }
    }

    #[test]
    fn a_user_is_judged_as_the_kernel_does() {
        let may = |uid, groups: &[u32], mode| {
            Judgement::of_user("u", &person(uid, groups), facts(mode), &[]).allowed
        };
        assert!(may(0, &[0], 0o000));
        assert!(may(7, &[9], 0o400) && !may(7, &[8], 0o044), "an owner is judged as nobody else");
        assert!(may(6, &[9, 8], 0o040) && !may(6, &[9, 8], 0o404), "nor is a member of the group");
        assert!(may(6, &[9], 0o004) && !may(6, &[9], 0o440));
    }

    #[test]
    fn a_unit_needs_both_the_mode_and_the_rule() {
        let unit = |name: &str, place: &str| Unit {
            name: name.to_owned(),
            place: ControlGroup::parse(place),
            ..Unit::default()
        };
        let services = [service("a.service")];
        let may = |unit: &Unit, uid| {
            Judgement::of_unit(unit, Some(&person(uid, &[])), facts(0o400), &services).allowed
        };
        assert!(may(&unit("a.service", ""), 7), "also while it does not run");
        assert!(!may(&unit("a.service", ""), 6));
        assert!(!may(&unit("b.service", "/system.slice/b.service"), 7));
        assert!(may(&unit("b.scope", "/system.slice/a.service/b.scope"), 7));
        let stranger = Unit { is_dynamic: true, ..unit("a.service", "") };
        assert!(!Judgement::of_unit(&stranger, None, facts(0o440), &services).allowed);
        assert!(Judgement::of_unit(&stranger, None, facts(0o444), &services).allowed);
    }
}
