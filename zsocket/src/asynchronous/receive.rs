//! Receiving, with the whole socket or its half.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context as TaskContext, Poll, ready},
};

use futures_core::{FusedStream, Stream};
use zmtp::Message;
use zpipe::deferred;

use super::{
    AsyncReceiver, AsyncSocket,
    calls::{Call, try_recv},
};
use crate::{CanReceive, Error, PeerId, core::Then};

macro_rules! receives {
    ($receiver:ident) => {
        /// Receiving.
        impl<P: CanReceive> $receiver<P> {
            /// Receives a message, waiting for one.
            ///
            /// # Cancel safety
            ///
            /// Safe: the future holds no message. One that is dropped before it is ready has received nothing.
            ///
            /// # Errors
            ///
            /// As for [`Socket::recv`](crate::Socket::recv), except that it never gives up.
            pub async fn recv(&mut self) -> Result<Message, Error> {
                let mut message = Message::new();
                self.recv_into(&mut message).await?;
                Ok(message)
            }

            /// Like [`recv`](Self::recv), into a message whose buffers are used again: a loop that receives messages of similar
            /// sizes this way does not allocate. After an error the content of `message` is unspecified.
            ///
            /// # Cancel safety
            ///
            /// Safe: one that is dropped before it is ready has received nothing, and the content of `message` is unspecified.
            ///
            /// # Errors
            ///
            /// As for [`recv`](Self::recv).
            pub async fn recv_into(&mut self, message: &mut Message) -> Result<(), Error> {
                let mut call = Call {
                    lender: &mut self.socket,
                    half: &mut self.receiving,
                };
                poll_fn(|cx| {
                    let (lender, receiving) = call.parts();
                    receiving.poll_into(lender, cx, message)
                })
                .await
            }

            /// Like [`recv`](Self::recv), and says which peer the message came from: see
            /// [`Socket::recv_from`](crate::Socket::recv_from).
            ///
            /// # Cancel safety
            ///
            /// As for [`recv`](Self::recv).
            ///
            /// # Errors
            ///
            /// As for [`recv`](Self::recv).
            pub async fn recv_from(&mut self) -> Result<(Message, PeerId), Error> {
                let mut message = Message::new();
                let mut call = Call {
                    lender: &mut self.socket,
                    half: &mut self.receiving,
                };
                let received = poll_fn(|cx| {
                    let (lender, receiving) = call.parts();
                    receiving.poll_from(lender, cx, &mut message)
                });
                let from = received.await?;
                Ok((message, from))
            }

            /// Receives a message, or has the task woken when there is one: the last task that has asked. Its waker is kept until
            /// then, or until the next call that receives.
            ///
            /// # Errors
            ///
            /// As for [`recv`](Self::recv).
            pub fn poll_recv(&mut self, cx: &mut TaskContext<'_>) -> Poll<Result<Message, Error>> {
                let mut message = Message::new();
                ready!(self.poll_recv_into(cx, &mut message))?;
                Poll::Ready(Ok(message))
            }

            /// Like [`poll_recv`](Self::poll_recv), into a message whose buffers are used again.
            ///
            /// # Errors
            ///
            /// As for [`recv`](Self::recv).
            pub fn poll_recv_into(
                &mut self,
                cx: &mut TaskContext<'_>,
                message: &mut Message,
            ) -> Poll<Result<(), Error>> {
                self.receiving.poll_into(&self.socket, cx, message)
            }

            /// Receives a message if there is one now: see [`Socket::try_recv`](crate::Socket::try_recv).
            ///
            /// # Errors
            ///
            /// As for [`Socket::recv`](crate::Socket::recv).
            pub fn try_recv(&mut self) -> Result<Message, Error> {
                let mut message = Message::new();
                self.try_recv_into(&mut message)?;
                Ok(message)
            }

            /// Like [`try_recv`](Self::try_recv), into a message whose buffers are used again.
            ///
            /// # Errors
            ///
            /// As for [`try_recv`](Self::try_recv).
            pub fn try_recv_into(&mut self, message: &mut Message) -> Result<(), Error> {
                deferred::drop_bodies(message);
                try_recv(&self.socket, |core| core.try_recv(message, Then::Return))
            }

            /// Like [`try_recv`](Self::try_recv), and says which peer the message came from.
            ///
            /// # Errors
            ///
            /// As for [`try_recv`](Self::try_recv).
            pub fn try_recv_from(&mut self) -> Result<(Message, PeerId), Error> {
                let mut message = Message::new();
                let from = try_recv(&self.socket, |core| {
                    core.try_recv_from(&mut message, Then::Return)
                })?;
                Ok((message, from))
            }
        }

        /// The messages, as they come. An error that lasts, as [`Error::Terminated`], is the last item; others are items like
        /// messages.
        impl<P: CanReceive> Stream for $receiver<P> {
            type Item = Result<Message, Error>;

            fn poll_next(
                self: Pin<&mut Self>,
                cx: &mut TaskContext<'_>,
            ) -> Poll<Option<Self::Item>> {
                let this = self.get_mut();
                this.receiving.poll_next(&this.socket, cx)
            }
        }

        impl<P: CanReceive> FusedStream for $receiver<P> {
            fn is_terminated(&self) -> bool {
                self.receiving.is_over
            }
        }
    };
}

receives!(AsyncSocket);
receives!(AsyncReceiver);
