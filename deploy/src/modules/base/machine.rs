//! Who and where the machine is: its name, time zone and language.

use crate::{
    node::Machine,
    system::{Contributor, File},
    value::AbsolutePath,
};

/// hosts(5), but for the machine's own name.
const LOOPBACK: &str = "\
127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
";

pub(super) fn contribute(machine: &Machine, system: &mut Contributor<'_>) {
    let mut hosts = LOOPBACK.to_owned();
    match &machine.host_name {
        Some(name) => {
            system.file(AbsolutePath::known("/etc/hostname"), File::text(format!("{name}\n")));
            hosts += &format!("127.0.1.1\t{name}\n");
        }
        // A name that nobody knows yet resolves all the same.
        None => system.package("libnss-myhostname"),
    }
    system.file(AbsolutePath::known("/etc/hosts"), File::text(hosts));

    let zone = &machine.time_zone;
    system.package("tzdata");
    // Older names of zones, such as US/Eastern: a user of Odoo may have one, and PostgreSQL has to know it then.
    system.package("tzdata-legacy");
    let zone_file = AbsolutePath::known("/usr/share/zoneinfo").join(zone.as_str());
    system.file(AbsolutePath::known("/etc/localtime"), File::link(zone_file));
    system.file(AbsolutePath::known("/etc/timezone"), File::text(format!("{zone}\n")));

    // Debian 13 has the second for what still reads it.
    let locale = AbsolutePath::known("/etc/locale.conf");
    system.file(locale.clone(), File::text("LANG=C.UTF-8\n"));
    system.file(AbsolutePath::known("/etc/default/locale"), File::link(locale));
}
