//! The decryptor: turns what was verified into a generation. It alone holds an identity, sees no request of any
//! user, and is gone when the generation is made.

mod error;
mod render;

use std::collections::BTreeSet;
use std::fs::File;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Range;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use vault_format::cipher;
use vault_format::key_file::KeyFile;
use vault_format::passphrase::Nobody;
use vault_format::policy::Action;
use vault_format::{Identities, SecretName};

pub use self::error::{DecryptError, DecryptFailure, RenderFailure};
use self::render::Source;
use crate::configuration::Record;
use crate::generation::{self, BuildError, Built, Changes, Facts, Generation, Index, Node, Object, Wanted};
use crate::process::channel::Channel;
use crate::process::{Answer, Role, Station, blob, refusal};
use crate::resolver::{Owners, Unresolved};
use crate::sys::mapping::Mapping;
use crate::sys::store::Store;
use crate::verifier::{Origin, Plan, PlannedFile};

/// What the decryptor is asked. Beside it come, in this order: the plan and the snapshot of the verifier, what the
/// resolver found, the store where it is a file system, the identities, and the index and objects of the
/// generation before.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// Where the decryptor stands.
    pub station: Station,
    /// Where the vault is, for messages.
    pub vault: PathBuf,
    /// Whether the store is a file system, whose root comes along.
    pub has_store: bool,
    /// Where each identity is, for messages.
    pub identities: Vec<PathBuf>,
    /// How many objects the generation before has, if there is one.
    pub before: Option<usize>,
    /// Whether the vault that everybody can read may be served.
    pub allow_snakeoil: bool,
    /// Whether a vault of which these identities open nothing is served, as an empty mount.
    pub allow_empty: bool,
    /// Whether opens are recorded. Without, the kernel answers them, and asks nobody who may.
    pub record: Record,
}

/// What the decryptor made.
#[derive(Debug, Serialize, Deserialize)]
pub enum Done {
    /// A generation. Beside it come the index, the report, the owners of its files, and the new objects.
    Generation {
        /// For each object its place in the generation before, or nothing if it is a new one.
        objects: Vec<Option<usize>>,
    },
    /// Nothing: a file is to be served that is neither in the snapshot nor in the generation before.
    Incomplete,
}

/// What there is to say about a generation.
#[derive(Debug, Serialize, Deserialize)]
pub struct Report {
    /// What is different from the generation before.
    pub changes: Changes,
    /// What is to be done now, since a value is another than in the generation before.
    pub actions: BTreeSet<Action>,
    /// How many files are served.
    pub files: usize,
    /// The names of owners that mean nobody.
    pub unresolved: Unresolved,
    /// Worth a look, but no reason not to serve.
    pub warnings: Vec<String>,
}

/// Does what the decryptor was started for.
///
/// # Errors
/// Nobody is there to be answered.
pub fn main(channel: &Channel) -> io::Result<()> {
    let Some((order, descriptors)) = channel.receive::<Order>()? else { return Ok(()) };
    let inputs = channel
        .duplicate()
        .map_err(DecryptError::from)
        .and_then(|monitor| Inputs::of(&order, descriptors, monitor));
    let made = inputs.and_then(|inputs| {
        // Descriptors, and what the end of this process gives back at once. The identities are not in here.
        let inputs = ManuallyDrop::new(inputs);
        make(&order, &inputs)
    });
    match made {
        Ok((built, owners, report)) => {
            answer(channel, &built, &owners, &report).inspect_err(|_| built.wipe())?;
            if !built.held.is_empty() {
                // The monitor has us ended when it keeps the objects out of swap itself.
                channel.receive_raw()?;
            }
            Ok(())
        }
        Err(DecryptError::Incomplete) => channel.send(&Answer::Done(Done::Incomplete), &[]),
        Err(error) => channel.send(&refusal::<Done>(&error), &[]),
    }
}

fn answer(channel: &Channel, built: &Built, owners: &Owners, report: &Report) -> io::Result<()> {
    let index = blob::write("index", &built.index)?;
    let report = blob::write("report", report)?;
    let owners = blob::write("owners", owners)?;
    let mut descriptors: Vec<BorrowedFd<'_>> = vec![index.as_fd(), report.as_fd(), owners.as_fd()];
    let mut objects = Vec::with_capacity(built.objects.len());
    for object in &built.objects {
        match object {
            Object::New(file) => {
                descriptors.push(file.as_fd());
                objects.push(None);
            }
            Object::Kept(place) => objects.push(Some(*place)),
        }
    }
    channel.send(&Answer::Done(Done::Generation { objects }), &descriptors)
}

/// The descriptors that came with an order, each for what it is.
struct Inputs {
    plan: Plan,
    snapshot: Mapping,
    owners: Owners,
    store: Store,
    identities: Vec<File>,
    before: Option<Generation>,
}

impl Inputs {
    fn of(order: &Order, descriptors: Vec<OwnedFd>, monitor: Channel) -> Result<Self, DecryptError> {
        let mut descriptors = descriptors.into_iter();
        let mut next = || descriptors.next().ok_or(io::Error::from(io::ErrorKind::InvalidData));
        let (plan, snapshot, owners) = (next()?, next()?, next()?);
        let store =
            if order.has_store { Store::from_fd(next()?) } else { Store::locked(order.station.locking()) };
        // The monitor wipes what we leave when we are killed.
        let store = store.witnessed(move |object| monitor.send(&Answer::<Done>::Filling, &[object]));
        // Before anything is looked at that came out of the vault.
        order.station.take(Role::Decryptor, None::<&OwnedFd>, store.root().as_ref())?;
        let owners = blob::read(&owners)?;
        let snapshot = Mapping::whole(&snapshot)?;
        let identities =
            order.identities.iter().map(|_| next().map(File::from)).collect::<io::Result<_>>()?;
        let index = order.before.map(|_| next()).transpose()?;
        let (plan, index) =
            rayon::join(|| blob::read(&plan), || index.as_ref().map(blob::read::<Index>).transpose());
        let (plan, index) = (plan?, index?);
        let before = match order.before.zip(index) {
            Some((objects, index)) => {
                let map = |_| Ok::<_, DecryptError>(Arc::new(Mapping::whole(&next()?)?));
                let objects = (0..objects).map(map).collect::<Result<Vec<_>, _>>()?;
                let backings = vec![None; objects.len()];
                Some(Generation::open(0, index, objects, backings)?)
            }
            None => None,
        };
        Ok(Self { plan, snapshot, owners, store, identities, before })
    }

    /// What was read of a file; an error where it was known, and not read.
    fn ciphertext(&self, span: Option<&Range<u64>>) -> Result<&[u8], DecryptError> {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let span = span.ok_or(DecryptError::Incomplete)?;
        Ok(self.snapshot.bytes().get(place(span.start)..place(span.end)).unwrap_or_default())
    }
}

/// identities → what they open → generation
fn make(order: &Order, inputs: &Inputs) -> Result<(Built, Owners, Report), DecryptError> {
    let identities = identities(order, inputs)?;
    let (ours, mut warnings) = ours(inputs, &identities)?;
    if ours.is_empty() && !order.allow_empty {
        return Err(DecryptError::Nothing(order.vault.clone()));
    }
    if let Some(ruled) = ours.iter().find(|file| order.record == Record::Off && file.rule.is_some()) {
        return Err(DecryptError::Unasked(ruled.path.clone()));
    }
    let rules: Vec<Rule> = inputs.plan.rules().cloned().map(Arc::new).collect();
    let sources = render::sources(inputs, &ours, &identities)?;
    let wanted = ours.iter().zip(&sources).map(|(file, source)| wanted(inputs, file, source, &rules));
    let wanted = wanted.collect::<Result<Vec<_>, _>>()?;
    let built = generation::build(&inputs.store, &wanted, inputs.before.as_ref(), |place, plaintext| {
        sources[place].fill(&identities, plaintext)
    });
    let built = built.map_err(|error| match error {
        BuildError::Fill(failed) => {
            let failed = failed.into_iter().map(|(place, error)| failure(&ours[place].path, error));
            DecryptError::Decrypt { failures: failed.collect() }
        }
        error => DecryptError::Build(error),
    })?;
    let owners = inputs.owners.only(PlannedFile::names(ours.iter().copied()));
    let unresolved = owners.unresolved();
    warnings.extend(unresolved.names().map(|name| format!("there is no {name}: its files are left to root")));
    let actions = actions(inputs, &ours, &built).inspect_err(|_| built.wipe())?;
    let report = Report { changes: built.changes.clone(), actions, files: ours.len(), unresolved, warnings };
    Ok((built, owners, report))
}

/// What the policy wants done about the values that are others than before. What is only encrypted anew, or
/// new, is none of them.
fn actions(inputs: &Inputs, ours: &[&PlannedFile], built: &Built) -> Result<BTreeSet<Action>, DecryptError> {
    let mut actions = BTreeSet::new();
    let Some(before) = &inputs.before else { return Ok(actions) };
    for file in ours.iter().filter(|file| !file.on_change.is_empty()) {
        let content = |index: &Index| index.at(file.path.as_str()).and_then(Node::content).cloned();
        let Some((old, new)) = content(before.index()).zip(content(&built.index)) else { continue };
        if old.digest != new.digest && before.bytes(&old) != built.bytes(&new)?.as_slice() {
            actions.extend(file.on_change.iter().cloned());
        }
    }
    Ok(actions)
}

fn identities(order: &Order, inputs: &Inputs) -> Result<Identities, DecryptError> {
    let mut identities = Identities::none();
    for (file, path) in inputs.identities.iter().zip(&order.identities) {
        let file = KeyFile::opened(file.try_clone()?, path)?;
        let parsed = Identities::parse(&file.text, &Nobody)
            .map_err(|error| DecryptError::Identity { path: path.clone(), error })?;
        let keys = parsed.recipients();
        if !order.allow_snakeoil {
            snakeoil::refuse_identities(&keys)?;
        }
        // Everybody has the snake-oil identity anyway.
        if !file.is_private && !snakeoil::knows_all(&keys) {
            return Err(DecryptError::IdentityExposed(path.clone()));
        }
        identities.extend(parsed);
    }
    Ok(identities)
}

/// The files that these identities open, and a warning for each that nobody but trying told they do not.
fn ours<'a>(
    inputs: &'a Inputs,
    identities: &Identities,
) -> Result<(Vec<&'a PlannedFile>, Vec<String>), DecryptError> {
    let keys = identities.recipients();
    let (mut ours, mut warnings) = (Vec::new(), Vec::new());
    for file in &inputs.plan.files {
        match (inputs.plan.is_for(file, &keys), &file.origin) {
            (Some(true), _) => ours.push(file),
            // Of a template it is always known.
            (Some(false), _) | (None, Origin::Template { .. }) => {}
            (None, Origin::Ciphertext(span)) => {
                match cipher::opens(inputs.ciphertext(span.as_ref())?, identities) {
                    Ok(true) => ours.push(file),
                    Ok(false) => {
                        warnings.push(format!("{} is encrypted to other keys, and is not served", file.path));
                    }
                    Err(error) => {
                        return Err(DecryptError::Decrypt { failures: vec![failure(&file.path, error)] });
                    }
                }
            }
        }
    }
    Ok((ours, warnings))
}

/// The units that a file is only for.
type Rule = Arc<BTreeSet<String>>;

fn wanted(
    inputs: &Inputs,
    file: &PlannedFile,
    source: &Source<'_>,
    rules: &[Rule],
) -> Result<Wanted, DecryptError> {
    let services = match file.rule {
        // A rule that is not there must not become none at all.
        Some(rule) => rules.get(rule).cloned().ok_or(io::Error::from(io::ErrorKind::InvalidData))?,
        None => Rule::default(),
    };
    let ownership = inputs.owners.resolve(&file.owner, &file.group, file.mode)?;
    let size = source
        .size()
        .map_err(|error| DecryptError::Decrypt { failures: vec![failure(&file.path, error)] })?;
    Ok(Wanted {
        path: file.path.to_string(),
        facts: Facts {
            owner: ownership.owner,
            group: ownership.group,
            mode: ownership.mode,
            modified: file.modified,
        },
        services,
        digest: file.digest,
        size,
    })
}

fn failure(name: &SecretName, error: cipher::CipherError) -> DecryptFailure {
    DecryptFailure { name: name.clone(), error }
}
