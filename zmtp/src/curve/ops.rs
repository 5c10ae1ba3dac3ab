//! Counts public-key operations in tests: what a stranger can make a server compute is bounded, and
//! the bound is tested.

#[cfg(test)]
use std::cell::Cell;

#[cfg(test)]
thread_local! {
    static AGREEMENTS: Cell<u32> = const { Cell::new(0) };
    static BASES: Cell<u32> = const { Cell::new(0) };
}

/// A Diffie-Hellman key agreement is about to be computed.
#[inline]
pub(super) fn count_agreement() {
    #[cfg(test)]
    AGREEMENTS.set(AGREEMENTS.get() + 1);
}

/// A public key is about to be computed from a secret one.
#[inline]
pub(super) fn count_base() {
    #[cfg(test)]
    BASES.set(BASES.get() + 1);
}

/// The agreements and public keys that `f` computes on this thread.
#[cfg(all(test, feature = "zap"))]
pub(crate) fn counted<T>(f: impl FnOnce() -> T) -> (T, u32, u32) {
    let before = (AGREEMENTS.get(), BASES.get());
    let value = f();
    (value, AGREEMENTS.get() - before.0, BASES.get() - before.1)
}
