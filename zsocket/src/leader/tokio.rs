//! tokio's event loop leads.

use std::{
    pin::Pin,
    task::{Context as TaskContext, Poll, ready},
};

use tokio::io::{Interest, unix::AsyncFd};
use ztransport::Dispatched;

use super::{BUDGET, Leader};
use crate::Error;

/// A task by which a tokio runtime leads: see [`Leader::on_tokio`].
#[derive(Debug)]
#[must_use = "a future leads only as a task: spawn it"]
pub struct TokioDriver {
    leader: AsyncFd<Leader>,
}

impl Leader {
    /// Makes a future that leads by the event loop of this tokio runtime, for as long as it is there. Spawn it. It ends
    /// with the context, and says why; ending its task gives the lead back to the I/O thread.
    ///
    /// It works best on the runtime on which the tasks are. With several worker threads whichever has the event loop leads.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] when the runtime cannot have another descriptor.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, or in one that has no I/O (`enable_io`).
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
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let context = Context::new();
    /// tokio::spawn(context.lead()?.on_tokio()?);
    ///
    /// let mut rep = context.async_socket::<Rep>()?;
    /// let endpoint = rep.bind("tcp://127.0.0.1:*")?;
    /// tokio::spawn(async move {
    ///     let request = rep.recv().await.unwrap();
    ///     rep.send(request).await.unwrap();
    /// });
    ///
    /// let mut req = context.async_socket::<Req>()?;
    /// req.connect(&endpoint)?;
    /// req.send("hello").await?;
    /// assert_eq!(req.recv().await?[0], "hello");
    /// # Ok::<(), Error>(())
    /// # }).unwrap();
    /// ```
    #[allow(
        deprecated,
        reason = "what tokio has instead is `unsafe`, for those whose descriptor may change: a leader keeps its own"
    )]
    pub fn on_tokio(self) -> Result<TokioDriver, Error> {
        let leader = AsyncFd::with_interest(self, Interest::READABLE)?;
        Ok(TokioDriver { leader })
    }
}

impl TokioDriver {
    /// What it drives.
    #[must_use]
    pub fn leader(&self) -> &Leader {
        self.leader.get_ref()
    }
}

impl Future for TokioDriver {
    type Output = Error;

    fn poll(self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<Error> {
        loop {
            let mut readable = match ready!(self.leader.poll_read_ready(cx)) {
                Ok(readable) => readable,
                Err(error) => return Poll::Ready(error.into()),
            };
            match readable.get_inner().dispatch(BUDGET) {
                // What is reported since the runtime told of it counts anew.
                Ok(Dispatched::Idle) => readable.clear_ready(),
                Ok(Dispatched::More) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Err(error) => return Poll::Ready(error),
            }
        }
    }
}
