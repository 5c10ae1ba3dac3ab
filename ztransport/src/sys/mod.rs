//! What differs from system to system, but for the [poll](crate::poll).
//!
//! | | Unix | Windows |
//! |---|---|---|
//! | descriptors | files (`AsFd`) | sockets (`AsSocket`) |
//! | reading and writing | rustix | socket2 |
//! | numbers of errors | the system's | those of Winsock; what it lacks has the number that its C library gives it |
//! | ipc | Unix domain streams | none: refused as an endpoint, see `endpoint::ipc` |
//! | scheduling of threads | `scheduling` says what | refused |

#[cfg(unix)]
#[path = "unix.rs"]
mod system;
#[cfg(windows)]
#[path = "windows.rs"]
mod system;

pub use self::system::{NO_DESCRIPTOR, OwnedDescriptor};
pub(crate) use self::system::{
    abstract_name, accept, code, is_listening, number_of, path_name, raw, read, read_to_spare,
    read_uninit, read_vectored, set_traffic_class, settle, stream_socket, unacknowledged, write,
    write_vectored,
};
/// The number of a descriptor. It is for telling one from another.
pub use zpipe::RawDescriptor;
