//! What `deploy` makes of a node holds no plaintext of its vault, in no usual disguise.

use std::{collections::BTreeMap, fs, path::Path};

use base64::{
    Engine,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use fixtures::{
    command::{Run, odbox, program, vaultgen},
    machine::{self, Need::Program},
    tree,
    vault::Vault,
};
use sha2::{Digest, Sha256, Sha512};

/// The shortest line that cannot be there by chance.
const SHORTEST: usize = 8;
/// What somebody chose, in a secret that the box's services get.
const CANARY: &str = "canary-Kestrel7-Umbra";

fn deploy() -> Run {
    program(odbox("deploy").to_str().expect("a path that is text"))
}

/// Where `vaultd` is found too.
fn beside() -> String {
    let folder = odbox("vaultd").parent().expect("a folder").display().to_string();
    format!("PATH={folder}:{}", std::env::var("PATH").unwrap_or_default())
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A vault as the documentation has it made, and a node that serves it with everything that there is.
fn site() -> Vault {
    let vault = Vault::init(&[]);
    let on_vault = |arguments: &[&str]| {
        vaultgen().args(["--batch", "--quiet", "--vault"]).arg(vault.path()).args(arguments)
    };
    for name in ["odoo-admin", "pgadmin-admin"] {
        on_vault(&["password", name, "--stdin"]).input(format!("{CANARY}-{name}\n")).succeeds();
    }
    on_vault(&["machine", "add", "box", "--local-ca"]).succeeds();
    let node = "\
        architecture = \"x86_64\"\n\
        platform = \"devm\"\n\
        host-name = \"box\"\n\
        [server]\n\
        [login]\n\
        mode = \"standard\"\n\
        admin-email = \"admin@example.org\"\n\
        [vault]\n\
        source = \"vault\"\n\
        signers = \"allowed_signers\"\n\
        root-ssh-key = \"vault/ssh/id_ed25519.pub\"\n\
        admin-ssh-key = \"vault/ssh/id_ed25519.pub\"\n\
        [swap-file]\n\
        [backup]\n\
        [local-ca]\n";
    fs::write(vault.beside("box.toml"), node).expect("a node file");
    vault
}

/// Everything that must be nowhere: each secret, each line of one that has several, and the keys that open them all.
fn plaintexts(vault: &Vault) -> Vec<(String, Vec<u8>)> {
    let mut texts = Vec::new();
    for name in vault.names() {
        let plaintext = vault.open(&name);
        let lines = plaintext.split(|byte| *byte == b'\n');
        let body = lines.filter(|line| line.len() >= SHORTEST && !line.starts_with(b"-----"));
        // The first line of each SSH key is the same: format, cipher, length.
        let body = body.skip(usize::from(name.starts_with("ssh/")));
        texts.extend(body.map(|line| (name.clone(), line.to_vec())));
        texts.push((name, plaintext));
    }
    for key in ["age.key", "signing.key"] {
        let text = fs::read(vault.path().join(key)).expect("a key");
        let secret =
            text.split(|byte| *byte == b'\n').filter(|line| line.len() > 40 && !line.starts_with(b"#"));
        texts.extend(
            secret.skip(usize::from(key == "signing.key")).map(|line| (key.to_owned(), line.to_vec())),
        );
    }
    texts
}

/// Each disguise of a text, by its name.
fn disguises(text: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut forms = BTreeMap::from([("itself".to_owned(), text.to_vec())]);
    // What stands before it in the bytes that are encoded moves it; what is of it alone is the middle.
    for offset in 0..3 {
        let moved = [&vec![b'x'; offset], text].concat();
        let whole = moved.len() / 3 * 4;
        let first = (offset * 8).div_ceil(6);
        for (name, engine) in [("base64", &STANDARD_NO_PAD), ("base64url", &URL_SAFE_NO_PAD)] {
            let encoded = engine.encode(&moved);
            forms.insert(format!("{name} at {offset}"), encoded.as_bytes()[first..whole].to_vec());
        }
    }
    let digests: [(&str, Vec<u8>); 2] =
        [("SHA-256", Sha256::digest(text).to_vec()), ("SHA-512", Sha512::digest(text).to_vec())];
    for (name, digest) in digests {
        forms.insert(format!("{name} in hex"), hex::encode(&digest).into_bytes());
        forms.insert(format!("{name} in base64"), STANDARD_NO_PAD.encode(&digest).into_bytes());
        forms.insert(name.to_owned(), digest);
    }
    forms.insert("hex".to_owned(), hex::encode(text).into_bytes());
    forms.insert("HEX".to_owned(), hex::encode_upper(text).into_bytes());
    forms.insert("reversed".to_owned(), text.iter().rev().copied().collect());
    forms
}

/// Where one of the texts is, in which disguise.
fn found(haystacks: &BTreeMap<String, Vec<u8>>, texts: &[(String, Vec<u8>)]) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in texts {
        for (form, needle) in disguises(text).into_iter().filter(|(_, needle)| needle.len() >= SHORTEST) {
            let places = haystacks.iter().filter(|(_, bytes)| contains(bytes, &needle));
            found.extend(places.map(|(place, _)| format!("{place}: {name} as {form}")));
        }
    }
    found
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    let first = needle[0];
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == first) {
        if rest[at..].starts_with(needle) {
            return true;
        }
        rest = &rest[at + 1..];
    }
    false
}

/// Every file below a folder, by its path.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let contents = tree::contents(folder).into_iter();
    contents.map(|(path, (_, bytes))| (path.display().to_string(), bytes)).collect()
}

#[test]
fn no_secret_of_the_vault_is_in_what_is_rendered_or_said() {
    if !machine::has(&[Program("age")]) {
        return;
    }
    let vault = site();
    let texts = plaintexts(&vault);
    let chosen = texts.iter().filter(|(_, text)| text.starts_with(CANARY.as_bytes())).count();
    assert!(chosen >= 2 && texts.len() > 20, "there is something to look for: {chosen} of {}", texts.len());
    let node = vault.beside("box.toml");
    for variant in ["run", "bootstrap"] {
        let out = vault.beside(variant);
        let on_node = |verb: &str| deploy().arg(verb).arg(&node);
        on_node("render").args(["--variant", variant]).arg("--out").arg(&out).succeeds();
        let mut all = files(&out);
        assert!(
            all.keys().any(|path| path.ends_with("odoo-admin.txt.age")),
            "the ciphertext travels: {:?}",
            all.keys()
        );
        let other = vault.beside("other");
        on_node("render").args(["--variant", "run"]).arg("--out").arg(&other).succeeds();
        let check = on_node("check").args(["--variant", variant]).under(["env", &beside()]).exits(0);
        assert!(
            !is_root() || check.text().contains("\nvaultd check: 1 ok\n"),
            "vaultd takes the tree: {check}"
        );
        all.insert(
            format!("what check says of {variant}"),
            [check.output, check.errors.into_bytes()].concat(),
        );
        let diff = on_node("diff").args(["--variant", variant]).arg(&other).run();
        all.insert(format!("what diff says of {variant}"), [diff.output, diff.errors.into_bytes()].concat());
        assert_eq!(found(&all, &texts), Vec::<String>::new(), "{variant}");
    }
}

/// The search finds what it looks for, in each disguise and anywhere among other bytes.
#[test]
fn a_secret_in_a_disguise_is_found() {
    let texts = [("a/secret".to_owned(), CANARY.as_bytes().to_vec())];
    for before in 0..4 {
        let plain = [&vec![b'-'; before], CANARY.as_bytes(), b"and more"].concat();
        let hidden = BTreeMap::from([
            ("plain".to_owned(), plain.clone()),
            ("base64".to_owned(), STANDARD_NO_PAD.encode(&plain).into_bytes()),
            ("hex".to_owned(), hex::encode(&plain).into_bytes()),
            ("digest".to_owned(), hex::encode(Sha256::digest(CANARY)).into_bytes()),
        ]);
        let found = found(&hidden, &texts);
        for place in hidden.keys() {
            assert!(found.iter().any(|one| one.starts_with(place)), "{place} at {before}: {found:?}");
        }
    }
    let nothing = BTreeMap::from([("nothing".to_owned(), b"canary-Kestrel7-Umbr".to_vec())]);
    assert_eq!(found(&nothing, &texts), Vec::<String>::new(), "a part of it is not it");
}
