//! Handles of contexts, pollers and timers: pointers that are compared and never followed, so that one which is none is an error.
//!
//! Sockets, which are looked up for every message, have a [table](crate::socket::slots) of their own.

use std::{
    collections::BTreeMap,
    ffi::c_void,
    sync::{Arc, LazyLock},
};

use zpipe::{Guard, Guarded};

/// What is open, by its address. There is memory at that address as long as the handle is valid: some libraries look there.
pub(crate) struct Handles<T>(LazyLock<Guarded<BTreeMap<usize, Arc<T>>>>);

impl<T> Handles<T> {
    pub(crate) const fn new() -> Self {
        Self(LazyLock::new(Guarded::default))
    }

    /// Opens one.
    pub(crate) fn insert(&self, value: T) -> *mut c_void {
        crate::fork::watch();
        let value = Arc::new(value);
        let handle = Arc::as_ptr(&value);
        self.0.lock().insert(handle.addr(), value);
        handle.cast_mut().cast()
    }

    /// Keeps everybody out.
    pub(crate) fn hold(&'static self) -> Guard<'static, BTreeMap<usize, Arc<T>>> {
        self.0.lock()
    }

    pub(crate) fn get(&self, handle: *const c_void) -> Option<Arc<T>> {
        self.0.lock().get(&handle.addr()).cloned()
    }

    /// Closes one, which goes with the last call that uses it.
    pub(crate) fn remove(&self, handle: *const c_void) -> Option<Arc<T>> {
        self.0.lock().remove(&handle.addr())
    }
}

#[cfg(test)]
mod tests {
    use std::ptr;

    use super::*;

    #[test]
    fn only_what_is_open_is_found() {
        static HANDLES: Handles<u32> = Handles::new();
        let handle = HANDLES.insert(7);
        assert_eq!(HANDLES.get(handle).as_deref(), Some(&7));
        let elsewhere = handle.wrapping_byte_add(1);
        for other in [ptr::null_mut(), elsewhere] {
            assert!(HANDLES.get(other).is_none());
        }
        assert_eq!(HANDLES.remove(handle).as_deref(), Some(&7));
        assert!(HANDLES.get(handle).is_none() && HANDLES.remove(handle).is_none());
    }
}
