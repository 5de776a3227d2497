use proptest::prelude::*;

use super::*;

fn id(of: u8) -> VaultId {
    VaultId::try_from(format!("{of:032x}")).expect("an id")
}

fn digest(of: &str) -> Digest {
    Digest::of(of.as_bytes())
}

fn facts(vault: u8, serial: u64, name: &str, ancestors: &[&str]) -> Facts {
    Facts {
        vault_id: id(vault),
        serial,
        lock_sha256: digest(name),
        ancestors: ancestors.iter().map(|name| digest(name)).collect(),
        signer: "SHA256:x".into(),
        principal: "alice".into(),
        secrets: 1,
        warnings: Vec::new(),
        ends: Vec::new(),
        expires: None,
    }
}

/// Vault 1, serial 5, the state `five`.
fn last() -> Accepted {
    let at = "2026-11-22T14:31:27Z".parse().expect("a moment");
    let facts = facts(1, 5, "five", &[]);
    Accepted {
        mountpoint: "/run/vault".into(),
        vault_id: facts.vault_id,
        serial: facts.serial,
        lock_sha256: facts.lock_sha256,
        signer: facts.signer,
        principal: facts.principal,
        at,
        waiver: None,
        copy_bytes: None,
    }
}

fn waiver(exception: Exception) -> Waiver {
    Waiver::after(None, exception)
}

/// What a state is judged to be, in one word, as things are and with each waiver.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Is {
    First,
    Same,
    Newer,
    NotConfigured,
    BelowLeast,
    OtherVault,
    Older,
    Fork,
    Branch,
    TooFar,
    Waived,
}

fn word(judged: &Result<Verdict, Refusal>) -> Is {
    match judged {
        Ok(Verdict::First) => Is::First,
        Ok(Verdict::Same) => Is::Same,
        Ok(Verdict::Newer) => Is::Newer,
        Ok(Verdict::Waived(_)) => Is::Waived,
        Err(Refusal::NotConfigured { .. }) => Is::NotConfigured,
        Err(Refusal::BelowLeast { .. }) => Is::BelowLeast,
        Err(Refusal::OtherVault { .. }) => Is::OtherVault,
        Err(Refusal::Older { .. }) => Is::Older,
        Err(Refusal::Fork { .. }) => Is::Fork,
        Err(Refusal::Branch { .. }) => Is::Branch,
        Err(Refusal::TooFar { .. }) => Is::TooFar,
    }
}

#[test]
fn the_first_state_is_any_that_the_configuration_allows() {
    let cases = [
        (None, None, Is::First),
        (Some(1), None, Is::First),
        (Some(2), None, Is::NotConfigured),
        (None, Some(3), Is::First),
        (None, Some(4), Is::BelowLeast),
        (Some(1), Some(3), Is::First),
        (Some(2), Some(4), Is::NotConfigured),
    ];
    for (vault, least, expected) in cases {
        let configured = Configured { vault_id: vault.map(id), min_serial: least };
        for waiver in [None, Some(waiver(Exception::Serial(3))), Some(waiver(Exception::NewHistory))] {
            let judged = judge(None, &configured, waiver.as_ref(), &facts(1, 3, "three", &[]));
            assert_eq!(word(&judged), expected, "{vault:?} {least:?} {waiver:?}");
        }
    }
}

#[test]
fn only_what_descends_from_the_last_state_follows() {
    let many: Vec<String> = (0..512).map(|number| format!("long after {number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    // The state, how it is judged, and how with --serial 4 and with --new-history.
    let cases = [
        (facts(1, 5, "five", &["four"]), [Is::Same; 3]),
        (facts(1, 6, "six", &["five", "four"]), [Is::Newer; 3]),
        (facts(1, 9, "nine", &["eight", "other", "five"]), [Is::Newer; 3]),
        (facts(1, 4, "four", &["three"]), [Is::Older, Is::Waived, Is::Older]),
        (facts(1, 3, "three", &[]), [Is::Older; 3]),
        (facts(1, 4, "other four", &["five"]), [Is::Older, Is::Waived, Is::Older]),
        (facts(1, 5, "other five", &["four"]), [Is::Fork, Is::Fork, Is::Waived]),
        (facts(1, 5, "other five", &["five"]), [Is::Fork, Is::Fork, Is::Waived]),
        (facts(1, 6, "other six", &["other five", "four"]), [Is::Branch, Is::Branch, Is::Waived]),
        (facts(1, 600, "far", &many), [Is::TooFar, Is::TooFar, Is::Waived]),
        (facts(1, 600, "not so far", &many[1..]), [Is::Branch, Is::Branch, Is::Waived]),
        (facts(2, 6, "six", &["five"]), [Is::OtherVault, Is::OtherVault, Is::Waived]),
        (facts(2, 4, "four", &[]), [Is::OtherVault, Is::OtherVault, Is::Waived]),
    ];
    let waivers = [None, Some(waiver(Exception::Serial(4))), Some(waiver(Exception::NewHistory))];
    for (facts, expected) in cases {
        for (waiver, expected) in waivers.iter().zip(expected) {
            let judged = judge(Some(&last()), &Configured::default(), waiver.as_ref(), &facts);
            assert_eq!(word(&judged), expected, "{facts:?} {waiver:?}");
            let used = Accepted { waiver: waiver.clone(), ..last() };
            let judged = judge(Some(&used), &Configured::default(), waiver.as_ref(), &facts);
            assert_ne!(word(&judged), Is::Waived, "used up: {facts:?} {waiver:?}");
        }
    }
}

#[test]
fn what_is_configured_holds_for_every_state_and_whatever_was_waived() {
    let configured = Configured { vault_id: Some(id(1)), min_serial: Some(5) };
    let new_history = waiver(Exception::NewHistory);
    let serial = waiver(Exception::Serial(4));
    for (facts, expected) in [
        (facts(1, 5, "five", &[]), Is::Same),
        (facts(1, 6, "six", &["five"]), Is::Newer),
        (facts(1, 4, "four", &[]), Is::BelowLeast),
        (facts(2, 6, "six", &["five"]), Is::NotConfigured),
    ] {
        for waiver in [None, Some(&new_history), Some(&serial)] {
            assert_eq!(word(&judge(Some(&last()), &configured, waiver, &facts)), expected, "{facts:?}");
        }
    }
}

#[test]
fn every_refusal_tells_the_next_step() {
    let (found, accepted) = (1, 2);
    let all = [
        Refusal::NotConfigured { expected: id(1), found: id(2) },
        Refusal::BelowLeast { found, least: 2 },
        Refusal::OtherVault { found: id(1), accepted: id(2) },
        Refusal::Older { found, accepted },
        Refusal::Fork { serial: 1, found: digest("a"), accepted: digest("b") },
        Refusal::Branch { found, accepted },
        Refusal::TooFar { found, accepted },
    ];
    for refusal in all {
        let text = vault_format::report::render(&refusal);
        assert!(text.starts_with("error: ") && text.contains("\n  hint: "), "{text}");
        assert!(!text.contains('{'), "{text}");
    }
}

proptest! {
    /// Over any walk through a tree of states: what is accepted without a waiver is the same state or a
    /// descendant, and all of those are accepted.
    #[test]
    fn accepted_is_what_descends(
        parents in prop::collection::vec(any::<prop::sample::Index>(), 1..40),
        visits in prop::collection::vec(any::<prop::sample::Index>(), 1..20),
    ) {
        let mut states = vec![facts(1, 1, "0", &[])];
        for (number, parent) in parents.iter().enumerate() {
            let parent = &states[parent.index(states.len())];
            let mut next = facts(1, parent.serial + 1, &format!("{}", number + 1), &[]);
            next.ancestors = [&[parent.lock_sha256], parent.ancestors.as_slice()].concat();
            states.push(next);
        }
        let mut last: Option<(Accepted, &Facts)> = None;
        for visit in visits {
            let state = &states[visit.index(states.len())];
            let accepted = last.as_ref().map(|(accepted, _)| accepted);
            let judged = judge(accepted, &Configured::default(), None, state);
            let follows = last.as_ref().is_none_or(|(_, before)| {
                state.lock_sha256 == before.lock_sha256 || state.ancestors.contains(&before.lock_sha256)
            });
            prop_assert_eq!(judged.is_ok(), follows);
            if follows {
                let accepted = Accepted { serial: state.serial, lock_sha256: state.lock_sha256, ..super::tests::last() };
                last = Some((accepted, state));
            }
        }
    }
}
