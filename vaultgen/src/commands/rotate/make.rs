//! The new values themselves: made, asked for, or from standard input.

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use vault_format::{
    Plaintext, SecretName, Timestamp, Verified,
    certificate::Authority,
    change::NewSecret,
    facts::Facts,
    lock::Origin,
    password::{Password, Strength},
    policy::{Kind, SecretTable},
    progress::Work,
    renewal::{self, PublicFile, Renewal},
    ssh, standard,
};
use zeroize::Zeroizing;

use super::{Plan, RotateError};
use crate::{authority, cli::Common, input, prompt, vault::OpenVault};

/// New values, those that belong together in a group.
#[derive(Default)]
pub struct Made {
    pub groups: Vec<Vec<NewSecret>>,
    pub public_files: Vec<PublicFile>,
}

/// What was left as it is, and why.
pub type Left = Vec<(SecretName, &'static str)>;

/// Makes new values for the secrets of a vault.
pub struct Maker<'a> {
    pub open: &'a OpenVault,
    pub common: &'a Common,
    pub strength: Strength,
}

impl Maker<'_> {
    /// Makes what can be made, and asks for the rest where somebody is there to answer.
    pub fn make(&self, plan: &Plan) -> miette::Result<(Made, Left)> {
        let now = Timestamp::now();
        let mut made = Made::default();
        let mut left = Left::new();
        let ca = self.ca(plan, &mut made, now)?;
        for (name, how) in plan {
            match how {
                Renewal::SshKey => {
                    let (secret, public_file) =
                        renewal::ssh_key(self.vault(), self.open.folder.folder(), name)?;
                    made.groups.push(vec![secret]);
                    made.public_files.extend(public_file);
                }
                Renewal::Elsewhere | Renewal::Derived(_) => match self.ask(name)? {
                    Ok(value) => made.add(self.take(name, value)?),
                    Err(why) => left.push((name.clone(), why)),
                },
                // Below, on all cores.
                _ => {}
            }
        }
        let work = Work::on("making", plan.len());
        let groups = plan.into_par_iter().map(|(name, how)| self.generate(name, how, ca.as_ref(), now));
        let groups = groups.inspect(|_| work.advances());
        let groups = groups.collect::<miette::Result<Vec<_>>>()?;
        made.groups.extend(groups.into_iter().filter(|group| !group.is_empty()));
        Ok((made, left))
    }

    fn vault(&self) -> &Verified {
        &self.open.vault
    }

    /// The CA that signs from now on, if any is needed; a new one is among what was made.
    fn ca(&self, plan: &Plan, made: &mut Made, now: Timestamp) -> miette::Result<Option<Authority>> {
        let signs =
            |how: &Renewal| matches!(how, Renewal::Leaf(_) | Renewal::LocalCa(..) | Renewal::Authority(_));
        if !plan.values().any(signs) {
            return Ok(None);
        }
        let renewed = plan.values().find_map(|how| match how {
            Renewal::Authority(pair) => Some(pair),
            _ => None,
        });
        let Some(pair) = renewed else { return authority::open(self.vault(), self.common).map(Some) };
        let present = authority::certificate(self.vault(), self.common)?;
        let new = renewal::authority(pair, &present, now)?;
        let ca = Authority::read(&new[0].plaintext, &new[1].plaintext)?;
        made.groups.push(new.into());
        Ok(Some(ca))
    }

    fn generate(
        &self,
        name: &SecretName,
        how: &Renewal,
        ca: Option<&Authority>,
        now: Timestamp,
    ) -> miette::Result<Vec<NewSecret>> {
        Ok(match (how, ca) {
            (Renewal::Password, _) => {
                renewal::password(self.vault(), name, &Password::generate()?, Origin::Generated)?
            }
            (Renewal::Leaf(pair), Some(ca)) => renewal::leaf(self.vault(), pair, ca, now)?,
            (Renewal::LocalCa(_, machine), Some(ca)) => standard::local_ca(ca, machine, now)?.into(),
            _ => Vec::new(),
        })
    }

    /// Asks for a value that is one line; or says why not.
    fn ask(&self, name: &SecretName) -> miette::Result<Result<Plaintext, &'static str>> {
        if standard::certificate_names(standard::CA)?.contains(name) {
            return Ok(Err("the CA is made anew only when it is named"));
        }
        match self.vault().policy().secret(name).kind {
            Kind::Certificate | Kind::PrivateKey | Kind::SshKey => Ok(Err("vaultgen did not make it")),
            _ if self.common.batch => Ok(Err("vaultgen cannot make it, and --batch asks nobody")),
            _ => Ok(prompt::new_value(name)?.ok_or("no value was entered")),
        }
    }

    /// Takes a value that somebody gave, if it is of the secret's kind.
    pub fn take(&self, name: &SecretName, value: Plaintext) -> miette::Result<Made> {
        let kind = self.vault().policy().secret(name).kind;
        let value = match kind {
            Kind::Password | Kind::PasswordHash => input::without_line_end(&value),
            _ => value,
        };
        if value.expose().is_empty() {
            return Err(RotateError::NoText(name.clone()).into());
        }
        let origin = self.vault().lock().secrets[name].origin;
        let is_login = origin != Origin::Imported || renewal::derived(self.vault(), name).next().is_some();
        if kind == Kind::Password && is_login {
            let text = value.expose_str().ok_or_else(|| RotateError::NoText(name.clone()))?;
            let text = Zeroizing::new(text.to_owned());
            let password = prompt::password(name.as_str(), self.strength, text)?;
            let secrets = renewal::password(self.vault(), name, &password, Origin::Entered)?;
            return Ok(Made { groups: vec![secrets], public_files: Vec::new() });
        }
        let facts =
            Facts::of(kind, &value).map_err(|error| RotateError::Kind { name: name.clone(), error })?;
        self.refuse_other_key(name, facts.as_ref())?;
        let public_file = match renewal::public_file(self.vault(), name).filter(|_| kind == Kind::SshKey) {
            Some(path) => Some((path, format!("{}\n", ssh::private_key_public_line(&value)?).into_bytes())),
            None => None,
        };
        let table = SecretTable { kind, ..SecretTable::default() };
        let secret =
            NewSecret { name: name.clone(), table, plaintext: value, origin: Origin::Imported, facts };
        Ok(Made { groups: vec![vec![secret]], public_files: public_file.into_iter().collect() })
    }

    /// A certificate must stay that of its key, and a key that of its certificate.
    fn refuse_other_key(&self, name: &SecretName, facts: Option<&Facts>) -> Result<(), RotateError> {
        let key = |facts: Option<&Facts>| match facts {
            Some(Facts::Certificate(facts)) => Some(facts.spki_sha256),
            Some(Facts::PrivateKey { spki_sha256 }) => Some(*spki_sha256),
            _ => None,
        };
        let secrets = &self.vault().lock().secrets;
        let (old, new) = (key(secrets[name].facts.as_ref()), key(facts));
        let other = secrets
            .iter()
            .find(|(other, secret)| *other != name && old.is_some() && key(secret.facts.as_ref()) == old);
        match other {
            Some((other, _)) if new != old => {
                Err(RotateError::Pair { name: name.clone(), other: other.clone() })
            }
            _ => Ok(()),
        }
    }
}

impl Made {
    fn add(&mut self, more: Self) {
        self.groups.extend(more.groups);
        self.public_files.extend(more.public_files);
    }
}
