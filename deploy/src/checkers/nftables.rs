//! The firewall: `nft -c` reads each ruleset, and has the kernel judge it, in a network of its own.

use std::process::Command;

use super::{
    Outcome, Subject, Verdict,
    program::{Program, run},
};

const NFT: Program = Program { name: "nft", package: Some("nftables") };
const UNSHARE: Program = Program { name: "unshare", package: Some("util-linux") };
/// What a ruleset begins with.
const SHEBANG: &str = "#!/usr/sbin/nft -f";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let is_ruleset = |(path, text): &(&crate::value::AbsolutePath, &str)| {
        path.as_str().starts_with("/etc/nftables") || text.starts_with(SHEBANG)
    };
    let files = subject.texts_below("/").filter(is_ruleset);
    files.map(|(path, _)| Outcome::of("nft -c", path.as_str(), judge(subject, path.as_str()))).collect()
}

fn judge(subject: &Subject<'_>, path: &str) -> Result<Verdict, Verdict> {
    let nft = NFT.find()?;
    let alone = || -> Result<Command, Verdict> {
        let mut unshare = UNSHARE.command()?;
        unshare.args(["--map-root-user", "--net", "--"]);
        Ok(unshare)
    };
    let mut probe = alone()?;
    if !run({
        probe.arg("true");
        probe
    })?
    .is_content()
    {
        return Err(Verdict::Skipped(
            "it takes a network of its own, which this machine gives to nobody".to_owned(),
        ));
    }
    let mut command = alone()?;
    command.arg(nft).arg("-c").arg("-f").arg(subject.at(path));
    Ok(run(command)?.without(&subject.root).verdict())
}
