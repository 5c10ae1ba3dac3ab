//! async-io's event loop leads.

use std::{
    pin::Pin,
    task::{Context as TaskContext, Poll, ready},
};

use async_io::Async;
use ztransport::Dispatched;

use super::{BUDGET, Leader};
use crate::Error;

/// A task by which async-io's event loop leads: see [`Leader::on_async_io`].
#[derive(Debug)]
#[must_use = "a future leads only as a task: spawn it"]
pub struct AsyncIoDriver {
    leader: Async<Leader>,
    /// It was told that there is something, and there still may be.
    is_readable: bool,
}

impl Leader {
    /// Makes a future that leads by the event loop of async-io, which smol and async-std use, for as long as it is there. Spawn it. It
    /// ends with the context, and says why; ending its task gives the lead back to the I/O thread.
    ///
    /// async-io has a thread of its own that waits when no thread is in `block_on`: then there is a hop from that thread to the
    /// executor's.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the event loop cannot have another descriptor.
    ///
    /// # Cancel safety
    ///
    /// Safe: what has not been handled the I/O thread handles.
    ///
    /// # Examples
    ///
    /// ```
    /// use zsocket::{Context, Error, Rep, Req};
    ///
    /// # smol::block_on(async {
    /// let context = Context::new();
    /// smol::spawn(context.lead()?.on_async_io()?).detach();
    ///
    /// let mut rep = context.async_socket::<Rep>()?;
    /// let endpoint = rep.bind("tcp://127.0.0.1:*")?;
    /// let server = smol::spawn(async move {
    ///     let request = rep.recv().await?;
    ///     rep.send(request).await.map_err(Error::from)
    /// });
    ///
    /// let mut req = context.async_socket::<Req>()?;
    /// req.connect(&endpoint)?;
    /// req.send("hello").await?;
    /// assert_eq!(req.recv().await?[0], "hello");
    /// server.await?;
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    pub fn on_async_io(self) -> Result<AsyncIoDriver, Error> {
        Ok(AsyncIoDriver {
            leader: Async::new_nonblocking(self)?,
            is_readable: false,
        })
    }
}

impl AsyncIoDriver {
    /// What it drives.
    #[must_use]
    pub fn leader(&self) -> &Leader {
        self.leader.get_ref()
    }
}

impl Future for AsyncIoDriver {
    type Output = Error;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Error> {
        let this = self.get_mut();
        loop {
            if !this.is_readable
                && let Err(error) = ready!(this.leader.poll_readable(cx))
            {
                return Poll::Ready(error.into());
            }
            this.is_readable = false;
            match this.leader.get_ref().dispatch(BUDGET) {
                // The event loop looks itself whether the descriptor is readable when it is asked again.
                Ok(Dispatched::Idle) => {}
                Ok(Dispatched::More) => {
                    this.is_readable = true;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(error),
            }
        }
    }
}
