//! Looking up again who the owners are, while a vault is served. What the name service does not tell stays as it is.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use vault_format::report;

use super::name_service::{self, Told};
use super::{Name, Owners};

/// What came of looking again.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    /// Whether a name means something else than before.
    pub differs: bool,
    /// Whether a name that meant somebody is said to mean somebody else, or nobody, which was not believed.
    pub doubted: bool,
    /// Why the name service did not tell of a name, which means what it did before.
    pub silent: Option<String>,
}

/// What names mean now, where they meant what is `known`.
pub(super) fn look(known: &Owners, believes: bool) -> (Owners, Again) {
    look_with(known, believes, name_service::LIMIT, Name::look_up)
}

fn look_with(
    known: &Owners,
    believes: bool,
    limit: Duration,
    look_up: impl Fn(&Name) -> Told + Send + Sync + 'static,
) -> (Owners, Again) {
    let (mut owners, mut again) = (known.clone(), Again::default());
    for (name, told) in name_service::ask(known.names(), limit, look_up) {
        let before = known.number(&name);
        match told.map(Owners::usable) {
            Ok(now) if now == before => {}
            Ok(_) if before.is_some() && !believes => again.doubted = true,
            Ok(now) => {
                owners.learn(name, now);
                again.differs = true;
            }
            Err(error) => {
                let why = report::render(&error);
                again.silent.get_or_insert_with(|| why.trim_start_matches("error: ").to_owned());
            }
        }
    }
    (owners, again)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use super::{Again, Told, look_with};
    use crate::resolver::{Name, OwnerError, Owners};

    fn user(name: &str) -> Name {
        Name::User(name.to_owned())
    }

    fn known(numbers: &[(&str, Option<u32>)]) -> Owners {
        let mut owners = Owners::default();
        numbers.iter().for_each(|(name, id)| owners.learn(user(name), *id));
        owners
    }

    /// What comes of it when the name service says `told` of the one user there is.
    fn look(before: Option<u32>, believes: bool, told: fn() -> Told) -> (Option<u32>, Again) {
        let known = known(&[("odoo", before)]);
        let (owners, again) = look_with(&known, believes, Duration::from_secs(10), move |_| told());
        (owners.number(&user("odoo")), again)
    }

    #[test]
    fn who_appears_is_believed_and_who_goes_is_asked_twice() {
        let differs = Again { differs: true, ..Again::default() };
        let doubted = Again { doubted: true, ..Again::default() };
        assert_eq!(look(None, false, || Ok(Some(7))), (Some(7), differs));
        assert_eq!(look(Some(7), false, || Ok(Some(7))), (Some(7), Again::default()));
        for told in [|| Ok(None), || Ok(Some(8)), || Ok(Some(61184))] {
            let (kept, again) = look(Some(7), false, told);
            assert_eq!((kept, &again), (Some(7), &doubted));
            let (now, again) = look(Some(7), true, told);
            assert_ne!(now, Some(7));
            assert!(again.differs && !again.doubted);
        }
        assert_eq!(look(Some(7), true, || Ok(Some(61184))).0, None, "a recycled number is nobody's");
        assert_eq!(look(None, true, || Ok(Some(61184))), (None, Again::default()));
    }

    #[test]
    fn what_the_name_service_does_not_tell_stays() {
        let failed = || {
            let source = io::ErrorKind::ConnectionRefused.into();
            Err(OwnerError::Lookup { name: "odoo".to_owned(), source })
        };
        for believes in [false, true] {
            for before in [None, Some(7)] {
                let (now, again) = look(before, believes, failed);
                assert_eq!((now, again.differs, again.doubted), (before, false, false));
                assert!(again.silent.is_some_and(|why| why.contains("odoo")));
            }
        }
    }
}
