//! Sending, with the whole socket or its half.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context as TaskContext, Poll, ready},
};

use futures_sink::Sink;
use zmtp::Message;
use zpipe::deferred;

use super::{AsyncSender, AsyncSocket, calls::Call};
use crate::{
    CanRoute, CanSend, Error, IntoMessage, PeerId, SendError,
    core::{Core, Then},
};

macro_rules! sends {
    ($sender:ident) => {
        /// Sending.
        impl<P: CanSend> $sender<P> {
            /// Sends a message, waiting for room.
            ///
            /// # Cancel safety
            ///
            /// A future that is dropped has either sent the message as a whole, which it has if it was ready, or drops it unsent. To
            /// keep the message, use [`poll_send`](Self::poll_send).
            ///
            /// # Errors
            ///
            /// As for [`Socket::send`](crate::Socket::send), except that it never gives up.
            pub async fn send<M: IntoMessage>(&mut self, message: M) -> Result<(), SendError> {
                if self.sending.send_body(&self.socket, &message) {
                    return Ok(());
                }
                let mut message = message.into_message();
                let mut call = Call {
                    lender: &mut self.socket,
                    half: &mut self.sending,
                };
                let sent = poll_fn(|cx| {
                    let (lender, sending) = call.parts();
                    sending.poll_send(lender, cx, &mut message)
                });
                sent.await.map_err(|error| SendError { error, message })
            }

            /// Sends a message, or has the task woken when there is room: the last task that has asked. Its waker is kept until then,
            /// or until the next call that sends.
            ///
            /// The message stays where it is until it is sent: while this is not ready, and after an error, `message` is as it was.
            /// When it is sent, `message` is empty. So each poll may be the last one, or come with another message.
            ///
            /// # Errors
            ///
            /// As for [`send`](Self::send).
            ///
            /// # Examples
            ///
            /// ```
            /// use std::{future::poll_fn, task::{Context, Waker}};
            /// use zsocket::{Message, Pair};
            ///
            /// let context = zsocket::Context::new();
            /// let mut pair = context.async_socket::<Pair>()?;
            /// let mut message = Message::from("hello");
            /// // There is nobody.
            /// let mut nobody = Context::from_waker(Waker::noop());
            /// assert!(pair.poll_send(&mut nobody, &mut message).is_pending());
            /// assert_eq!(message[0], "hello");
            ///
            /// pair.bind("inproc://pair")?;
            /// let mut other = context.async_socket::<Pair>()?;
            /// other.connect("inproc://pair")?;
            /// # smol::block_on(async {
            /// poll_fn(|cx| pair.poll_send(cx, &mut message)).await?;
            /// assert!(message.is_empty());
            /// assert_eq!(other.recv().await?[0], "hello");
            /// # Ok::<(), zsocket::Error>(())
            /// # })?;
            /// # Ok::<(), zsocket::Error>(())
            /// ```
            pub fn poll_send(
                &mut self,
                cx: &mut TaskContext<'_>,
                message: &mut Message,
            ) -> Poll<Result<(), Error>> {
                ready!(self.sending.poll_send(&self.socket, cx, message))?;
                deferred::drop_bodies(message);
                message.clear();
                Poll::Ready(Ok(()))
            }

            /// Sends a message if there is room now.
            ///
            /// # Errors
            ///
            /// As for [`Socket::try_send`](crate::Socket::try_send).
            pub fn try_send<M: IntoMessage>(&mut self, message: M) -> Result<(), SendError> {
                let message = message.into_message();
                self.sending
                    .try_send(&self.socket, message, Then::Return, Core::try_send)
            }
        }

        /// Sending to a peer by its id: see [`Socket::send_to`](crate::Socket::send_to).
        impl<P: CanRoute + CanSend> $sender<P> {
            /// Sends a message to this peer, without a routing id in front, waiting for room.
            ///
            /// # Cancel safety
            ///
            /// As for [`send`](Self::send).
            ///
            /// # Errors
            ///
            /// As for [`Socket::send_to`](crate::Socket::send_to), except that it never gives up.
            pub async fn send_to<M: IntoMessage>(
                &mut self,
                peer: PeerId,
                message: M,
            ) -> Result<(), SendError> {
                let mut message = message.into_message();
                let mut call = Call {
                    lender: &mut self.socket,
                    half: &mut self.sending,
                };
                let sent = poll_fn(|cx| {
                    let (lender, sending) = call.parts();
                    sending.poll_send_to(lender, cx, peer, &mut message)
                });
                sent.await.map_err(|error| SendError { error, message })
            }

            /// Like [`send_to`](Self::send_to), if there is room now.
            ///
            /// # Errors
            ///
            /// As for [`Socket::try_send_to`](crate::Socket::try_send_to).
            pub fn try_send_to<M: IntoMessage>(
                &mut self,
                peer: PeerId,
                message: M,
            ) -> Result<(), SendError> {
                let message = message.into_message();
                let attempt = |core: &mut Core<P::State>, message: &mut Message, then| {
                    core.check_routes()?;
                    core.try_send_to(peer, message, then)
                };
                self.sending
                    .try_send(&self.socket, message, Then::Return, attempt)
            }
        }

        /// A message that has no room when it is accepted waits here, so that at most one is accepted and not sent. It is sent with
        /// the next call that sends, and flushing waits for that. An error, with the message, is that of the message just
        /// accepted or of the one that has waited. Closing flushes, and leaves the socket open.
        impl<P: CanSend> Sink<Message> for $sender<P> {
            type Error = SendError;

            fn poll_ready(
                self: Pin<&mut Self>,
                cx: &mut TaskContext<'_>,
            ) -> Poll<Result<(), SendError>> {
                let this = self.get_mut();
                this.sending.poll_flush(&this.socket, cx)
            }

            fn start_send(self: Pin<&mut Self>, message: Message) -> Result<(), SendError> {
                let this = self.get_mut();
                this.sending.start_send(&this.socket, message)
            }

            fn poll_flush(
                self: Pin<&mut Self>,
                cx: &mut TaskContext<'_>,
            ) -> Poll<Result<(), SendError>> {
                self.poll_ready(cx)
            }

            fn poll_close(
                self: Pin<&mut Self>,
                cx: &mut TaskContext<'_>,
            ) -> Poll<Result<(), SendError>> {
                self.poll_ready(cx)
            }
        }
    };
}

sends!(AsyncSocket);
sends!(AsyncSender);
