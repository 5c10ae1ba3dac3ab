//! Where the socket is: set up, bound, connected, and closed.

use std::time::Duration;

use zexamples::Result;
use zsocket::{Dynamic, Socket};

use crate::chat::End;
use crate::cli::Place;

/// How long what is queued is sent after an interrupt.
const GRACE: Duration = Duration::from_secs(1);

/// Sets the socket up, and binds and connects it, as the command line says.
pub(crate) fn attach(socket: &Socket<Dynamic>, place: &Place, topics: &[String]) -> Result<()> {
    if place.bind.is_empty() && place.connect.is_empty() {
        return Err(
            "the socket is nowhere: add --bind ENDPOINT or --connect ENDPOINT, such as -c tcp://localhost:5555".into(),
        );
    }
    for (name, value) in &place.option {
        let set = socket.set_option(name.as_str(), value.as_str());
        set.map_err(|error| {
            let kind = socket.socket_type().name().to_ascii_lowercase();
            format!("--option {name}={value}: {error}; `zcat {kind} --list-options` tells those that there are")
        })?;
    }
    for topic in topics {
        let subscribed = socket.subscribe(topic);
        subscribed.map_err(|error| format!("--subscribe {topic}: {error}"))?;
    }
    for endpoint in &place.bind {
        let bound = socket.bind(endpoint.as_str());
        let bound = bound.map_err(|error| format!("--bind {endpoint}: {error}"))?;
        if !place.quiet {
            eprintln!("zcat: listening on {bound}");
        }
    }
    for endpoint in &place.connect {
        let connected = socket.connect(endpoint.as_str());
        connected.map_err(|error| format!("--connect {endpoint}: {error}"))?;
    }
    Ok(())
}

/// What the socket itself finds wrong, and what helps, for messages about time that is over.
pub(crate) fn diagnosis(socket: &Socket<Dynamic>) -> String {
    let findings = socket.diagnose();
    let told = findings.iter().map(|finding| format!("; {finding}"));
    told.collect()
}

/// Closes the socket when what it has queued is sent. Says whether all is well.
pub(crate) fn close(socket: Socket<Dynamic>, place: &Place, end: Result<End>) -> Result<bool> {
    let is_hurried = !matches!(end, Ok(End::Complete));
    let limits = [socket.linger(), place.timeout, is_hurried.then_some(GRACE)];
    let limit = limits.into_iter().flatten().min();
    let report = socket.close_and_wait(limit.unwrap_or(Duration::MAX));
    let end = end?;
    let lost = report.discarded() + report.endpoints.iter().map(|at| at.pending).sum::<u64>();
    if lost > 0 && matches!(end, End::Complete | End::Interrupted) {
        return Err(format!(
            "{lost} messages were not sent: {report}: start a peer that takes them, or give it more time with --timeout"
        )
        .into());
    }
    Ok(end != End::Missing)
}
