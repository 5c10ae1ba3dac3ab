//! Workers and servers: the parts of the tour that run in a thread or in a process of their own.

use std::convert::Infallible;
use std::time::Duration;

use zexamples::{Child, Parent, Result};
use zsocket::{Context, Error, Message, Pair, Pull, Push, Rep, Socket};

use crate::body::Body;

/// Passes messages on to the sink, each one signed, until the context is shut down.
pub(crate) fn work(context: &Context, id: u32, sink: &str, sources: &[String]) -> Result<()> {
    until_terminated(|| {
        let push = context.socket::<Push>()?;
        push.connect(sink)?;
        let pull = context.socket::<Pull>()?;
        for source in sources {
            pull.connect(source.as_str())?;
        }
        loop {
            let mut message = pull.recv()?;
            sign(&mut message, id)?;
            push.send(message).map_err(Error::from)?;
        }
    })
}

/// Answers requests with what they said, signed, until the context is shut down.
pub(crate) fn serve(rep: &Socket<Rep>, id: u32) -> Result<()> {
    until_terminated(|| {
        loop {
            let mut message = rep.recv()?;
            sign(&mut message, id)?;
            rep.send(message).map_err(Error::from)?;
        }
    })
}

/// The same for a PAIR.
pub(crate) fn echo(pair: &Socket<Pair>, id: u32) -> Result<()> {
    until_terminated(|| {
        loop {
            let mut message = pair.recv()?;
            sign(&mut message, id)?;
            pair.send(message).map_err(Error::from)?;
        }
    })
}

fn sign(message: &mut Message, id: u32) -> Result<()> {
    Body::sign(
        message
            .frames_mut()
            .first_mut()
            .ok_or("a message without frames")?,
        id,
    )
}

/// The end of the context is how these roles are meant to end. A worker may meet it anywhere, even
/// before it has a socket: the others can do all the work while the system still starts it.
pub(crate) fn until_terminated(role: impl FnOnce() -> Result<Infallible>) -> Result<()> {
    match role() {
        Ok(never) => match never {},
        Err(error) if matches!(error.downcast_ref(), Some(Error::Terminated)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// [`work`] as a process, until the parent lets go of it.
pub(crate) fn worker_process(id: u32, sink: &str, sources: &[String]) -> Result<()> {
    let context = Context::new();
    let _parent = shut_down_with_parent(&context)?;
    work(&context, id, sink, sources)
}

/// Starts a [`worker_process`].
pub(crate) fn spawn_worker(
    id: u32,
    sink: &str,
    sources: &[String],
    limit: Duration,
) -> Result<Child> {
    let id = id.to_string();
    let mut args = vec!["work", &id, sink];
    args.extend(sources.iter().map(String::as_str));
    Child::spawn_self(args, limit)
}

/// [`serve`] as a process, until the parent lets go of it.
pub(crate) fn server_process(id: u32, endpoint: &str) -> Result<()> {
    let context = Context::new();
    let parent = shut_down_with_parent(&context)?;
    let rep = context.socket::<Rep>()?;
    parent.say("listening", &rep.bind(endpoint)?.to_string())?;
    serve(&rep, id)
}

/// Starts a [`server_process`] and returns it with its endpoint.
pub(crate) fn spawn_server(id: u32, endpoint: &str, limit: Duration) -> Result<(Child, String)> {
    let child = Child::spawn_self(["serve", &id.to_string(), endpoint], limit)?;
    let endpoint = child.answer("listening")?;
    Ok((child, endpoint))
}

fn shut_down_with_parent(context: &Context) -> Result<Parent> {
    let context = context.clone();
    Parent::listen(move || context.shutdown())
}
