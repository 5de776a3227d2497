//! Passwords without a hash on a disk: a unit writes the hashes of the vault to a file system in RAM, where PAM reads
//! them.

use super::{Login, Person};
use crate::{
    formats::{
        Unwritable,
        unit::{UnitFile, Word, path_name},
    },
    modules::{World, wiring},
    system::{Contributor, Enabled, File, Sandbox},
    value::AbsolutePath,
};

/// Where the hashes are, in RAM that is never swapped.
const FOLDER: &str = "/run/odbox/login";
/// The program that writes them there.
const SCRIPT: &str = "/usr/local/lib/odbox/login-passwords";
/// The unit that runs it.
const UNIT: &str = "odbox-login.service";

/// Every way to log in with a password goes through this file (pam.d(5)). It is the same in both modes: in the mode
/// `cloud` nothing writes what it reads.
const COMMON_AUTH: &str = "\
# A password opens this machine if odbox-login.service has put its hash, from the vault, where this reads it. Without
# the vault none does. /etc/shadow has no hash and is not asked: what is set there by hand opens nothing either.
# pam-auth-update(8) leaves this file alone, since it finds it changed.
auth\t[success=1 default=ignore]\tpam_pwdfile.so pwdfile=/run/odbox/login/passwords
auth\trequisite\t\t\tpam_deny.so
auth\trequired\t\t\tpam_permit.so
";

/// `LOGIN CREDENTIAL NAME …` writes `NAME:HASH` for each credential. A hash is of the characters of crypt(5), and of a
/// scheme that vaultgen makes; anything else would end the line, or the field. The new file takes the place of the old
/// one at once, as PAM may be reading.
const PROGRAM: &str = r#"#!/bin/sh
set -eu
umask 077
draft=/run/odbox/login/draft
: >"$draft"
while [ $# -ge 2 ]; do
    hash=$(cat "$CREDENTIALS_DIRECTORY/$1")
    case $hash in
    *[!./0-9A-Za-z\$,=]*) echo "the password of $2 is no hash" >&2 && exit 1 ;;
    '$y$'?* | '$6$'?*) ;;
    *) echo "the password of $2 is no hash of yescrypt or sha512crypt" >&2 && exit 1 ;;
    esac
    printf '%s:%s\n' "$2" "$hash" >>"$draft"
    shift 2
done
mv -f "$draft" /run/odbox/login/passwords
"#;

impl Login {
    pub(super) fn contribute_pam(system: &mut Contributor<'_>) {
        system.package("libpam-pwdfile");
        system.file(AbsolutePath::known("/etc/pam.d/common-auth"), File::text(COMMON_AUTH));
    }

    pub(super) fn contribute_passwords(
        people: &[Person<'_>],
        world: &World<'_>,
        system: &mut Contributor<'_>,
    ) -> Result<(), Unwritable> {
        let folder = AbsolutePath::known(FOLDER);
        let mount = path_name(&folder, "mount");
        system.unit(mount.clone(), file_system(&folder)?, Enabled::Static);
        system.file(AbsolutePath::known(SCRIPT), File::script(PROGRAM));
        let mut unit = UnitFile::new();
        unit.section("Unit")
            .set("Description", "Let people log in with the passwords of the vault")
            .comment("When the vault is there later, so are the passwords.")
            .set("StartLimitIntervalSec", "0")
            .words("BindsTo", [&mount])?
            .words("After", [&mount])?
            .comment("Who logs in early is not told that the password is wrong.")
            .set("Before", "systemd-user-sessions.service ssh.service");
        let with_passwords = people.iter().filter(|person| person.has_password);
        let arguments = with_passwords
            .flat_map(|person| [Word::from(person.credential), Word::from(person.name.as_str())]);
        let mut service = unit.section("Service");
        service
            .set("Type", "oneshot")
            .set("RemainAfterExit", "yes")
            .set("Restart", "on-failure")
            .set("RestartSec", "10s")
            .comment("Hashes are on no disk: what holds them is not swapped.")
            .set("MemorySwapMax", "0")
            .command("ExecStart", [Word::Literal(SCRIPT)].into_iter().chain(arguments))?;
        Sandbox::root().writes([folder]).apply(&mut service)?;
        wiring::hand(UNIT, &mut unit, world, system)?;
        system.unit(UNIT, unit, Enabled::WantedBy("multi-user.target"));
        Ok(())
    }
}

/// A file system for root alone that the kernel never swaps (`noswap` of tmpfs(5), Linux 6.4).
fn file_system(folder: &AbsolutePath) -> Result<UnitFile, Unwritable> {
    let mut unit = UnitFile::new();
    unit.section("Unit").set("Description", "Where the hashes of passwords are, in RAM alone");
    unit.section("Mount")
        .set("What", "tmpfs")
        .path("Where", folder.as_str())?
        .set("Type", "tmpfs")
        .set("Options", "noswap,mode=0700,size=1M,nr_inodes=16,nosuid,nodev,noexec");
    Ok(unit)
}
