//! The pages of `docs/guide`, so that their code is compiled and run by the tests. A test sees to it that all are here.

macro_rules! pages {
    ($($page:ident)*) => {$(
        #[doc = include_str!(concat!("../../docs/guide/src/", stringify!($page), ".md"))]
        mod $page {}
    )*};
}

pages! {
    introduction sockets transports patterns messages polling intermediaries bridging errors interrupts leaks threads
    coordination zerocopy envelopes hwm security lost
}
