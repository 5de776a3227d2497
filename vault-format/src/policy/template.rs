//! The policy of templates: who may have them rendered, and who may read them.

use std::{collections::BTreeSet, sync::Arc};

use super::{Mode, Policy};
use crate::{Recipient, SecretName};

/// The policy of a file that is made of a text and secrets, where the vault is served.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplatePolicy {
    /// The text: a path below `templates/`.
    pub source: SecretName,
    /// The groups and machines that its audience names, as written.
    pub groups: Vec<String>,
    /// The public keys that may have it rendered.
    pub audience: BTreeSet<Recipient>,
    /// Owner: a user's name or number.
    pub owner: String,
    /// Group: a group's name or number.
    pub group: String,
    /// Permission bits, read only.
    pub mode: Mode,
    /// The systemd units that it names itself; nothing where it inherits those of its secrets. What holds
    /// is [`Policy::template_services`].
    pub services: Option<Arc<BTreeSet<String>>>,
}

impl Policy {
    /// The systemd units whose processes may open a template that shows these secrets: its own, or else
    /// those that all the secrets have in common. Nothing where there is no such rule. An empty set is a
    /// rule that nobody meets; no vault with one is sound.
    #[must_use]
    pub fn template_services(
        &self,
        template: &TemplatePolicy,
        shown: &BTreeSet<&SecretName>,
    ) -> Option<BTreeSet<String>> {
        if let Some(own) = &template.services {
            return (!own.is_empty()).then(|| (**own).clone());
        }
        let rules = shown.iter().map(|name| &self.secret(name).access.services);
        let rules = rules.filter(|rule| !rule.is_empty()).map(|rule| (**rule).clone());
        rules.reduce(|both, rule| both.intersection(&rule).cloned().collect())
    }
}

/// Whether what is open to some services is open to none that `source` does not allow. No service at all
/// stands for no such rule: every process.
pub(crate) fn services_within(services: &BTreeSet<String>, source: &BTreeSet<String>) -> bool {
    source.is_empty() || !services.is_empty() && services.is_subset(source)
}
