//! docs/recovery.md, block by block, as it stands there.

use std::{fs, path::PathBuf};

use fixtures::{
    command::{Run, odbox, program, vaultgen},
    machine::{
        self,
        Need::{self, Fuse, Program, Root},
    },
    tree,
    vault::Vault,
};

const NEEDS: [Need; 5] =
    [Program("bash"), Program("git"), Program("age"), Program("age-keygen"), Program("ssh-keygen")];

/// The blocks of commands of a section.
fn blocks(title: &str) -> Vec<String> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/recovery.md");
    let page = fs::read_to_string(page).expect("the page");
    let section = page.split("\n## ").find(|section| section.starts_with(title)).expect("a section");
    let blocks = section.split("```sh\n").skip(1).map(|rest| rest.split("```").next().expect("an end"));
    blocks.map(str::to_owned).collect()
}

/// Alice's clone, in which Bob may sign and decrypt too.
struct Scene {
    clone: tempfile::TempDir,
    words: Vec<String>,
}

impl Scene {
    fn new(vault: &Vault) -> Self {
        let scene = Self { clone: tree::folder(), words: Vec::new() };
        tree::copy(&vault.path(), &scene.clone.path().join("vault"));
        fs::copy(vault.signers(), scene.path("signers")).expect("signers");
        scene.vaultgen(&["verify", "--allowed-signers", "signers"]).succeeds();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.clone.path().join(name)
    }

    fn vaultgen(&self, arguments: &[&str]) -> Run {
        vaultgen().args(arguments).in_folder(self.clone.path())
    }

    /// Makes an age identity, and gives back its public key.
    fn identity(&self, file: &str) -> String {
        program("age-keygen").arg("-o").arg(self.path(file)).succeeds();
        program("age-keygen").arg("-y").arg(self.path(file)).succeeds().text().trim().to_owned()
    }

    /// Makes an SSH key, and gives back the path of its public half.
    fn ssh_key(&self, file: &str) -> String {
        let keygen = program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-C", "", "-f"]);
        keygen.arg(self.path(file)).succeeds();
        format!("{file}.pub")
    }

    /// Commits the vault.
    fn commits(&self) {
        let git = |arguments: &[&str]| {
            let git = program("git").in_folder(self.clone.path()).args(["-c", "user.name=alice"]);
            git.args(["-c", "user.email=alice@example.org"]).args(arguments).succeeds();
        };
        git(&["init", "-q"]);
        git(&["add", "vault"]);
        git(&["commit", "-q", "-m", "a vault"]);
    }

    /// What a word of the page stands for.
    fn means(&mut self, word: &str, value: &str) {
        self.words.push(format!("{word}={value}"));
    }

    fn runs(&self, block: &str) -> fixtures::command::Ended {
        let programs = odbox("vaultgen").parent().expect("a folder").display().to_string();
        let starter = ["sh", "-c", "PATH=\"$0:$PATH\" exec \"$@\"", &programs, "env"];
        let bash = program("bash").args(["-euo", "pipefail", "-c", block]).in_folder(self.clone.path());
        bash.under(starter.into_iter().map(str::to_owned).chain(self.words.iter().cloned())).succeeds()
    }
}

fn vault() -> Vault {
    Vault::with("token", "the value").and("other", "another").build()
}

#[test]
fn every_section_is_tried() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/recovery.md");
    let page = fs::read_to_string(page).expect("the page");
    assert_eq!((page.matches("\n## ").count(), page.matches("```sh\n").count()), (6, 9));
}

#[test]
fn lost_identity() {
    if !machine::has(&NEEDS) {
        return;
    }
    let mut scene = Scene::new(&vault());
    let recovery = scene.identity("recovery.key");
    scene.vaultgen(&["recipients", "add", "ops", &recovery]).succeeds();
    let old = program("age-keygen").arg("-y").arg(scene.path("vault/age.key")).succeeds().text();
    scene.vaultgen(&["recipients", "add", "alice", old.trim()]).succeeds();
    let policy = fs::read_to_string(scene.path("vault/vault.toml")).expect("a policy");
    fs::write(
        scene.path("vault/vault.toml"),
        policy.replace("audience = [\"ops\"]", "audience = [\"ops\", \"alice\"]"),
    )
    .expect("a policy");
    scene.vaultgen(&["sign", "--yes"]).succeeds();
    scene.vaultgen(&["recipients", "remove", "ops", old.trim()]).succeeds();
    fs::remove_file(scene.path("vault/age.key")).expect("a key to lose");
    scene.means("old_key", old.trim());
    let ended = scene.runs(&blocks("Lost identity")[0]);
    ended.says("opened: 2 secrets").says("warning: token");
    assert_eq!(scene.vaultgen(&["show", "token"]).succeeds().text(), "the value");
}

#[test]
fn lost_signing_key() {
    if !machine::has(&NEEDS) {
        return;
    }
    let blocks = blocks("Lost signing key");
    // Bob is a signer too.
    let mut scene = Scene::new(&vault());
    let bob = scene.ssh_key("bob");
    let alice = scene.ssh_key("alice");
    scene.ssh_key("new");
    scene.vaultgen(&["signers", "add", "bob", &bob]).succeeds();
    scene.vaultgen(&["signers", "add", "alice", &alice]).succeeds();
    fs::remove_file(scene.path("vault/signing.key")).expect("a key to lose");
    scene.means("VAULTGEN_SIGN_KEY", "bob");
    scene.runs(&blocks[0]);
    scene.vaultgen(&["rekey", "--sign-key", "alice"]).exits(1).explains_once("none of this vault's signers");
    scene.vaultgen(&["rekey", "--sign-key", "new"]).succeeds();

    // The only signer.
    let scene = Scene::new(&vault());
    fs::remove_file(scene.path("vault/signing.key")).expect("a key to lose");
    scene.runs(&blocks[1]).says("signed by alice-2 ");
    scene.vaultgen(&["rekey"]).succeeds();
    // Who knows only the old list is not fooled.
    let stranger = tree::folder();
    let verify = scene.vaultgen(&["verify", "--allowed-signers", "signers"]).at_home(stranger.path());
    verify.exits(1).explains_once("which is none of the trusted signers");
}

#[test]
fn stolen_laptop() {
    if !machine::has(&NEEDS) {
        return;
    }
    let standard = Vault::standard();
    let mut scene = Scene::new(&standard);
    let (key, bob) = (scene.identity("bob.age"), scene.ssh_key("bob"));
    scene.vaultgen(&["recipients", "add", "ops", &key]).succeeds();
    scene.vaultgen(&["signers", "add", "bob", &bob]).succeeds();
    scene.vaultgen(&["add", "token"]).input("the old token").succeeds();
    fs::write(scene.path("new-token"), "the new token").expect("a token");
    scene.means("bobs_key", &key);
    let blocks = blocks("Stolen laptop");
    let stolen = scene.runs(&blocks[0]);
    stolen.says("passwords/root.txt").says("token").says(&key);
    scene.runs(&blocks[1]);
    let verified = scene.vaultgen(&["verify"]).succeeds().text();
    assert!(!verified.contains("passwords/root.") && !verified.contains("warning: token"), "{verified}");
    assert!(verified.contains("passwords/admin.txt"), "{verified}");
    let opens = |name: &str| {
        let file = scene.path("vault").join(format!("{name}.age"));
        program("age").args(["-d", "-i"]).arg(scene.path("bob.age")).arg(file).run().status
    };
    assert_eq!((opens("token"), opens("passwords/root.txt")), (Some(1), Some(1)));
}

#[test]
fn new_hardware() {
    if !machine::has(&NEEDS) {
        return;
    }
    let standard = Vault::standard();
    let mut scene = Scene::new(&standard);
    scene.vaultgen(&["machine", "add", "web-1"]).succeeds();
    let key = scene.identity("new.age");
    scene.means("new_key", &key);
    scene.runs(&blocks("New hardware")[0]);
    let file = scene.path("vault/certs/localhost-key.pem.age");
    program("age").args(["-d", "-i"]).arg(scene.path("new.age")).arg(&file).succeeds();
    program("age").args(["-d", "-i"]).arg(scene.path("vault/machines/web-1.key")).arg(&file).exits(1);
}

#[test]
fn a_vault_that_is_refused() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new(&vault());
    scene.commits();
    fs::write(scene.path("vault/token.age"), "damage").expect("damage");
    scene.runs(&blocks("A vault that is refused")[0]).says("token.age is not what was signed");
}

/// Another `/etc`, `/run` and `/var/lib`, seen by nobody else: a machine that has accepted a vault, and on which
/// a file of it is damaged.
const MACHINE: &str = r#"
set -eu
for folder in etc run var/lib; do mkdir -p "machine/$folder"; done
cp -a /etc/passwd /etc/group machine/etc/
for folder in etc run var/lib; do mount --bind "machine/$folder" "/$folder"; done
mkdir -p /etc/vaultd /run/vault
git archive HEAD vault | tar -x -C /etc/vaultd
install -m 0400 vault/age.key /etc/age.key
install -m 0644 vault/allowed_signers /etc/vaultd/
vaultd mount --background
vaultd unmount
echo damage >/etc/vaultd/vault/token.age
"#;

#[test]
fn a_broken_vault_at_boot() {
    let needs = [Root, Fuse, Program("unshare"), Program("mount"), Program("tar")];
    if !machine::has(&NEEDS) || !machine::has(&needs) {
        return;
    }
    let scene = Scene::new(&vault());
    scene.commits();
    let [broken, repaired] = blocks("A broken vault at boot").try_into().expect("two blocks");
    let script = format!(
        "{MACHINE}\n{broken}\ncat /run/vault/token\n{repaired}\nvaultd status\ncat /run/vault/token\nvaultd unmount\n"
    );
    let ended = scene.runs(&format!("exec unshare -m --propagation private sh -c '{script}'"));
    ended.says("token.age is not what was signed").says("serving the state that this machine accepted last");
    ended.says("sound: 2 files to serve").says("nothing changed");
    let (text, status) = (ended.text(), "REFUSED      FALLBACK");
    assert_eq!((text.matches("the value").count(), text.matches(status).count()), (2, 1), "{text}");
}
