//! What stands in for CURVE where it is left out: types of which there is nothing, so that the rest of the
//! crate needs no second form.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{Error, Flags};

/// Only how long it would make frames is asked of it.
pub(crate) struct Session;

/// There is none.
#[derive(Debug)]
pub(crate) enum Sealer {}

/// There is none.
#[derive(Debug)]
pub(crate) enum Opener {}

impl Session {
    /// How much longer the body of a frame would become, in bytes.
    pub(crate) const OVERHEAD: usize = 33;
}

impl Sealer {
    pub(crate) const fn is_exhausted(&self) -> bool {
        match *self {}
    }

    pub(crate) const fn seal_or_stop(&mut self, _: Flags, _: &[u8], _: &mut Vec<u8>) {
        match *self {}
    }
}

impl Opener {
    pub(crate) const fn open(&mut self, _: &mut [u8]) -> Result<(Flags, Range<usize>), Error> {
        match *self {}
    }
}
