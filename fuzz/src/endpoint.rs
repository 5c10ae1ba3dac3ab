//! One end of a connection, over a stream or over WebSocket.

use std::time::Instant;

use bytes::Bytes;
use zmtp::{Command, Connection, Error, Event, Message, Peer, zap, zws};

/// What both kinds of connections can do.
#[expect(missing_docs, reason = "as the methods of the same names")]
#[expect(
    clippy::missing_errors_doc,
    reason = "as the methods of the same names"
)]
pub trait Endpoint {
    fn handle_input(&mut self, input: &[u8], now: Instant) -> Result<usize, Error>;
    fn wants_input(&self) -> bool;
    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error>;
    fn handle_zap(&mut self, answer: zap::Answer, now: Instant) -> Result<(), Error>;
    fn poll_timeout(&self) -> Option<Instant>;
    fn poll_event(&mut self) -> Option<Event>;
    fn poll_transmit(&mut self) -> Option<Bytes>;
    fn send(&mut self, message: Message) -> Result<(), Error>;
    fn send_command(&mut self, command: Command<'_>) -> Result<(), Error>;
    fn subscribe(&mut self, topic: &[u8]) -> Result<(), Error>;
    fn cancel(&mut self, topic: &[u8]) -> Result<(), Error>;
    fn take_unsent(&mut self) -> Vec<Message>;
    fn peer(&self) -> Option<&Peer>;
    fn error(&self) -> Option<&Error>;
}

macro_rules! implement {
    ($kind:ty) => {
        impl Endpoint for $kind {
            fn handle_input(&mut self, input: &[u8], now: Instant) -> Result<usize, Error> {
                self.handle_input(input, now)
            }

            fn wants_input(&self) -> bool {
                self.wants_input()
            }

            fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
                self.handle_timeout(now)
            }

            fn handle_zap(&mut self, answer: zap::Answer, now: Instant) -> Result<(), Error> {
                self.handle_zap(answer, now)
            }

            fn poll_timeout(&self) -> Option<Instant> {
                self.poll_timeout()
            }

            fn poll_event(&mut self) -> Option<Event> {
                self.poll_event()
            }

            fn poll_transmit(&mut self) -> Option<Bytes> {
                self.poll_transmit()
            }

            fn send(&mut self, message: Message) -> Result<(), Error> {
                self.send(message).map_err(Into::into)
            }

            fn send_command(&mut self, command: Command<'_>) -> Result<(), Error> {
                self.send_command(command)
            }

            fn subscribe(&mut self, topic: &[u8]) -> Result<(), Error> {
                self.subscribe(topic.to_vec())
            }

            fn cancel(&mut self, topic: &[u8]) -> Result<(), Error> {
                self.cancel(topic.to_vec())
            }

            fn take_unsent(&mut self) -> Vec<Message> {
                self.take_unsent()
            }

            fn peer(&self) -> Option<&Peer> {
                self.peer()
            }

            fn error(&self) -> Option<&Error> {
                self.error()
            }
        }
    };
}

implement!(Connection);
implement!(zws::Connection);
