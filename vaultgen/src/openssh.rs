//! Signing with a key that we do not sign with ourselves: held by an SSH agent or a FIDO token, or
//! not ed25519. OpenSSH does it: `ssh-keygen -Y sign`.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use vault_format::{
    Plaintext,
    signature::{LockSigner, NAMESPACE, SignatureError},
    ssh::{self, PublicKey},
};

const PROGRAM: &str = "ssh-keygen";

/// A key that OpenSSH signs with.
pub struct OpenSshKey {
    public_key: PublicKey,
    file: PathBuf,
}

impl OpenSshKey {
    /// The key in `file`, if it is a public key (then an agent holds the other half), the handle of a
    /// token, or another key than ed25519.
    pub fn of(file: &Path, text: &Plaintext) -> Option<Self> {
        let public_key = match ssh::parse_public_key(text.expose_str()?) {
            Ok(public_key) => public_key,
            Err(_) => ssh::public_half_unless_ed25519(text)?,
        };
        Some(Self { public_key, file: file.to_owned() })
    }

    /// Runs `ssh-keygen`, which asks for a passphrase or a touch on the terminal by itself.
    fn run(&self, lock: &[u8]) -> std::io::Result<Result<String, String>> {
        let mut child = Command::new(PROGRAM)
            .args(["-Y", "sign", "-q", "-n", NAMESPACE, "-f"])
            .arg(&self.file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        if let Some(mut input) = child.stdin.take() {
            match input.write_all(lock) {
                // It has ended already: how, tells more.
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => {}
                written => written?,
            }
        }
        let output = child.wait_with_output()?;
        let signature = String::from_utf8(output.stdout).map_err(|_| "it printed no text".to_owned());
        Ok(if output.status.success() { signature } else { Err(format!("it ended with {}", output.status)) })
    }
}

impl LockSigner for OpenSshKey {
    fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    fn sign_lock(&self, lock: &[u8]) -> Result<String, SignatureError> {
        let signed = self.run(lock).map_err(|error| SignatureError::Sign(format!("{PROGRAM}: {error}")))?;
        signed.map_err(|why| SignatureError::Sign(format!("{PROGRAM} -Y sign: {why}")))
    }
}
