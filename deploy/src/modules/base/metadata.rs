//! The host name that an instance's metadata tell (EC2's IMDSv2), asked at each boot.
//!
//! cloud-init could do it, and runs as root whatever the instance's user data say. This asks one question, as a user of
//! its own who reaches nothing else.

use crate::{
    formats::{
        Unwritable,
        unit::{UnitFile, Word},
    },
    modules::ids,
    node::{Machine, Platform},
    problem::Problem,
    system::{Contributor, Enabled, File, Network, Sandbox, User},
    value::AbsolutePath,
};

const UNIT: &str = "odbox-host-name.service";
const SCRIPT: &str = "/usr/local/lib/odbox/ask-host-name";
/// Where the answer is, below `/run`.
const FOLDER: &str = "odbox-host-name";

/// Asks for a token, which proves that it is no request that somebody else had forwarded, and with it for the name.
/// What is written is one label (RFC 1123).
const PROGRAM: &str = r#"#!/bin/sh
set -eu
metadata=http://169.254.169.254/latest
ask() {
    curl --silent --show-error --fail --noproxy '*' --max-time 5 --retry 20 --retry-delay 2 --retry-connrefused "$@"
}
token=$(ask --request PUT --header 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$metadata/api/token")
name=$(printf 'header = "X-aws-ec2-metadata-token: %s"\n' "$token" | ask --config - "$metadata/meta-data/local-hostname")
label=${name%%.*}
case $label in
'' | -* | *- | *[!0-9A-Za-z-]*) echo "the metadata tell no host name" >&2 && exit 1 ;;
esac
[ ${#label} -le 63 ] || { echo "the host name of the metadata is too long" >&2 && exit 1; }
printf '%s\n' "$label" >"$RUNTIME_DIRECTORY/name"
"#;

pub(super) fn contribute(machine: &Machine, system: &mut Contributor<'_>) -> Result<(), Unwritable> {
    if machine.platform != Platform::Ec2 {
        let problem =
            Problem::new("the node does not say its host name, and it is no instance whose metadata tell it");
        system.problem(problem.help("write `host-name = …`, above the first [module]"));
        return Ok(());
    }
    let user = ids::HOST_NAME.user();
    let home = AbsolutePath::known("/nonexistent");
    system.user(user.clone(), User::service(ids::HOST_NAME.number, "Asks for the host name", &home));
    system.packages(["curl", "hostname"].map(crate::value::PackageName::known));
    system.file(AbsolutePath::known(SCRIPT), File::script(PROGRAM));

    let mut unit = UnitFile::new();
    unit.section("Unit")
        .set("Description", "Take the host name that the instance's metadata tell")
        .set("Wants", "network-online.target")
        .set("After", "network-online.target");
    let mut service = unit.section("Service");
    service.set("Type", "oneshot").set("RemainAfterExit", "yes").set("RuntimeDirectory", FOLDER);
    service.command("ExecStart", [SCRIPT])?;
    // To set it is for root alone: without the sandbox, in which the name would be the unit's own.
    let set = ["+/usr/bin/hostname", "--file", "/run/odbox-host-name/name"].map(Word::Literal);
    service.command("ExecStartPost", set)?;
    Sandbox::of(&user).network(Network::Internet).apply(&mut service)?;
    service.set("IPAddressDeny", "any").set("IPAddressAllow", "169.254.169.254");
    system.unit(UNIT, unit, Enabled::WantedBy("multi-user.target"));
    Ok(())
}
