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

/// A secret that is followed through a history: with dates on the main line, and whoever else there is aside.
pub struct Watched {
    secret: SecretName,
    by_vault: BTreeMap<String, Timeline>,
}

/// The readers of a secret in one vault.
#[derive(Default)]
struct Timeline {
    readers: Vec<Reader>,
    /// Those of side branches, also of such as led to nothing: whoever has the repository has their files.
    aside: BTreeMap<Recipient, Reader>,
    /// When its value changed, as the signer says.
    rotated: BTreeSet<Timestamp>,
    /// When its present value came; nothing where it was taken out.
    value: Option<Timestamp>,
    present: BTreeSet<Recipient>,
}

struct Reader {
    names: Vec<String>,
    key: Recipient,
    since: Moment,
    until: Option<Moment>,
    /// When each value came that it could read.
    values: BTreeSet<Timestamp>,
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
        self.by_vault.values().any(Timeline::is_known)
    }

    /// Looks at the next commit of the main line.
    pub fn look_at(&mut self, vaults: &BTreeMap<String, Rc<Reading>>, commit: &CommitFacts) {
        let folders: BTreeSet<String> = vaults.keys().chain(self.by_vault.keys()).cloned().collect();
        for folder in folders {
            let reading = vaults.get(&folder).map(Rc::as_ref);
            // What cannot be read says nothing of who can.
            let claims = match reading {
                Some(reading) => match reading.claims() {
                    Some(claims) => Some(claims),
                    None => continue,
                },
                None => None,
            };
            let timeline = self.by_vault.entry(folder).or_default();
            timeline.look_at(&self.secret, claims, || moment(commit, reading));
        }
    }

    /// Looks at a commit of a side branch.
    pub fn look_aside(&mut self, vaults: &BTreeMap<String, Rc<Reading>>, commit: &CommitFacts) {
        for (folder, reading) in vaults {
            let Some(claims) = reading.claims() else { continue };
            let timeline = self.by_vault.entry(folder.clone()).or_default();
            timeline.look_aside(&self.secret, claims, || moment(commit, Some(reading)));
        }
    }

    /// Looks at where a side branch went on or was merged: whoever could read the secret in `before` and cannot in
    /// `after` was taken out.
    pub fn look_beyond(
        &mut self,
        before: &BTreeMap<String, Rc<Reading>>,
        after: &BTreeMap<String, Rc<Reading>>,
        commit: &CommitFacts,
    ) {
        for (folder, timeline) in &mut self.by_vault {
            let keys = |vaults: &BTreeMap<String, Rc<Reading>>| match vaults.get(folder) {
                // What cannot be read says nothing of who can.
                Some(reading) => Some(recipients(reading.claims()?, &self.secret)),
                None => Some(BTreeSet::new()),
            };
            let (Some(could), Some(can)) = (keys(before), keys(after)) else { continue };
            let reading = after.get(folder).map(Rc::as_ref);
            for key in could.difference(&can) {
                timeline.leaves_aside(key, moment(commit, reading));
            }
        }
    }

    /// Who could read the secret of this vault at any moment of `at`, or ever. `state` is the state then.
    #[must_use]
    pub fn access(&self, folder: &str, at: Option<&At>, state: Option<&StateFacts>) -> Option<SecretAccess> {
        let timeline = self.by_vault.get(folder).filter(|timeline| timeline.is_known())?;
        let is_within = |reader: &&Reader| {
            at.is_none_or(|at| {
                reader.since.at <= at.to && reader.until.as_ref().is_none_or(|until| until.at >= at.from)
            })
        };
        let reader = |reader: &Reader, side_branch: bool| ReaderAccess {
            names: reader.names.clone(),
            key: reader.key.clone(),
            since: reader.since.clone(),
            until: reader.until.clone(),
            still: reader.until.is_none() && !side_branch,
            knows_present_value: timeline.value.is_some_and(|value| reader.values.contains(&value)),
            side_branch,
        };
        let main = timeline.readers.iter().filter(is_within).map(|found| reader(found, false));
        let aside = timeline.only_aside().filter(is_within).map(|found| reader(found, true));
        Some(SecretAccess {
            secret: self.secret.clone(),
            present: timeline.value.is_some(),
            readers: main.chain(aside).collect(),
            served: state.map(|state| served(&self.secret, state)).unwrap_or_default(),
            rotated: timeline.rotated.iter().map(ToString::to_string).collect(),
        })
    }
}

fn recipients(claims: Claims<'_>, secret: &SecretName) -> BTreeSet<Recipient> {
    claims.lock.secrets.get(secret).map(|locked| locked.recipients.clone()).unwrap_or_default()
}

fn moment(commit: &CommitFacts, reading: Option<&Reading>) -> Moment {
    Moment {
        commit: commit.id.clone(),
        at: commit.committer.at,
        committer: commit.committer.name.clone(),
        signer: reading.and_then(|reading| reading.signer.as_ref()).map(|signer| signer.principal.clone()),
    }
}

impl Timeline {
    fn look_at(&mut self, secret: &SecretName, claims: Option<Claims<'_>>, moment: impl Fn() -> Moment) {
        let locked = claims.and_then(|claims| claims.lock.secrets.get(secret));
        let present = locked.map(|locked| locked.recipients.clone()).unwrap_or_default();
        self.value = locked.map(|locked| locked.rotated);
        self.rotated.extend(self.value);
        for reader in self.readers.iter_mut().filter(|reader| reader.until.is_none()) {
            match locked {
                Some(locked) if present.contains(&reader.key) => {
                    reader.values.insert(locked.rotated);
                }
                _ => reader.until = Some(moment()),
            }
        }
        if let Some((claims, locked)) = claims.zip(locked) {
            let known = Readers::of(claims.policy);
            for key in present.difference(&self.present) {
                self.readers.push(Reader::new(&known, key, moment(), locked.rotated));
            }
        }
        self.present = present;
    }

    fn look_aside(&mut self, secret: &SecretName, claims: Claims<'_>, moment: impl Fn() -> Moment) {
        let Some(locked) = claims.lock.secrets.get(secret) else { return };
        let known = Readers::of(claims.policy);
        for key in &locked.recipients {
            let reader = self
                .aside
                .entry(key.clone())
                .or_insert_with(|| Reader::new(&known, key, moment(), locked.rotated));
            reader.values.insert(locked.rotated);
        }
    }

    /// A side branch can fork again, so the last of its lines that takes somebody out is the end.
    fn leaves_aside(&mut self, key: &Recipient, end: Moment) {
        let Some(reader) = self.aside.get_mut(key) else { return };
        if reader.until.as_ref().is_none_or(|until| until.at <= end.at) {
            reader.until = Some(end);
        }
    }

    /// Those who could read a value on a side branch that they never could on the main line.
    fn only_aside(&self) -> impl Iterator<Item = &Reader> {
        let read_on_main = |aside: &Reader, value: &Timestamp| {
            self.readers.iter().any(|reader| reader.key == aside.key && reader.values.contains(value))
        };
        self.aside.values().filter(move |aside| !aside.values.iter().all(|value| read_on_main(aside, value)))
    }

    fn is_known(&self) -> bool {
        !self.readers.is_empty() || !self.aside.is_empty()
    }
}

impl Reader {
    fn new(known: &Readers<'_>, key: &Recipient, since: Moment, value: Timestamp) -> Self {
        Self {
            names: known.names_of(key).map(str::to_owned).collect(),
            key: key.clone(),
            since,
            until: None,
            values: BTreeSet::from([value]),
        }
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
