//! Which commits are asked about.

use gix::ObjectId;

use super::{
    AuditError, Inquiry,
    period::Period,
    report::{At, Scope},
    repository::Repository,
};

/// Where a date comes from that somebody asks about.
const DATE_SOURCE: &str = "the dates of Git's commits, which whoever commits can choose";

/// The commits that are asked about.
pub struct Span {
    /// As it was named.
    pub scope: Scope,
    /// The last one; nothing in a repository without a commit.
    pub tip: Option<ObjectId>,
    /// What led to this one is left out.
    pub hidden: Option<ObjectId>,
    /// The time that was asked about.
    pub at: Option<At>,
}

impl Span {
    /// The commits that an inquiry names.
    ///
    /// # Errors
    ///
    /// If it names none.
    pub fn of(repository: &Repository, inquiry: &Inquiry) -> miette::Result<Self> {
        let mut span = match inquiry.revision.as_deref() {
            None if repository.top().is_some() && inquiry.at.is_none() => Self::work_tree(repository),
            None => Self::revision(repository, "HEAD")?,
            Some(name) => match name.split_once("..") {
                None => Self::revision(repository, name)?,
                Some((_, to)) if to.starts_with('.') => return Err(AuditError::ThreeDots.into()),
                Some(_) if inquiry.secret.is_some() || inquiry.at.is_some() => {
                    return Err(AuditError::PartOfHistory(name.to_owned()).into());
                }
                Some((from, to)) => Self::range(repository, name, from, to)?,
            },
        };
        if let Some(period) = inquiry.at.as_ref().filter(|period| period.from > inquiry.now) {
            return Err(AuditError::NotYet(period.name.clone()).into());
        }
        if let Some((period, tip)) = inquiry.at.as_ref().zip(span.tip) {
            let (at, commit) = newest_in(repository, tip, period)?;
            span.at = Some(at);
            // Without a secret to follow, what came later does not matter.
            if inquiry.secret.is_none() {
                span.tip = Some(commit);
            }
        }
        Ok(span)
    }

    fn work_tree(repository: &Repository) -> Self {
        let tip = repository.head();
        let scope = Scope::WorkTree { head: tip.map(|head| head.to_string()) };
        Self { scope, tip, hidden: None, at: None }
    }

    fn revision(repository: &Repository, name: &str) -> miette::Result<Self> {
        let commit = repository.commit(name)?;
        let scope = Scope::Revision { name: name.to_owned(), commit: commit.to_string() };
        Ok(Self { scope, tip: Some(commit), hidden: None, at: None })
    }

    /// As Git reads it: a side that is left out is HEAD.
    fn range(repository: &Repository, name: &str, from: &str, to: &str) -> miette::Result<Self> {
        let commit = |name: &str| repository.commit(if name.is_empty() { "HEAD" } else { name });
        let (from, to) = (commit(from)?, commit(to)?);
        let scope = Scope::Range { name: name.to_owned(), from: from.to_string(), to: to.to_string() };
        Ok(Self { scope, tip: Some(to), hidden: Some(from), at: None })
    }
}

/// The newest commit of the main line at the end of a period.
fn newest_in(repository: &Repository, tip: ObjectId, period: &Period) -> Result<(At, ObjectId), AuditError> {
    let then = repository.main_line(tip).find(|(_, committed)| *committed <= period.to);
    let (commit, _) = then.ok_or_else(|| before(repository, tip, period))?;
    let at = At {
        name: period.name.clone(),
        from: period.from,
        to: period.to,
        commit: commit.to_string(),
        source: DATE_SOURCE,
    };
    Ok((at, commit))
}

fn before(repository: &Repository, tip: ObjectId, period: &Period) -> AuditError {
    let first = repository.main_line(tip).last().map(|(_, committed)| committed.date_time().date());
    let first = first.map(|day| format!("its first one is of {day}")).unwrap_or_default();
    let hint = match repository.is_shallow() {
        true => "this clone is shallow: `git fetch --unshallow` brings what came before".to_owned(),
        false => first,
    };
    AuditError::Before { name: period.name.clone(), hint }
}
