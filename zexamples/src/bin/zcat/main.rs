//! Talks to any ØMQ socket from the command line: standard input and output, by line.
//!
//! ```console
//! $ zcat rep -b tcp://*:5555 World                     # answers each request, and prints it
//! $ zcat req -c tcp://localhost:5555 Hello             # asks, and prints the reply
//! World
//! $ tail -f log | zcat pub -b tcp://*:5556             # publishes lines
//! $ zcat sub -c tcp://localhost:5556 -s ERROR          # prints those that begin with ERROR
//! $ zcat pull -b ipc:///tmp/tasks --stats > tasks      # counts and rates on standard error
//! $ zcat router -b tcp://*:5557                        # frames with ids, in quotes, both ways
//! "\x00k\x8bEg" "" "Hello"
//! $ zcat proxy xsub:tcp://*:5556 xpub:tcp://*:5557 --stats   # between publishers and subscribers
//! $ zcat monitor pull -c tcp://localhost:5557          # what happens to the connection
//! $ zcat curve-keygen                                  # a pair of keys for CURVE
//! $ zcat curve-keygen ada.cert                         # the same in files, as czmq keeps them
//! ```
//!
//! `zcat --help` and `zcat COMMAND --help` tell the rest. The exit status is 0 if all is well, 1 if nothing was received
//! in time, and 2 on an error. A reader of the output that has seen enough, as `head` has, ends it with 0.

mod chat;
mod cli;
mod format;
mod input;
mod interrupts;
mod keys;
mod options;
mod output;
mod place;
mod relay;
mod tally;
mod watch;

use std::process::ExitCode;

use clap::Parser;
use zexamples::{Result, conclude};
use zsocket::SocketType;

use chat::{Chat, Role};
use cli::{Cli, Command, Place, Talk};
use format::Codec;

fn main() -> ExitCode {
    conclude("zcat", run(Cli::parse().command))
}

/// Whether all is well, and not too little received in time.
fn run(command: Command) -> Result<bool> {
    match command {
        Command::Req(talk) => exchange(SocketType::Req, &talk, &[], false),
        Command::Rep(answer) => exchange(SocketType::Rep, &answer.talk, &[], answer.echo),
        Command::Push(talk) => exchange(SocketType::Push, &talk, &[], false),
        Command::Pub(talk) => exchange(SocketType::Pub, &talk, &[], false),
        Command::Dealer(talk) => exchange(SocketType::Dealer, &talk, &[], false),
        Command::Router(talk) => exchange(SocketType::Router, &talk, &[], false),
        Command::Pair(talk) => exchange(SocketType::Pair, &talk, &[], false),
        Command::Xpub(talk) => exchange(SocketType::XPub, &talk, &[], false),
        Command::Stream(talk) => exchange(SocketType::Stream, &talk, &[], false),
        Command::Xsub(talk) => exchange(SocketType::XSub, &talk.talk, &talk.subscribe, false),
        Command::Pull(listen) => exchange(SocketType::Pull, &listen.into(), &[], false),
        Command::Sub(listen) => {
            let mut topics = listen.subscribe;
            if topics.is_empty() {
                topics.push(String::new());
            }
            exchange(SocketType::Sub, &listen.listen.into(), &topics, false)
        }
        Command::Monitor(watch) => listed(watch.socket_type, &watch.place, || watch::watch(&watch)),
        Command::Proxy(relay) => relay::relay(&relay),
        Command::CurveKeygen(keygen) => keys::generate(&keygen),
    }
}

/// Lists the options of a type, if that is all that is asked for; otherwise works.
fn listed(kind: SocketType, place: &Place, work: impl FnOnce() -> Result<bool>) -> Result<bool> {
    if place.list_options {
        options::list(kind);
        return Ok(true);
    }
    work()
}

fn exchange(kind: SocketType, talk: &Talk, topics: &[String], echo: bool) -> Result<bool> {
    listed(kind, &talk.place, || {
        let codec = Codec::new(talk.wire.format(kind), talk.wire.separator.as_deref())?;
        let role = Role::of(kind, echo);
        let messages = talk
            .messages
            .iter()
            .map(|text| codec.read(text.as_bytes()))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| format!("the message on the command line: {error}"))?;

        let context = zsocket::Context::new();
        let socket = context.dynamic(kind)?;
        place::attach(&socket, &talk.place, topics)?;
        let end = Chat::new(&socket, role, talk, &codec).run(messages);
        let is_well = place::close(socket, &talk.place, end)?;
        context.term()?;
        Ok(is_well)
    })
}
