//! Starting the programs of age plugins, and asking on the terminal what they ask.

use std::{
    collections::BTreeMap,
    env,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use age::{
    Callbacks, Identity, Recipient,
    plugin::{IdentityPluginV1, RecipientPluginV1},
};
use rustix::process::WaitOptions;
use secrecy::SecretString;
use vault_format::{
    Digest,
    plugin::{self, FileKey, PluginError, Plugins, Stanza, Wrapped},
    report,
};

use crate::{commands, progress, prompt};

/// With `plugin` for its value, the age crate shows all that a plugin and we say to each other.
const DEBUG_VARIABLE: &str = "AGEDEBUG";

/// Lets vaultgen start plugins. In batch mode they get no answers.
pub fn install(batch: bool) {
    plugin::install(Box::new(Programs { batch, proven: Mutex::default() }));
}

/// Answers by the question as the person read it.
type Answers = BTreeMap<String, SecretString>;

/// The plugins in `PATH`. One at a time: there is one terminal, and often one token.
struct Programs {
    batch: bool,
    /// The secret answers that made something succeed, by the key: they are asked for once a run.
    proven: Mutex<BTreeMap<Digest, Answers>>,
}

impl Plugins for Programs {
    fn wrap(&self, plugin: &str, recipient: &str, file_key: &FileKey) -> Result<Wrapped, PluginError> {
        let wrapped = self.run(plugin, recipient, |person| {
            let key = recipient.parse().map_err(|error: &str| person.failed(error))?;
            let program = RecipientPluginV1::new(plugin, &[key], &[], person.clone());
            let program = program.map_err(|_| PluginError::Missing(plugin::program(plugin)))?;
            program.wrap_file_key(file_key).map(Some).map_err(|error| person.failed(&error.to_string()))
        });
        Ok(wrapped?.unwrap_or_default())
    }

    fn unwrap(
        &self,
        plugin: &str,
        identity: &str,
        stanzas: &[Stanza],
    ) -> Result<Option<FileKey>, PluginError> {
        self.run(plugin, identity, |person| {
            let key = identity.parse().map_err(|error: &str| person.failed(error))?;
            let program = IdentityPluginV1::new(plugin, &[key], person.clone());
            let program = program.map_err(|_| PluginError::Missing(plugin::program(plugin)))?;
            let unwrapped = program.unwrap_stanzas(stanzas).transpose();
            unwrapped.map_err(|error| person.failed(&error.to_string()))
        })
    }
}

impl Programs {
    /// Lets nobody else use plugins or the terminal while `use_plugin` does.
    fn run<T>(
        &self,
        plugin: &str,
        key: &str,
        use_plugin: impl FnOnce(&Person) -> Result<Option<T>, PluginError>,
    ) -> Result<Option<T>, PluginError> {
        let program = plugin::program(plugin);
        require_safe_start(&program)?;
        let mut proven = unpoisoned(&self.proven);
        let proven = proven.entry(Digest::of(key.as_bytes())).or_default();
        let state = State { proven: proven.clone(), ..State::default() };
        let person = Person { program, batch: self.batch, state: Arc::new(Mutex::new(state)) };
        let result = use_plugin(&person);
        reap();
        let given = std::mem::take(&mut unpoisoned(&person.state).given);
        match &result {
            Ok(Some(_)) => proven.extend(given),
            _ => proven.retain(|question, _| !given.contains_key(question)),
        }
        result
    }
}

/// The age crate starts a plugin for each file, and waits for the end of none: thousands would stay in the
/// table of processes. Whoever starts another program here waits for it, and not beside a plugin.
fn reap() {
    while let Ok(Some(_)) = rustix::process::wait(WaitOptions::NOHANG) {}
}

/// Whoever decides where a plugin is found decides who gets the key of a file. Which of several is started,
/// the age crate says: by their permissions, and under WSL one that ends in `.exe` too.
fn require_safe_start(program: &str) -> Result<(), PluginError> {
    if env::var_os(DEBUG_VARIABLE).is_some() {
        return Err(PluginError::Debug);
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let names = [program.to_owned(), format!("{program}.exe")];
    let is_in = |folder: &Path| names.iter().any(|name| folder.join(name).exists());
    match env::split_paths(&path).any(|folder| folder.is_relative() && is_in(&folder)) {
        true => Err(PluginError::Relative(program.to_owned())),
        false => Ok(()),
    }
}

fn unpoisoned<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The person at the terminal, asked by one plugin about one file.
#[derive(Clone)]
struct Person {
    program: String,
    batch: bool,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// Something was asked that nobody could answer.
    is_unanswered: bool,
    proven: Answers,
    given: Answers,
}

impl Person {
    /// What a plugin writes may come from the file: it must not move the cursor.
    fn shown(&self, text: &str) -> String {
        format!("{}: {}", self.program, plain(text))
    }

    /// A question, ready to be answered behind it.
    fn question(&self, text: &str) -> String {
        let text = self.shown(text);
        let end = if text.ends_with(['?', ':']) { " " } else { ": " };
        format!("{text}{end}")
    }

    /// Asks, unless in batch mode.
    fn ask<T>(&self, ask: impl FnOnce() -> Result<T, prompt::PromptError>) -> Option<T> {
        let answer = if self.batch { None } else { progress::aside(ask).ok() };
        unpoisoned(&self.state).is_unanswered |= answer.is_none();
        answer
    }

    fn failed(&self, message: &str) -> PluginError {
        if unpoisoned(&self.state).is_unanswered {
            return PluginError::NobodyToAsk(self.program.clone());
        }
        PluginError::Failed { program: self.program.clone(), message: plain(message) }
    }
}

/// On one line, without the marks that the age crate puts around what it inserts.
fn plain(text: &str) -> String {
    let text = text.replace(['\u{2068}', '\u{2069}'], "");
    report::visible(&text.lines().map(str::trim).collect::<Vec<_>>().join(" "))
}

impl Callbacks for Person {
    fn display_message(&self, message: &str) {
        progress::aside(|| commands::note(&self.shown(message)));
    }

    fn confirm(&self, message: &str, yes: &str, no: Option<&str>) -> Option<bool> {
        let no = no.map(plain).unwrap_or_else(|| "cancel".to_owned());
        let question = format!("{}\n  y: {}\n  n: {no}\n[y/N] ", self.shown(message), plain(yes));
        self.ask(|| prompt::confirm(&question))
    }

    fn request_public_string(&self, description: &str) -> Option<String> {
        self.ask(|| prompt::line(&self.question(description)))
    }

    fn request_passphrase(&self, description: &str) -> Option<SecretString> {
        let question = self.question(description);
        // The same question again about the same file: the answer was wrong.
        let proven = {
            let mut state = unpoisoned(&self.state);
            let is_new = !state.given.contains_key(&question);
            state.proven.remove(&question).filter(|_| is_new)
        };
        let answer = match proven {
            Some(answer) => answer,
            None => self.ask(|| prompt::secret(&question))?,
        };
        unpoisoned(&self.state).given.insert(question, answer.clone());
        Some(answer)
    }
}
