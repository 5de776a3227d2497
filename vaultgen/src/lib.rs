//! Populates and encrypts an odbox vault: the operator's and auditor's command line.
