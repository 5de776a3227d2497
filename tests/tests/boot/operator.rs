//! What the operator of a machine does, on that machine for once: fill a vault, bring it where vaultd looks for it.

use crate::machine::Machine;

/// The secret that everybody in these tests is after.
pub const TOKEN: &str = "api/token";
/// What the operator writes by hand.
pub const POLICY: &str = "/root/vault/vault.toml";

impl Machine {
    /// Makes a vault with [`TOKEN`] for a machine that has this public key, and puts it where vaultd serves it from.
    pub fn make_vault(&self, recipient: &str, token: &str) {
        self.run(&format!(
            "vaultgen init --bare --batch --quiet --vault /root/vault
             printf %s '{token}' | vaultgen add --quiet --vault /root/vault {TOKEN}
             vaultgen machine add --quiet --vault /root/vault web-1 --recipient '{recipient}' --profile none
             vaultgen grant --quiet --vault /root/vault {TOKEN} web-1
             install -m 0644 /root/vault/allowed_signers /etc/vaultd/"
        ));
        self.bring_vault();
    }

    /// Gives [`TOKEN`] another value, and brings the new state.
    pub fn change_token(&self, token: &str) {
        self.run(&format!(
            "printf %s '{token}' | vaultgen rotate --stdin --quiet --vault /root/vault {TOKEN}"
        ));
        self.bring_vault();
    }

    /// Brings the vault as it is now, without private keys, as `git archive` would.
    pub fn bring_vault(&self) {
        self.run(
            "rm -rf /etc/vaultd/vault; mkdir /etc/vaultd/vault
             tar -C /root/vault --exclude='*.key' --exclude=machines -c . | tar -C /etc/vaultd/vault -x",
        );
    }

    /// Changes a byte of what was signed.
    pub fn damage_vault(&self) {
        self.run("printf '# damaged\\n' >>/etc/vaultd/vault/vault.toml");
    }

    /// How a unit is doing, as in `active` or `failed`.
    pub fn state_of(&self, unit: &str) -> String {
        self.try_run(&format!("systemctl is-active '{unit}'")).text().trim().to_owned()
    }

    /// `running` if nothing failed, else `degraded`.
    pub fn state(&self) -> String {
        self.try_run("systemctl is-system-running --wait").text().trim().to_owned()
    }
}

impl Machine {
    /// Makes the user `billing` the owner of [`TOKEN`], as the page's examples have it.
    pub fn give_token_to_billing(&self) {
        self.run(
            "sed -i '/^\\[secret.\"api\\/token\"\\]/a owner = \"billing\"' /root/vault/vault.toml
             vaultgen sign --yes --quiet --vault /root/vault",
        );
        self.bring_vault();
    }

    /// Expects a secret to be what it should be for its owner, and nothing for anybody else.
    pub fn reads_from_billing(&self, name: &str, value: &str) {
        let read =
            |user| format!("setpriv --reuid {user} --regid {user} --clear-groups cat /run/vault/{name}");
        assert_eq!(self.run(&read("billing")), value);
        self.try_run(&read("sshd").replace("--regid sshd", "--regid nogroup")).says("Permission denied");
    }

    /// Waits until the journal of this boot has as many lines with a text.
    pub fn wait_for_lines(&self, text: &str, count: usize) {
        self.run(&format!(
            "for try in $(seq 200); do
                 [ $(journalctl --boot --output=cat --no-pager | grep -cF '{text}') -lt {count} ] || exit 0
                 sleep 0.05
             done
             exit 1"
        ));
    }
}
