//! Two people who change a vault at the same time, each in a clone of their own.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fixtures::{
    command::{Run, program, vaultgen},
    tree,
    vault::Vault,
};
use tempfile::TempDir;
use vault_format::Lock;

/// Alice and Bob, each with a clone, keys and a memory of their own. Both may sign and decrypt.
pub struct Scene {
    pub folder: TempDir,
    pub alice: Person,
    pub bob: Person,
    /// Who may sign, from outside of any clone.
    pub signers: PathBuf,
}

pub struct Person {
    pub name: &'static str,
    pub clone: PathBuf,
    pub home: PathBuf,
    pub identity: PathBuf,
    pub sign_key: PathBuf,
}

impl Person {
    pub fn new(folder: &Path, name: &'static str) -> Self {
        let home = folder.join(format!("{name}-home"));
        fs::create_dir(&home).expect("a home");
        let (identity, sign_key) = (home.join("age.key"), home.join("signing.key"));
        program("age-keygen").arg("-o").arg(&identity).succeeds();
        let keygen = program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]);
        keygen.arg(&sign_key).succeeds();
        Self { name, clone: folder.join(name), home, identity, sign_key }
    }

    pub fn recipient(&self) -> String {
        program("age-keygen").arg("-y").arg(&self.identity).succeeds().text().trim().to_owned()
    }

    pub fn public_key(&self) -> PathBuf {
        self.sign_key.with_extension("key.pub")
    }

    pub fn vault(&self) -> PathBuf {
        self.clone.join("vault")
    }

    pub fn vaultgen(&self, arguments: &[&str]) -> Run {
        let run = vaultgen().at_home(&self.home).arg("--vault").arg(self.vault());
        run.arg("--identity").arg(&self.identity).arg("--sign-key").arg(&self.sign_key).args(arguments)
    }

    pub fn git(&self, arguments: &[&str]) -> Run {
        let run = program("git").at_home(&self.home).in_folder(&self.clone);
        let email = format!("user.email={}@example.org", self.name);
        run.args(["-c", &format!("user.name={}", self.name), "-c", &email]).args(arguments)
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "."]).succeeds();
        self.git(&["commit", "-q", "-m", message]).succeeds();
    }

    /// Runs a verb, and commits what it did.
    pub fn does(&self, arguments: &[&str]) {
        self.vaultgen(arguments).succeeds();
        self.commit(&arguments.join(" "));
    }

    /// Encrypts a value with stock age, signs and commits it.
    pub fn puts(&self, name: &str, value: &str) {
        let file = self.vault().join(format!("{name}.age"));
        let encrypt = program("age").args(["-r", &self.recipient(), "-o"]).arg(file);
        encrypt.input(value).succeeds();
        self.does(&["sign", "--yes"]);
    }

    pub fn removes(&self, name: &str) {
        fs::remove_file(self.vault().join(format!("{name}.age"))).expect("a secret to remove");
        self.does(&["sign", "--yes"]);
    }

    pub fn opens(&self, name: &str) -> String {
        let file = self.vault().join(format!("{name}.age"));
        program("age").args(["-d", "-i"]).arg(&self.identity).arg(file).succeeds().text()
    }

    pub fn file(&self, name: &str) -> String {
        fs::read_to_string(self.vault().join(name)).expect("a file of the vault")
    }

    pub fn lock(&self) -> Lock {
        Lock::parse(&self.file("vault.lock")).expect("a lock")
    }

    /// Fetches the branch of somebody else, and merges it, which stops at the vault.
    pub fn merges(&self, other: &Person) {
        self.git(&["fetch", "-q"]).arg(&other.clone).arg("HEAD").succeeds();
        self.git(&["merge", "-q", "FETCH_HEAD"]).exits(1);
    }

    pub fn pulls(&self, other: &Person) {
        self.git(&["pull", "-q", "--ff-only"]).arg(&other.clone).arg("HEAD").succeeds();
    }
}

impl Scene {
    pub fn new() -> Self {
        let folder = tree::folder();
        let (alice, bob) = (Person::new(folder.path(), "alice"), Person::new(folder.path(), "bob"));
        let vault = Vault::with("token", "token 1")
            .and("other", "other 1")
            .and("deep/er", "deeper")
            .build()
            .trusted();
        let change = |arguments: &[&str]| {
            vaultgen().args(arguments).arg("--vault").arg(vault.path()).succeeds();
        };
        for person in [&alice, &bob] {
            change(&["recipients", "add", "ops", &person.recipient()]);
            change(&["signers", "add", person.name, &person.public_key().display().to_string()]);
        }
        change(&["recipients", "add", "guest", &alice.recipient()]);
        program("git").args(["init", "-q", "-b", "main"]).arg(&alice.clone).succeeds();
        tree::copy(&vault.path(), &alice.vault());
        alice.commit("a vault");
        program("git").args(["clone", "-q"]).arg(&alice.clone).arg(&bob.clone).succeeds();
        let signers = folder.path().join("signers");
        fs::copy(alice.vault().join("allowed_signers"), &signers).expect("signers");
        let scene = Self { folder, alice, bob, signers };
        scene.is_sound(&scene.alice);
        scene.is_sound(&scene.bob);
        scene
    }

    /// As an auditor with a list of signers from elsewhere sees it.
    pub fn is_sound(&self, person: &Person) {
        person.vaultgen(&["verify", "--allowed-signers"]).arg(&self.signers).succeeds();
    }
}
