//! Who could read a secret, and when: "who could read the key in March, who let them, and is that still so?"

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use vault_format::{
    Recipient, SecretName, Timestamp,
    audit::{Claims, Readers, StateFacts},
};

use super::{
    reading::Reading,
    report::{At, CommitFacts, MachineAccess, Moment, ReaderAccess, SecretAccess},
};

/// A secret that is followed through the main line of a history.
pub struct Watched {
    secret: SecretName,
    by_vault: BTreeMap<String, Timeline>,
}

/// The readers of a secret in one vault.
#[derive(Default)]
struct Timeline {
    readers: Vec<Reader>,
    /// When its value changed, as the signer says.
    rotated: BTreeSet<Timestamp>,
    /// When its present value came.
    value: Option<Timestamp>,
    present: BTreeSet<Recipient>,
}

struct Reader {
    names: Vec<String>,
    key: Recipient,
    since: Moment,
    until: Option<Moment>,
    /// The value that it could read last.
    value: Timestamp,
}

impl Watched {
    /// Nothing is known of the secret yet.
    #[must_use]
    pub fn new(secret: SecretName) -> Self {
        Self { secret, by_vault: BTreeMap::new() }
    }

    /// The secret's name.
    #[must_use]
    pub fn secret(&self) -> &SecretName {
        &self.secret
    }

    /// Whether any vault ever had it.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.by_vault.values().any(|timeline| !timeline.readers.is_empty())
    }

    /// Looks at the next commit of the main line.
    pub fn look_at(&mut self, vaults: &BTreeMap<String, Rc<Reading>>, commit: &CommitFacts) {
        let folders: BTreeSet<String> = vaults.keys().chain(self.by_vault.keys()).cloned().collect();
        for folder in folders {
            let reading = vaults.get(&folder);
            let moment = || Moment {
                commit: commit.id.clone(),
                at: commit.committer.at,
                committer: commit.committer.name.clone(),
                signer: reading
                    .and_then(|reading| reading.signer.as_ref())
                    .map(|signer| signer.principal.clone()),
            };
            // What cannot be read says nothing of who can.
            let claims = match reading {
                Some(reading) => match reading.claims() {
                    Some(claims) => Some(claims),
                    None => continue,
                },
                None => None,
            };
            self.by_vault.entry(folder).or_default().look_at(&self.secret, claims, moment);
        }
    }

    /// Who could read the secret of this vault at any moment of `at`, or ever. `state` is the state then.
    #[must_use]
    pub fn access(&self, folder: &str, at: Option<&At>, state: Option<&StateFacts>) -> Option<SecretAccess> {
        let timeline = self.by_vault.get(folder).filter(|timeline| !timeline.readers.is_empty())?;
        let is_within = |reader: &&Reader| {
            at.is_none_or(|at| {
                reader.since.at <= at.to && reader.until.as_ref().is_none_or(|until| until.at >= at.from)
            })
        };
        let readers = timeline.readers.iter().filter(is_within).map(|reader| ReaderAccess {
            names: reader.names.clone(),
            key: reader.key.clone(),
            since: reader.since.clone(),
            until: reader.until.clone(),
            still: reader.until.is_none(),
            knows_present_value: Some(reader.value) == timeline.value,
        });
        Some(SecretAccess {
            secret: self.secret.clone(),
            readers: readers.collect(),
            served: state.map(|state| served(&self.secret, state)).unwrap_or_default(),
            rotated: timeline.rotated.iter().map(ToString::to_string).collect(),
        })
    }
}

impl Timeline {
    fn look_at(&mut self, secret: &SecretName, claims: Option<Claims<'_>>, moment: impl Fn() -> Moment) {
        let locked = claims.and_then(|claims| claims.lock.secrets.get(secret));
        let present = locked.map(|locked| locked.recipients.clone()).unwrap_or_default();
        if let Some(locked) = locked {
            self.rotated.insert(locked.rotated);
            self.value = Some(locked.rotated);
        }
        for reader in self.readers.iter_mut().filter(|reader| reader.until.is_none()) {
            match locked {
                Some(locked) if present.contains(&reader.key) => reader.value = locked.rotated,
                _ => reader.until = Some(moment()),
            }
        }
        if let Some((claims, locked)) = claims.zip(locked) {
            let known = Readers::of(claims.policy);
            for key in present.difference(&self.present) {
                self.readers.push(Reader {
                    names: known.names_of(key).map(str::to_owned).collect(),
                    key: key.clone(),
                    since: moment(),
                    until: None,
                    value: locked.rotated,
                });
            }
        }
        self.present = present;
    }
}

/// Where a secret is served, under its own path, by views and in templates.
fn served(secret: &SecretName, state: &StateFacts) -> Vec<MachineAccess> {
    let views = state.views.iter().filter(|view| view.of == *secret).map(|view| &view.path);
    let templates = state.templates.iter().filter(|template| template.secrets.contains(secret));
    let paths: BTreeSet<&SecretName> =
        views.chain(templates.map(|template| &template.path)).chain([secret]).collect();
    let machines = state.machines.iter().flat_map(|machine| {
        let served = machine.serves.iter().filter(|served| paths.contains(&served.path));
        served.map(|served| MachineAccess {
            machine: machine.name.clone(),
            path: served.path.clone(),
            access: served.access.clone(),
        })
    });
    machines.collect()
}
