//! What is asked of the operating system: the only `unsafe` here that has nothing to do with pipes. It is in this crate
//! because no other one may contain any.
//!
//! | | Linux | macOS, BSD | Windows |
//! |---|---|---|---|
//! | [`Process`] | a page that is wiped on `fork` | a handler that runs in the child | there is no `fork` |
//! | [`Signal`] | event descriptor | pipe | none |
//! | [`unacknowledged`] | `SIOCOUTQ` | Apple: `SO_NWRITE`; others cannot tell | cannot tell |
//! | [`peer_groups`] | `SO_PEERGROUPS` | cannot tell | cannot tell |
//! | [`trim_heap`] | with glibc | does nothing | does nothing |
//!
//! With `--cfg zlayers_portable` Linux has the first two as macOS has them.

mod heap;
#[cfg(unix)]
mod kernel;
mod process;

#[cfg(all(target_os = "linux", not(zlayers_portable)))]
#[path = "linux.rs"]
mod own;
#[cfg(all(unix, any(not(target_os = "linux"), zlayers_portable)))]
#[path = "unix.rs"]
mod own;
#[cfg(windows)]
#[path = "windows.rs"]
mod own;

#[cfg(unix)]
pub use self::kernel::{peer_groups, unacknowledged};
#[cfg(any(zlayers_portable, not(target_os = "linux")))]
pub(crate) use self::own::{borrow, raw};
pub use self::{
    heap::trim_heap,
    own::{AsDescriptor, BorrowedDescriptor, RawDescriptor, Signal},
    process::Process,
};
