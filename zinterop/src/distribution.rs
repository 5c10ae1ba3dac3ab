//! The libzmq of the distribution, if it is installed: loaded when a test asks for it, beside the one that this crate is linked
//! with. Unlike that it has OpenPGM.

use std::ffi::{CStr, CString, c_char, c_int, c_void};

unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

const RTLD_NOW: c_int = 2;

type CtxNew = unsafe extern "C" fn() -> *mut c_void;
type CtxTerm = unsafe extern "C" fn(*mut c_void) -> c_int;
type MakeSocket = unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void;
type Close = unsafe extern "C" fn(*mut c_void) -> c_int;
type SetOption = unsafe extern "C" fn(*mut c_void, c_int, *const c_void, usize) -> c_int;
type Connect = unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int;
type Send = unsafe extern "C" fn(*mut c_void, *const c_void, usize, c_int) -> c_int;
type Recv = unsafe extern "C" fn(*mut c_void, *mut c_void, usize, c_int) -> c_int;
type Has = unsafe extern "C" fn(*const c_char) -> c_int;

/// The functions that tests need.
#[derive(Clone, Copy, Debug)]
pub struct Library {
    ctx_new: CtxNew,
    ctx_term: CtxTerm,
    make_socket: MakeSocket,
    close: Close,
    set_option: SetOption,
    connect: Connect,
    send: Send,
    recv: Recv,
}

/// Finds a function of a library.
///
/// # Safety
///
/// `F` must be the type of a function pointer, and that of this function.
unsafe fn symbol<F: Copy>(library: *mut c_void, name: &CStr) -> Option<F> {
    assert_eq!(size_of::<F>(), size_of::<*mut c_void>());
    // SAFETY: the library stays loaded for ever.
    let found = unsafe { dlsym(library, name.as_ptr()) };
    // SAFETY: of the same size, and the caller says that it is this function.
    (!found.is_null()).then(|| unsafe { std::mem::transmute_copy(&found) })
}

impl Library {
    /// Loads it; `None` if it is not there, or has no PGM.
    #[must_use]
    pub fn load() -> Option<Self> {
        // SAFETY: its initialisers do nothing that matters here.
        let library = unsafe { dlopen(c"libzmq.so.5".as_ptr(), RTLD_NOW) };
        if library.is_null() {
            return None;
        }
        // SAFETY: the types are those of the manual pages.
        unsafe {
            let has: Has = symbol(library, c"zmq_has")?;
            if has(c"pgm".as_ptr()) != 1 {
                return None;
            }
            Some(Self {
                ctx_new: symbol(library, c"zmq_ctx_new")?,
                ctx_term: symbol(library, c"zmq_ctx_term")?,
                make_socket: symbol(library, c"zmq_socket")?,
                close: symbol(library, c"zmq_close")?,
                set_option: symbol(library, c"zmq_setsockopt")?,
                connect: symbol(library, c"zmq_connect")?,
                send: symbol(library, c"zmq_send")?,
                recv: symbol(library, c"zmq_recv")?,
            })
        }
    }

    /// A socket of this type in a context of its own.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[must_use]
    pub fn socket(self, socket_type: c_int) -> Socket {
        // SAFETY: no preconditions.
        let context = unsafe { (self.ctx_new)() };
        // SAFETY: the context is new.
        let socket = unsafe { (self.make_socket)(context, socket_type) };
        assert!(!socket.is_null());
        Socket {
            library: self,
            context,
            socket,
        }
    }
}

/// A socket of that library.
#[derive(Debug)]
pub struct Socket {
    library: Library,
    context: *mut c_void,
    socket: *mut c_void,
}

impl Socket {
    /// Sets an option that is an integer.
    ///
    /// # Panics
    ///
    /// If the library refuses it.
    pub fn set(&self, option: c_int, value: c_int) {
        let value: *const c_int = &value;
        // SAFETY: the value is there during the call.
        let done = unsafe { (self.library.set_option)(self.socket, option, value.cast(), 4) };
        assert_eq!(done, 0, "option {option}");
    }

    /// Subscribes to everything.
    ///
    /// # Panics
    ///
    /// If the library refuses that.
    pub fn subscribe_to_all(&self) {
        // SAFETY: nothing is read of an empty topic.
        let done = unsafe { (self.library.set_option)(self.socket, 6, c"".as_ptr().cast(), 0) };
        assert_eq!(done, 0);
    }

    /// Connects.
    ///
    /// # Panics
    ///
    /// If the library refuses that.
    pub fn connect(&self, endpoint: &str) {
        let endpoint = CString::new(endpoint).unwrap();
        // SAFETY: the text is there during the call.
        let done = unsafe { (self.library.connect)(self.socket, endpoint.as_ptr()) };
        assert_eq!(done, 0, "{endpoint:?}");
    }

    /// Sends a message of one frame.
    ///
    /// # Panics
    ///
    /// If the library refuses that.
    pub fn send(&self, body: &[u8]) {
        // SAFETY: the body is there during the call, and copied in it.
        let sent = unsafe { (self.library.send)(self.socket, body.as_ptr().cast(), body.len(), 0) };
        assert_eq!(usize::try_from(sent), Ok(body.len()));
    }

    /// Receives a frame into the buffer, and says how long it is; `None` if none came in time.
    pub fn recv(&self, buffer: &mut [u8]) -> Option<usize> {
        let (at, room) = (buffer.as_mut_ptr(), buffer.len());
        // SAFETY: at most as much is written as there is room for.
        let received = unsafe { (self.library.recv)(self.socket, at.cast(), room, 0) };
        usize::try_from(received).ok()
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // SAFETY: neither is used any more.
        unsafe {
            (self.library.close)(self.socket);
            (self.library.ctx_term)(self.context);
        }
    }
}
