//! What of OpenSSH's server depends on the mode, and the keys of those who log in.

use super::{Login, Mode, Person};
use crate::{
    system::{Contributor, File},
    value::{AbsolutePath, SshKey},
};

/// Read before everything that `server` says: of two values for a keyword the first counts (sshd_config(5)).
const CONFIGURATION: &str = "/etc/ssh/sshd_config.d/00-odbox-login.conf";

const CLOUD: &str = "\
# Keys only.
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
AuthenticationMethods publickey
";

const STANDARD: &str = "\
# The passwords of the vault through PAM, and keys.
PermitRootLogin yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
";

/// A file for each user, which only root changes: whoever becomes somebody cannot let others in.
const KEYS: &str = "/etc/ssh/authorized_keys.d";

impl Login {
    pub(super) fn contribute_ssh(&self, people: &[Person<'_>], system: &mut Contributor<'_>) {
        let by_mode = match self.mode {
            Mode::Cloud => CLOUD,
            Mode::Standard => STANDARD,
        };
        let names: Vec<&str> = people.iter().map(|person| person.name.as_str()).collect();
        let text = format!("{by_mode}AllowUsers {}\nAuthorizedKeysFile {KEYS}/%u\n", names.join(" "));
        system.file(AbsolutePath::known(CONFIGURATION), File::text(text));
        for person in people.iter().filter(|person| !person.keys.is_empty()) {
            let lines: Vec<&str> = person.keys.iter().map(SshKey::as_str).collect();
            let path = AbsolutePath::known(KEYS).join(person.name.as_str());
            system.file(path, File::text(lines.join("\n") + "\n"));
        }
    }
}
