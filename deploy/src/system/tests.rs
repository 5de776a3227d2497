use super::*;
use crate::{formats::unit::UnitFile, value::UserName};

fn problems(contribute: impl Fn(&mut Contributor<'_>)) -> Vec<String> {
    let mut system = System::default();
    for module in ["one", "other"] {
        contribute(&mut system.by(module));
    }
    system.problems.iter().map(ToString::to_string).collect()
}

fn path() -> AbsolutePath {
    AbsolutePath::known("/etc/motd")
}

#[test]
fn what_two_modules_claim_is_told_with_both() {
    let user = |uid| User::service(uid, "x", &path());
    let name = || UserName::known("odoo");
    let told = [
        problems(|system| system.file(path(), File::text("x"))),
        problems(|system| system.unit("a.service", UnitFile::new(), Enabled::Static)),
        problems(|system| system.listen(8069, "a.service")),
        problems(|system| system.packaged_unit("a.service", Enabled::Masked)),
        problems(|system| system.database(PostgresName::known("odoo"), PostgresName::known("odoo"))),
        problems(|system| system.artifact(path(), Artifact::Programs(vec!["vaultd"]))),
    ];
    for told in told {
        assert!(told[0].contains("`one` and by `other`"), "{told:?}");
        assert_eq!(told.len(), 1);
    }
    // A user has a group of its name.
    assert_eq!(problems(|system| system.user(name(), user(801))).len(), 2);
}

#[test]
fn one_number_for_two_groups_is_told() {
    let mut system = System::default();
    system.by("one").user(UserName::known("a"), User::service(801, "x", &path()));
    system.by("other").user(UserName::known("b"), User::service(801, "x", &path()));
    let told: Vec<String> = system.problems.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["the number 801 is of the group `a` of `one` and of the group `b` of `other`"]);
}

#[test]
fn packages_and_open_ports_can_be_wanted_by_several() {
    let wanted = |system: &mut Contributor<'_>| {
        system.package("curl");
        system.open_port(443);
    };
    assert!(problems(wanted).is_empty());
}
