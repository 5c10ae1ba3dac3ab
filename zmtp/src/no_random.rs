//! What stands in for a source of randomness where nothing needs any: NULL alone.

/// There is none.
#[derive(Debug)]
pub(crate) struct Random;

impl Random {
    /// Asked for by nobody.
    pub(crate) const fn system() -> Self {
        Self
    }
}
