//! What the user wrote, where that is not the canonical text.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The whole text of an endpoint as its user wrote it; nothing if that is the canonical text.
///
/// It is for messages to the user and says nothing about the endpoint, so all spellings are equal.
#[derive(Debug, Clone, Default)]
pub(super) struct Spelling(Option<Arc<str>>);

impl Spelling {
    pub(super) const CANONICAL: Self = Self(None);

    pub(super) fn of(text: &str) -> Self {
        Self(Some(text.into()))
    }

    pub(super) fn text(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl PartialEq for Spelling {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Spelling {}

impl Hash for Spelling {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

impl PartialOrd for Spelling {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Spelling {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}
