//! The command line, and what it teaches.

use std::{path::PathBuf, time::Duration};

use clap::{Args, Parser, Subcommand};
use zsocket::SocketType;

use crate::format::Format;

/// Talks to any ØMQ socket: standard input and output, by line
///
/// Each line of standard input is a message, and each message received is a line of standard output. Messages to send may be
/// given on the command line instead.
#[derive(Parser)]
#[command(name = "zcat", version, after_help = EXAMPLES, after_long_help = LONG_EXAMPLES)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  zcat rep -b tcp://*:5555 World                    answer each request with World, and print it
  zcat req -c tcp://localhost:5555 Hello            ask, and print the reply
  tail -f log | zcat pub -b tcp://*:5556            publish lines
  zcat sub -c tcp://localhost:5556 -s ERROR         print what begins with ERROR
  zcat proxy xsub:tcp://*:5556 xpub:tcp://*:5557    forward from publishers to subscribers
  zcat pull -b tcp://*:5557 -n 10 --timeout 5s      ten messages, none later than 5 s after the one before

`zcat COMMAND --help` tells more.";

const LONG_EXAMPLES: &str = "\
Examples:
  A server and a client:
      zcat rep -b tcp://*:5555 World
      zcat req -c tcp://localhost:5555 Hello

  A log that anybody may follow, and somebody who does:
      tail -f log | zcat pub -b tcp://*:5556
      zcat sub -c tcp://localhost:5556 -s ERROR

  A publisher that waits for two subscribers, so that both have everything:
      seq 1000 | zcat pub -b tcp://*:5556 --wait-peers 2

  Work for three, and how fast it goes:
      zcat push -b tcp://*:5557 --wait-peers 3 --stats < tasks
      zcat pull -c tcp://localhost:5557

  Messages of several frames, here by hand to a ROUTER and its clients, in quotes or hexadecimal:
      zcat dealer -c tcp://localhost:5558 --format quoted '\"\" \"Hello\"'
      zcat push -c tcp://localhost:5559 --format hex '00ff 68656c6c6f -'

  A forwarder between two networks, and a broker between clients and workers, with rates:
      zcat proxy xsub:connect:tcp://192.168.55.210:5556 xpub:tcp://10.1.1.0:8100
      zcat proxy router:tcp://*:5559 dealer:tcp://*:5560 --stats

  What happens to a connection that does not work:
      zcat monitor dealer -c tcp://localhost:5558

  Any option of zlayers or libzmq, and which there are:
      zcat push -c tcp://localhost:5559 -o send_hwm=10 -o ZMQ_LINGER=0 hello
      zcat push --list-options

Exit status:
  0  all is well; also if the reader of the output has seen enough, as `head` has
  1  nothing was received in time (--timeout), or less than was asked for (--count)
  2  an error, which is told on standard error";

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Sends requests, one after the other, and prints the replies
    #[command(after_help = "\
Examples:
  zcat req -c tcp://localhost:5555 Hello
  zcat req -c tcp://localhost:5555 --timeout 2s < questions > answers")]
    Req(Talk),
    /// Prints requests, and answers them
    ///
    /// The answer to each is the message on the command line (of several, one after the other), or the next line of
    /// standard input, or with --echo the request.
    #[command(after_help = "\
Examples:
  zcat rep -b tcp://*:5555 World
  zcat rep -b tcp://*:5555 --echo -n 1
  zcat rep -b tcp://*:5555 < answers")]
    Rep(Answer),
    /// Sends each message to one of its PULL peers
    #[command(after_help = "\
Examples:
  zcat push -c tcp://localhost:5557 hello
  zcat push -b tcp://*:5557 --wait-peers 3 --stats < tasks")]
    Push(Talk),
    /// Receives from PUSH peers
    #[command(after_help = "\
Examples:
  zcat pull -b tcp://*:5557 > results
  zcat pull -c tcp://localhost:5557 -n 1 --timeout 5s || echo nothing came")]
    Pull(Listen),
    /// Publishes to all who have subscribed
    ///
    /// What is published before a subscription has come goes to nobody. With --wait-peers it waits until so many have
    /// subscribed to the first message.
    #[command(after_help = "\
Examples:
  tail -f log | zcat pub -b tcp://*:5556
  zcat pub -b tcp://*:5556 --wait-peers 1 'weather.zurich 21'")]
    Pub(Talk),
    /// Subscribes, by default to everything
    #[command(after_help = "\
Examples:
  zcat sub -c tcp://localhost:5556 -s weather. -s news.
  zcat sub -c tcp://localhost:5556 --stats > /dev/null")]
    Sub(Subscribe),
    /// Sends and receives at once, to each peer in turn
    ///
    /// It receives until --count or --timeout ends it, also when it has nothing more to send; and with --count it sends what is
    /// left to be sent before it ends. This is so for all types that do both. A REP peer wants an empty frame
    /// before each request.
    #[command(after_help = "\
Examples:
  zcat dealer -c tcp://localhost:5555 --format quoted -n 1 '\"\" \"Hello\"'")]
    Dealer(Talk),
    /// Sends and receives at once, to the peer that the first frame names
    #[command(after_help = "\
Examples:
  zcat router -b tcp://*:5558                        prints   \"\\x00k\\x8bEg\" \"\" \"Hello\"
                                                     and takes the same")]
    Router(Talk),
    /// Sends to and receives from one peer
    #[command(after_help = "\
Examples:
  zcat pair -b ipc:///tmp/chat                       here
  zcat pair -c ipc:///tmp/chat                       and there")]
    Pair(Talk),
    /// Publishes, and prints subscriptions: \x01 or \x00 and the topic
    Xpub(Talk),
    /// Prints what is published, and subscribes by sending \x01 or \x00 and the topic
    #[command(after_help = "\
Examples:
  zcat xsub -c tcp://localhost:5556 -s news.
  zcat xsub -c tcp://localhost:5556 '\"\\x01news.\"'")]
    Xsub(Tune),
    /// Talks to programs that do not speak ZMTP: id and bytes
    #[command(after_help = "\
Examples:
  zcat stream -b tcp://*:8080                        open http://localhost:8080/ in a browser")]
    Stream(Talk),
    /// Prints what happens to the connections of a socket
    ///
    /// The socket is a peer like any other, which reads nothing. A PULL is given work and keeps it; a SUB that has not
    /// subscribed is given nothing.
    #[command(after_help = "\
Examples:
  zcat monitor sub -c tcp://localhost:5556
  zcat monitor rep -b tcp://*:5555 -n 3 --timeout 10s")]
    Monitor(Watch),
    /// Forwards between two sockets, in both directions, until it is interrupted
    ///
    /// Each side is a type and an endpoint: TYPE:ENDPOINT or TYPE:bind:ENDPOINT to listen there, TYPE:connect:ENDPOINT to connect to it.
    /// Which types: xsub and xpub for updates, router and dealer for requests, pull and push for tasks, pair and pair for
    /// two programs, stream for those that do not speak ZMTP. A sub has subscribed to everything.
    #[command(after_help = "\
Examples:
  zcat proxy xsub:tcp://*:5556 xpub:tcp://*:5557 --stats
  zcat proxy router:tcp://*:5559 dealer:tcp://*:5560 --capture pub:ipc:///tmp/seen
  zcat proxy xsub:connect:tcp://192.168.55.210:5556 xpub:tcp://10.1.1.0:8100
  zcat proxy pull:tcp://*:5557 push:ipc:///tmp/tasks --control rep:ipc:///tmp/control
  zcat req -c ipc:///tmp/control PAUSE               also RESUME, STATISTICS, TERMINATE")]
    Proxy(Relay),
    /// Makes a fresh pair of keys for CURVE, and prints it in Z85 or writes it to files
    #[command(after_help = "\
Examples:
  zcat curve-keygen                          prints both keys
  zcat curve-keygen ada.cert -m name=Ada     writes ada.cert, for others, and ada.cert_secret, for Ada alone")]
    CurveKeygen(Keygen),
}

/// Where keys go.
#[derive(Args)]
pub(crate) struct Keygen {
    /// Write the public key to this file, and both to one beside it whose name ends in _secret
    pub(crate) path: Option<PathBuf>,

    /// Say this in the files; may be given several times
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = read_metadata, requires = "path")]
    pub(crate) metadata: Vec<(String, String)>,

    /// Write over files that are there: their keys are lost
    #[arg(long, requires = "path")]
    pub(crate) replace: bool,
}

fn read_metadata(text: &str) -> Result<(String, String), &'static str> {
    let (name, value) = text.split_once('=').ok_or("it has no =")?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Where the socket is, and how it is set up.
#[derive(Args)]
pub(crate) struct Place {
    /// Listen at this endpoint; may be given several times
    #[arg(short, long, value_name = "ENDPOINT")]
    pub(crate) bind: Vec<String>,

    /// Connect to this endpoint; may be given several times
    #[arg(short, long, value_name = "ENDPOINT")]
    pub(crate) connect: Vec<String>,

    /// Set an option before, by its name here or in libzmq; may be given several times
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) option: Vec<(String, String)>,

    /// List the options that the socket has, and end
    #[arg(long)]
    pub(crate) list_options: bool,

    /// Give up when nothing was received, or sent, for so long: 250ms, 5s, 2m
    #[arg(short, long, value_name = "TIME", value_parser = time)]
    pub(crate) timeout: Option<Duration>,

    /// Wait for so many peers first
    #[arg(
        short,
        long,
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true
    )]
    pub(crate) wait_peers: usize,

    /// Do not tell where the socket listens
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// How messages are written, and how many there are.
#[derive(Args)]
pub(crate) struct Wire {
    /// How frames are written [default: text; quoted for router, stream, xpub and xsub]
    #[arg(short, long, value_enum)]
    format: Option<Format>,

    /// What stands between frames in the format text [default: a tab]; may be \t, \0 or \x1f
    #[arg(long, value_name = "TEXT")]
    pub(crate) separator: Option<String>,

    /// End after so many messages: received, or sent if the socket only sends
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) count: Option<u64>,

    /// Tell counts and rates on standard error, each second and at the end
    #[arg(long)]
    pub(crate) stats: bool,
}

impl Wire {
    /// Ids and subscriptions are no text.
    pub(crate) fn format(&self, kind: SocketType) -> Format {
        use SocketType::{Router, Stream, XPub, XSub};
        let default = match kind {
            Router | Stream | XPub | XSub => Format::Quoted,
            _ => Format::Text,
        };
        self.format.unwrap_or(default)
    }
}

#[derive(Args)]
pub(crate) struct Talk {
    #[command(flatten)]
    pub(crate) place: Place,
    #[command(flatten)]
    pub(crate) wire: Wire,
    /// Messages to send, in the place of standard input
    #[arg(value_name = "MESSAGE")]
    pub(crate) messages: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Answer {
    #[command(flatten)]
    pub(crate) talk: Talk,
    /// Answer with the request
    #[arg(long, conflicts_with = "messages")]
    pub(crate) echo: bool,
}

#[derive(Args)]
pub(crate) struct Listen {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    wire: Wire,
}

impl From<Listen> for Talk {
    fn from(Listen { place, wire }: Listen) -> Self {
        let messages = Vec::new();
        Self {
            place,
            wire,
            messages,
        }
    }
}

#[derive(Args)]
pub(crate) struct Subscribe {
    #[command(flatten)]
    pub(crate) listen: Listen,
    /// Subscribe to messages that begin so; may be given several times [default: everything]
    #[arg(short, long, value_name = "TOPIC")]
    pub(crate) subscribe: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Tune {
    #[command(flatten)]
    pub(crate) talk: Talk,
    /// Subscribe to messages that begin so; may be given several times
    #[arg(short, long, value_name = "TOPIC")]
    pub(crate) subscribe: Vec<String>,
}

#[derive(Args)]
pub(crate) struct Watch {
    /// The type of the socket: req, rep, push, …
    #[arg(value_name = "TYPE", value_parser = socket_type)]
    pub(crate) socket_type: SocketType,
    #[command(flatten)]
    pub(crate) place: Place,
    /// End after so many events
    #[arg(short = 'n', long, value_name = "N")]
    pub(crate) count: Option<u64>,
}

#[derive(Args)]
pub(crate) struct Relay {
    /// The one side, such as xsub:tcp://*:5556
    #[arg(value_name = "FRONTEND", value_parser = side)]
    pub(crate) frontend: Side,
    /// The other side, such as xpub:tcp://*:5557 or xpub:connect:tcp://server:5557
    #[arg(value_name = "BACKEND", value_parser = side)]
    pub(crate) backend: Side,
    /// Give a copy of each message to this socket too: a pub or push
    #[arg(long, value_name = "TYPE:ENDPOINT", value_parser = side)]
    pub(crate) capture: Option<Side>,
    /// Obey the commands that come in here: a rep, pair or sub
    #[arg(long, value_name = "TYPE:ENDPOINT", value_parser = side)]
    pub(crate) control: Option<Side>,
    /// Set an option of the frontend, by its name here or in libzmq; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) frontend_option: Vec<(String, String)>,
    /// Set an option of the backend; may be given several times
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) backend_option: Vec<(String, String)>,
    /// Tell counts and rates of both directions on standard error, each second and at the end
    #[arg(long)]
    pub(crate) stats: bool,
    /// Do not tell where the sockets listen
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// A socket of a proxy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) socket_type: SocketType,
    pub(crate) connects: bool,
    pub(crate) endpoint: String,
}

fn side(text: &str) -> Result<Side, String> {
    const FORM: &str =
        "write a socket as TYPE:ENDPOINT or TYPE:connect:ENDPOINT, such as xsub:tcp://*:5556";
    let (kind, place) = text.split_once(':').ok_or(FORM)?;
    let (connects, endpoint) = match place.split_once(':') {
        Some(("connect", endpoint)) => (true, endpoint),
        Some(("bind", endpoint)) => (false, endpoint),
        _ => (false, place),
    };
    if !endpoint.contains("://") {
        return Err(FORM.to_owned());
    }
    Ok(Side {
        socket_type: socket_type(kind)?,
        connects,
        endpoint: endpoint.to_owned(),
    })
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text
        .split_once('=')
        .ok_or("write the option and its value as NAME=VALUE, such as linger=0")?;
    Ok((name.to_owned(), value.to_owned()))
}

fn time(text: &str) -> Result<Duration, String> {
    let expected = || String::from("expected a number and a unit: 250ms, 5s, 2m or 1h");
    let unit_at = text
        .find(|c: char| c.is_ascii_alphabetic())
        .ok_or_else(expected)?;
    let (number, unit) = text.split_at(unit_at);
    let seconds = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return Err(expected()),
    };
    let number: f64 = number.parse().map_err(|_| expected())?;
    Duration::try_from_secs_f64(number * seconds).map_err(|_| expected())
}

fn socket_type(text: &str) -> Result<SocketType, String> {
    use SocketType::{Dealer, Pair, Pub, Pull, Push, Rep, Req, Router, Stream, Sub, XPub, XSub};
    let types = [
        Req, Rep, Push, Pull, Pub, Sub, Dealer, Router, Pair, XPub, XSub, Stream,
    ];
    let of_name = |kind: &&SocketType| kind.name().eq_ignore_ascii_case(text);
    types.iter().find(of_name).copied().ok_or_else(|| {
        let names = types.map(|kind| kind.name().to_ascii_lowercase());
        format!("expected one of {}", names.join(", "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn sides_of_a_proxy_bind_unless_they_connect() {
        let side_of = |socket_type, connects, endpoint: &str| {
            Ok(Side {
                socket_type,
                connects,
                endpoint: endpoint.to_owned(),
            })
        };
        let tcp = "tcp://*:5556";
        assert_eq!(
            side("xsub:tcp://*:5556"),
            side_of(SocketType::XSub, false, tcp)
        );
        assert_eq!(
            side("PUB:bind:tcp://*:5556"),
            side_of(SocketType::Pub, false, tcp)
        );
        assert_eq!(
            side("pull:connect:ipc://a"),
            side_of(SocketType::Pull, true, "ipc://a")
        );
        for wrong in ["xsub", "tcp://*:5556", "xsub:5556", "pipe:tcp://*:1", ""] {
            assert!(side(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(time("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(time("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["", "5", "s", "-1s", "5 days", "1e400s", "NaNs"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
    }
}
