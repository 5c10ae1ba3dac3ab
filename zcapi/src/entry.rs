//! How a C program enters: every exported function is made here, so that none lets a panic out or forgets `errno`.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use crate::errno::Errno;

/// Makes exported functions. What follows `or` is what a C program gets when the body fails, with the cause in `errno`.
macro_rules! entries {
    ($(
        $(#[$attribute:meta])*
        fn $name:ident($($argument:ident: $type:ty),* $(,)?) -> $result:ty, or $failure:expr; $body:block
    )*) => {$(
        $(#[$attribute])*
        ///
        /// # Safety
        ///
        /// As the manual of libzmq says; see the [crate's documentation](crate#safety).
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name($($argument: $type),*) -> $result {
            $crate::entry::enter($failure, || -> Result<$result, $crate::errno::Errno> { $body })
        }
    )*};
}
pub(crate) use entries;

/// Runs the body of an exported function.
#[inline]
pub(crate) fn enter<R>(failure: R, body: impl FnOnce() -> Result<R, Errno>) -> R {
    // What a panic may leave half done is a socket, whose next call finds it as any other thread's panic leaves it.
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(result)) => result,
        Ok(Err(errno)) => {
            errno.set();
            failure
        }
        Err(panic) => {
            swallow(panic);
            failure
        }
    }
}

/// Unwinding into C is undefined, and aborting would take the whole program along for one call.
#[cold]
fn swallow(panic: Box<dyn Any + Send>) {
    // Its `Drop` might panic as well.
    std::mem::forget(panic);
    Errno::IO.set();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_error() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("a second time");
            }
        }
        let result = enter(-1, || std::panic::panic_any(Bomb));
        assert_eq!((result, Errno::last()), (-1, Errno::IO));
        assert_eq!(enter(-1, || Err(Errno::FSM)), -1);
        assert_eq!(Errno::last(), Errno::FSM);
        assert_eq!(enter(-1, || Ok(3)), 3);
    }
}
