//! Certificates that are in the tree in clear: OpenSSL reads each of a file, and none of them has ended.

use super::{
    Outcome, Subject, Verdict,
    program::{Program, run_with_input},
};

const OPENSSL: Program = Program { name: "openssl", package: Some("openssl") };
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let files = subject.texts_below("/").filter(|(_, text)| text.contains(BEGIN));
    files.map(|(path, text)| Outcome::of("openssl x509", path.as_str(), judge(text))).collect()
}

fn judge(text: &str) -> Result<Verdict, Verdict> {
    for (number, rest) in text.split(BEGIN).skip(1).enumerate() {
        let Some((body, _)) = rest.split_once(END) else {
            return Err(Verdict::Failed(format!("certificate {} does not end", number + 1)));
        };
        let mut openssl = OPENSSL.command()?;
        openssl.args(["x509", "-noout", "-checkend", "0"]);
        let said = run_with_input(openssl, &format!("{BEGIN}{body}{END}\n"))?;
        if !said.is_content() {
            return Err(Verdict::Failed(format!("certificate {}: {}", number + 1, said.text)));
        }
    }
    Ok(Verdict::Passed)
}
