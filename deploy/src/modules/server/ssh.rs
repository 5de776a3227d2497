//! OpenSSH's server. How people log in by it is `login`'s to say, in a file that is read first.

use crate::{
    formats::{
        Unwritable,
        unit::{UnitFile, Word},
    },
    system::{BornKey, Contributor, Enabled, File, ROOT, Sandbox},
    value::{AbsolutePath, UserName},
};

/// sshd_config(5). Of two values for a keyword the first counts.
const CONFIGURATION: &str = "\
Include /etc/ssh/sshd_config.d/*.conf

# Born on this machine, on its first boot.
HostKey /etc/ssh/ssh_host_ed25519_key

# What OpenSSH has by itself, less what is old: no groups of RFC 4253 and RFC 5656, no CBC and CTR, no SHA-1, and no
# MAC that is not over the ciphertext.
KexAlgorithms -diffie-hellman-*,ecdh-sha2-*
Ciphers -*-cbc,*-ctr
MACs -hmac-sha1*,umac-64*,hmac-sha2-256,hmac-sha2-512,umac-128@openssh.com
PubkeyAcceptedAlgorithms -ssh-rsa*,ssh-dss*

UsePAM yes
PermitRootLogin prohibit-password
PermitEmptyPasswords no
KbdInteractiveAuthentication no
HostbasedAuthentication no
MaxAuthTries 4
LoginGraceTime 30
MaxStartups 10:30:60
ClientAliveInterval 60
ClientAliveCountMax 5
UseDNS no

X11Forwarding no
AllowAgentForwarding no
PermitTunnel no
PermitUserEnvironment no
PrintMotd no
AcceptEnv LANG LC_*
Subsystem sftp internal-sftp
";

const SERVICE: &str = "ssh.service";
const KEY: &str = "/etc/ssh/ssh_host_ed25519_key";
const PUBLIC: &str = "/etc/ssh/ssh_host_ed25519_key.pub";
const DRAFT: &str = "/etc/ssh/ssh_host_ed25519_key.new";
const PUBLIC_DRAFT: &str = "/etc/ssh/ssh_host_ed25519_key.new.pub";
const MAKE_KEY: &str = "odbox-ssh-host-key.service";

pub(super) fn contribute(system: &mut Contributor<'_>) -> Result<(), Unwritable> {
    system.package("openssh-server");
    system.file(AbsolutePath::known("/etc/ssh/sshd_config"), File::text(CONFIGURATION));
    system.packaged_unit(SERVICE, Enabled::WantedBy("multi-user.target"));
    system.listen(22, SERVICE);
    system.open_port(22);
    // Debian's makes a key of each type.
    system.packaged_unit("sshd-keygen.service", Enabled::Masked);
    let why = "by which this machine is known over SSH; made on its first boot, and never the same on two";
    system.born_key(AbsolutePath::known(KEY), BornKey { owner: UserName::known(ROOT), why });
    system.unit(MAKE_KEY, make_key()?, Enabled::WantedBy(SERVICE));
    // systemd would have SSH on sockets that no firewall sees (systemd-ssh-generator(8)).
    let generator = "/etc/systemd/system-generators/systemd-ssh-generator";
    system.file(AbsolutePath::known(generator), File::link(AbsolutePath::known("/dev/null")));
    Ok(())
}

/// Makes the key by which the machine is known: one of the secrets that are born on it. It is made beside its place and
/// moved there whole: a machine that lost power meanwhile makes it again.
fn make_key() -> Result<UnitFile, Unwritable> {
    let mut unit = UnitFile::new();
    unit.section("Unit")
        .set("Description", "Make the key by which this machine is known over SSH")
        .set("ConditionFileNotEmpty", "!/etc/ssh/ssh_host_ed25519_key")
        .words("Before", [SERVICE])?;
    let mut service = unit.section("Service");
    let keygen = ["/usr/bin/ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "%H", "-f", DRAFT];
    service.set("Type", "oneshot").set("RemainAfterExit", "yes");
    service
        .command("ExecStart", ["/usr/bin/rm", "-f", DRAFT, PUBLIC_DRAFT])?
        .command("ExecStart", keygen.map(Word::Literal))?
        .command("ExecStart", ["/usr/bin/sync", DRAFT, PUBLIC_DRAFT])?
        .command("ExecStart", ["/usr/bin/mv", PUBLIC_DRAFT, PUBLIC])?
        .command("ExecStart", ["/usr/bin/mv", DRAFT, KEY])?;
    // The public half is for all to read; ssh-keygen(1) gives the other one to root alone.
    Sandbox::root().writes([AbsolutePath::known("/etc/ssh")]).apply(&mut service)?;
    service.set("UMask", "0022");
    Ok(unit)
}
