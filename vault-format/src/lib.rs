//! The odbox vault as data: policy, lock, signature, encryption, verification.
