use super::*;
use crate::{Plaintext, Timestamp};

fn now() -> Timestamp {
    "2026-11-22T13:51:00Z".parse().unwrap()
}

fn ca(scope: Scope, days: u32) -> (Certified, Authority) {
    let made = authority("CA", scope, &KeyType::P256.generate().unwrap(), days, now()).unwrap();
    let read = Authority::read(&made.certificate, &made.key).unwrap();
    (made, read)
}

fn leaf(ca: &Authority, names: &[&str], at: Timestamp) -> Result<Certified, CertificateError> {
    let names = names.iter().map(|name| name.parse()).collect::<Result<Vec<_>, _>>()?;
    ca.leaf(&names, &KeyType::P256.generate()?, LEAF_DAYS, at)
}

#[test]
fn facts_are_those_of_the_certificate() {
    let (made, ca) = ca(Scope::Loopback, CA_DAYS);
    let leaf = leaf(&ca, &["localhost", "127.0.0.1", "::1"], now()).unwrap();
    assert_eq!(leaf.facts.subject, "CN=localhost");
    assert_eq!(leaf.facts.issuer, "CN=CA");
    assert_eq!(leaf.facts.names, ["127.0.0.1", "::1", "localhost"]);
    assert_eq!(leaf.facts.not_before, now());
    assert_eq!(leaf.facts.not_after.to_string(), "2027-12-24T13:51:00Z");
    assert_eq!(leaf.facts.key_type, "p256");
    assert_ne!(leaf.facts.spki_sha256, made.facts.spki_sha256);
    assert_eq!(leaf.facts.spki_sha256, PrivateKey::read(&leaf.key).unwrap().spki_sha256());
}

#[test]
fn a_leaf_never_outlives_its_ca() {
    let (made, ca) = ca(Scope::Any, 30);
    let short = leaf(&ca, &["a.example"], now()).unwrap();
    assert_eq!(short.facts.not_after, made.facts.not_after);
    let later = "2027-11-22T13:51:00Z".parse().unwrap();
    assert!(matches!(leaf(&ca, &["a.example"], later), Err(CertificateError::Expired)));
    let earlier = "2025-11-22T13:51:00Z".parse().unwrap();
    assert!(matches!(leaf(&ca, &["a.example"], earlier), Err(CertificateError::NotYetValid(_))));
}

#[test]
fn a_common_name_has_64_characters_at_most() {
    let (_, ca) = ca(Scope::Any, CA_DAYS);
    let (fits, long) = (format!("{}.example", "x".repeat(56)), format!("{}.example", "x".repeat(57)));
    leaf(&ca, &[&fits, &long], now()).unwrap();
    assert!(matches!(leaf(&ca, &[&long], now()), Err(CertificateError::CommonName(_))));
    assert!(matches!(leaf(&ca, &[], now()), Err(CertificateError::NoName)));
}

#[test]
fn a_ca_signs_within_its_constraints_only() {
    let (_, constrained) = ca(Scope::Loopback, CA_DAYS);
    let (_, any) = ca(Scope::Any, CA_DAYS);
    for (name, permitted) in [
        ("localhost", true),
        ("odoo.localhost", true),
        ("127.8.0.1", true),
        ("::1", true),
        ("localhost.example", false),
        ("*.example.org", false),
        ("notlocalhost", false),
        ("10.0.0.1", false),
        ("::2", false),
    ] {
        let names = [name.parse().unwrap()];
        any.permits(&names, now()).unwrap();
        assert_eq!(constrained.permits(&names, now()).is_ok(), permitted, "{name}");
        let made = leaf(&constrained, &["localhost", name], now());
        match made {
            Err(CertificateError::Constrained(_)) => assert!(!permitted, "{name}"),
            made => assert!(made.is_ok() && permitted, "{name}"),
        }
    }
}

#[test]
fn what_is_no_ca_signs_nothing() {
    let ((one, any), (other, _)) = (ca(Scope::Any, CA_DAYS), ca(Scope::Any, CA_DAYS));
    let leaf = leaf(&any, &["a.example"], now()).unwrap();
    for (certificate, key) in [
        (&leaf.certificate, &leaf.key),
        (&one.certificate, &other.key),
        (&one.key, &one.key),
        (&one.certificate, &one.certificate),
    ] {
        assert!(matches!(Authority::read(certificate, key), Err(CertificateError::Authority)));
    }
}

#[test]
fn an_intermediate_is_for_one_name_and_ends_with_its_ca() {
    let (above, ca) = ca(Scope::Any, 30);
    for name in ["web-1", "odoo.example.org", "10.0.0.7", "fd00::7"] {
        let made = ca.intermediate("below", Some(&name.parse().unwrap()), CA_DAYS, now()).unwrap();
        assert_eq!((made.facts.issuer.as_str(), made.facts.subject.as_str()), ("CN=CA", "CN=below"));
        assert_eq!(made.facts.not_after, above.facts.not_after);
    }
    let refused = ca.intermediate("below", Some(&"*.example.org".parse().unwrap()), CA_DAYS, now());
    assert!(matches!(refused, Err(CertificateError::Name { .. })));
}

/// The library that makes RSA keys is another one than the library that signs with them.
#[test]
fn every_type_of_key_signs_and_is_signed() {
    for (key_type, name) in [(KeyType::P256, "p256"), (KeyType::P384, "p384"), (KeyType::Rsa4096, "rsa4096")]
    {
        let [ca_key, key] = [(); 2].map(|()| key_type.generate().unwrap());
        let ca = authority("CA", Scope::Any, &ca_key, CA_DAYS, now()).unwrap();
        let read = Authority::read(&ca.certificate, &ca.key).unwrap();
        let leaf = read.leaf(&["a.example".parse().unwrap()], &key, LEAF_DAYS, now()).unwrap();
        assert_eq!((ca.facts.key_type.as_str(), leaf.facts.key_type.as_str()), (name, name));
        assert_eq!(PrivateKey::read(&leaf.key).unwrap().spki_sha256(), leaf.facts.spki_sha256);
        let shown = format!("{key:?}");
        assert!(shown.len() < 20, "{shown}");
    }
}

#[test]
fn what_the_vault_signed_can_be_imported_with_its_chain() {
    let (root, root_ca) = ca(Scope::Any, CA_DAYS);
    let made = leaf(&root_ca, &["a.example"], now()).unwrap();
    let key = PrivateKey::read(&made.key).unwrap();
    let taken = import(&made.certificate, Some(&root.certificate), &key, now()).unwrap();
    assert_eq!(taken.certified.certificate, made.certificate);
    assert_eq!((taken.certified.facts, taken.anchor.as_str()), (made.facts, "CN=CA"));
    let alone = import(&made.certificate, None, &key, now());
    assert!(matches!(alone, Err(ChainError::Missing { .. })));
    let junk = Plaintext::from(format!("{}junk", made.certificate.expose_str().unwrap()));
    assert!(matches!(import(&junk, None, &key, now()), Err(ChainError::Pem(PemError::Junk))));
}
