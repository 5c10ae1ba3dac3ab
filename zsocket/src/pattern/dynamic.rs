//! A pattern that is chosen at run time, for the price of a branch.

use bytes::Bytes;
use zmtp::{Frame, Message, SocketType};

use super::{
    Admission, At, Change, Dealer, Frames, Notify, Pair, Pub, Pull, Push, Rep, Req, Route, Router,
    Settings, Source, State, Stream, Sub, Verdict, View, XPub, XSub,
};
use crate::error::Refusal;

/// Defines the enum and hands each call to the pattern that it is.
macro_rules! any {
    ($($name:ident)*) => {
        /// Any of the patterns.
        #[derive(Debug)]
        pub enum Any {
            $($name($name),)*
        }

        impl Any {
            /// The pattern of a socket type, if there is one.
            pub(crate) fn new(socket_type: SocketType) -> Option<Self> {
                match socket_type {
                    $(SocketType::$name => Some(Self::$name($name::default())),)*
                    _ => None,
                }
            }
        }

        /// The same call on whichever it is.
        macro_rules! each {
            ($any:expr, $state:ident => $call:expr) => {
                match $any {
                    $(Any::$name($state) => $call,)*
                }
            };
        }
    };
}

any! { Pair Pub Sub XPub XSub Push Pull Req Rep Dealer Router Stream }

// What is not handed on would be the default, whatever the pattern says.
#[deny(clippy::missing_trait_methods)]
impl State for Any {
    fn socket_type(&self) -> SocketType {
        each!(self, state => state.socket_type())
    }

    fn streams(&self) -> bool {
        each!(self, state => state.streams())
    }

    fn settings(&mut self) -> Settings<'_> {
        each!(self, state => state.settings())
    }

    fn receives(&self) -> bool {
        each!(self, state => state.receives())
    }

    fn is_raw(&self) -> bool {
        each!(self, state => state.is_raw())
    }

    fn notify(&self) -> Notify {
        each!(self, state => state.notify())
    }

    fn take_name(&mut self) -> Option<Bytes> {
        each!(self, state => state.take_name())
    }

    fn may_connect(&self, name: Option<&Bytes>) -> bool {
        each!(self, state => state.may_connect(name))
    }

    fn connects_once(&self) -> bool {
        each!(self, state => state.connects_once())
    }

    fn route(&self, head: Option<&Frame>) -> Result<Route, Refusal> {
        each!(self, state => state.route(head))
    }

    fn takes_head(&self) -> bool {
        each!(self, state => state.takes_head())
    }

    fn prefix(&self) -> usize {
        each!(self, state => state.prefix())
    }

    fn takes_turns(&self) -> bool {
        each!(self, state => state.takes_turns())
    }

    fn is_mandatory(&self) -> bool {
        each!(self, state => state.is_mandatory())
    }

    fn still_wants(&self, message: &Message) -> bool {
        each!(self, state => state.still_wants(message))
    }

    fn takes_all(&self) -> bool {
        each!(self, state => state.takes_all())
    }

    #[inline]
    fn takes_alone(&self, body: &[u8]) -> Option<bool> {
        each!(self, state => state.takes_alone(body))
    }

    fn voids_input(&self) -> bool {
        each!(self, state => state.voids_input())
    }

    fn hello(&self) -> Option<Bytes> {
        each!(self, state => state.hello())
    }

    fn greeting(&self) -> Option<Bytes> {
        each!(self, state => state.greeting())
    }

    fn recipients(
        &mut self,
        first: &[u8],
        is_whole: bool,
        places: &mut Vec<usize>,
    ) -> Result<bool, Refusal> {
        each!(self, state => state.recipients(first, is_whole, places))
    }

    fn take_own(&mut self, message: &mut Message) -> Result<bool, Refusal> {
        each!(self, state => state.take_own(message))
    }

    fn sent_to_many(&mut self) {
        each!(self, state => state.sent_to_many());
    }

    fn subscribes(&self) -> bool {
        each!(self, state => state.subscribes())
    }

    fn take_changes(&mut self) -> Vec<Change> {
        each!(self, state => state.take_changes())
    }

    fn takes_in(&self) -> bool {
        each!(self, state => state.takes_in())
    }

    fn is_unfinished(&self) -> bool {
        each!(self, state => state.is_unfinished())
    }

    fn go_on(&mut self, least: usize) {
        each!(self, state => state.go_on(least));
    }

    fn limit_input(&mut self, limit: u32) {
        each!(self, state => state.limit_input(limit));
    }

    fn has_own(&self) -> bool {
        each!(self, state => state.has_own())
    }

    fn pop(&mut self, message: &mut Message) -> Option<At> {
        each!(self, state => state.pop(message))
    }

    fn wrap(&self, out: &mut impl Frames) {
        each!(self, state => state.wrap(out));
    }

    fn sent(&mut self, at: At, number: u64) {
        each!(self, state => state.sent(at, number));
    }

    fn unsent(&mut self) {
        each!(self, state => state.unsent());
    }

    fn on_unroutable(&mut self) {
        each!(self, state => state.on_unroutable());
    }

    fn take_spent(&mut self) -> Vec<Frame> {
        each!(self, state => state.take_spent())
    }

    fn source(&self) -> Result<Source, Refusal> {
        each!(self, state => state.source())
    }

    fn prepare(&self, message: &mut Message) {
        each!(self, state => state.prepare(message));
    }

    fn accept(&mut self, from: At, message: &mut Message) -> Verdict {
        each!(self, state => state.accept(from, message))
    }

    fn view(&self) -> View {
        each!(self, state => state.view())
    }

    fn give_up(&mut self) -> Option<u64> {
        each!(self, state => state.give_up())
    }

    fn admit(&mut self, at: At, name: Option<&Bytes>) -> Admission {
        each!(self, state => state.admit(at, name))
    }

    fn name(&self, at: At) -> Option<&Bytes> {
        each!(self, state => state.name(at))
    }

    fn on_detached(&mut self, at: At) {
        each!(self, state => state.on_detached(at));
    }

    fn on_gone(&mut self, at: At) {
        each!(self, state => state.on_gone(at));
    }

    fn wants_rest(&self, at: At) -> bool {
        each!(self, state => state.wants_rest(at))
    }

    fn wants_rest_of_strangers(&self) -> bool {
        each!(self, state => state.wants_rest_of_strangers())
    }

    fn awaits(&self, at: At) -> Option<u64> {
        each!(self, state => state.awaits(at))
    }

    fn on_interrupted(&mut self, at: At, taken: u64) {
        each!(self, state => state.on_interrupted(at, taken));
    }

    fn on_group(&mut self, at: At) {
        each!(self, state => state.on_group(at));
    }

    fn on_renewed(&mut self, at: At) {
        each!(self, state => state.on_renewed(at));
    }

    fn on_lost(&mut self, at: At) {
        each!(self, state => state.on_lost(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_it_was_asked_to_be() {
        let types = "PAIR PUB SUB XPUB XSUB PUSH PULL REQ REP DEALER ROUTER";
        for name in types.split(' ') {
            let socket_type = SocketType::from_name(name.as_bytes()).unwrap();
            assert_eq!(Any::new(socket_type).unwrap().socket_type(), socket_type);
        }
        assert!(matches!(Any::new(SocketType::Stream), Some(Any::Stream(_))));
        assert!(Any::new(SocketType::Server).is_none());
    }
}
