//! The executors that people use.

use std::{future::Future, pin::Pin};

use crate::support::PATIENCE;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Executor {
    Tokio,
    TokioOnOneThread,
    Smol,
}

/// What a spawned task comes to.
pub(crate) type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Executor {
    pub(crate) const ALL: [Self; 3] = [Self::Tokio, Self::TokioOnOneThread, Self::Smol];

    /// Runs a future, but not for ever.
    pub(crate) fn run<T>(self, future: impl Future<Output = T>) -> T {
        let mut builder = match self {
            Self::Tokio => tokio::runtime::Builder::new_multi_thread(),
            Self::TokioOnOneThread => tokio::runtime::Builder::new_current_thread(),
            Self::Smol => {
                let timeout = async {
                    smol::Timer::after(PATIENCE).await;
                    panic!("nothing happens")
                };
                return smol::block_on(smol::future::or(future, timeout));
            }
        };
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let in_time = async { tokio::time::timeout(PATIENCE, future).await };
        runtime.block_on(in_time).expect("nothing happens")
    }

    /// Spawns a task inside [`run`](Self::run).
    pub(crate) fn spawn<T: Send + 'static>(
        self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Task<T> {
        match self {
            Self::Tokio | Self::TokioOnOneThread => {
                let task = tokio::spawn(future);
                Box::pin(async { task.await.unwrap() })
            }
            Self::Smol => {
                // Dropping its handle would end the task.
                let (ends, end) = smol::channel::bounded(1);
                smol::spawn(async move { drop(ends.send(future.await).await) }).detach();
                Box::pin(async move { end.recv().await.expect("the task has panicked") })
            }
        }
    }
}
