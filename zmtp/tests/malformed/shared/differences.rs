//! Where we do something else than libzmq, and why.

use std::collections::BTreeSet;

use super::Column;
use super::reaction::Aspect::{self, Connection, Delivered, Events, Reply};

/// What stands before the table.
pub(super) const HEAD: &str = "\
# Malformed and unusual input

What happens when a peer sends what it should not, or what is allowed and rare: libzmq 4.3.5 beside `zmtp::Connection`, and beside \
a socket of ours over tcp. The inputs with all their bytes are in `zmtp/tests/vectors/malformed.txt`.

This page is made by tests, which run every input and fail when the page is out of date: `zmtp/tests/malformed` makes the column of the \
connection, `zinterop/tests/malformed.rs` that of the socket. They fail as well when a difference from libzmq has no explanation in the last column, or an \
explanation no difference. `UPDATE_DOCS=1` in the environment makes them write the page.

Where there is a difference, ours is the stricter one, or tells more, or does what an RFC says and libzmq does not. Two inputs are accepted that libzmq \
refuses: messages right behind READY, as RFC 23 has it, and a READY that is larger than a message may be.

How to read it:

- *to* is the socket that gets the input. Inputs called `greeting/…` are the first bytes on a connection, `null-handshake/…` and `plain-handshake/…` \
follow the greetings, `traffic/…` follows the handshake. Before `traffic/…` the peer has introduced itself as a fitting socket, to a ROUTER by the \
identity `6d65`; a REQ waits for a reply.
- *open* means that the connection lives on, *closed* that our end (or libzmq) has closed it.
- Words in capitals are what a monitor is told: of ours, what `Error::protocol_event_code` and `Error::auth_event_code` say. What is in words is the text of \
our error.
- A connection knows no patterns. It delivers messages whole and hands up commands, and what is above it decides what they are worth; for ROUTER the identity is put before \
messages here. REQ and REP over tcp are whole sockets, the other types connections as a pattern gets them, to which no commands are handed up.

| input | to | bytes | libzmq | `zmtp::Connection` | socket over tcp | why we differ |
|---|---|---|---|---|---|---|
";

/// A difference: in which aspects the connection differs from libzmq, in which the socket does, and
/// why that is right.
struct Difference {
    keys: &'static [&'static str],
    connection: &'static [Aspect],
    socket: &'static [Aspect],
    why: &'static str,
}

/// All differences. An input may be in several.
const DIFFERENCES: &[Difference] = &[
    Difference {
        keys: &["greeting/greeting-ready-traffic-in-one-write"],
        connection: &[Connection, Reply, Delivered, Events],
        socket: &[Connection, Reply, Delivered, Events],
        why: "RFC 23 lets a peer send messages right behind its READY. libzmq closes or not, depending on whether its own READY has been \
              written yet; ours takes them whenever they come, because nothing is left to be decided about the peer. Where a ZAP \
              handler decides, they wait unread until it has",
    },
    Difference {
        keys: &["null-handshake/ready-larger-than-maxmsgsize"],
        connection: &[Connection, Events],
        socket: &[Connection, Events],
        why: "the limit is for messages. libzmq applies it to the handshake as well, so that a socket with a small one, or with CURVE, hears \
              nobody; the handshake of ours has a limit of its own",
    },
    Difference {
        keys: &["greeting/http-request"],
        connection: &[Connection],
        socket: &[Connection],
        why: "the second byte of a ZMTP 1.0 peer holds flags, and those of an identity announce no more frames: `GET` is HTTP. libzmq waits for the rest \
              without end",
    },
    Difference {
        keys: &["greeting/sig-last-even"],
        connection: &[Events],
        socket: &[Events],
        why: "libzmq reports no handshake of ZMTP 1.0 and 2.0; ours reports every one. This is one: the bytes are an empty identity in the long form",
    },
    Difference {
        keys: &[
            "null-handshake/identity-256",
            "null-handshake/identity-leading-zero",
        ],
        connection: &[Connection, Events],
        socket: &[Connection, Events],
        why: "no ROUTER could use this identity: those that begin with a zero byte are the ones it makes up, and one that a peer claims beforehand \
              aborts libzmq's process; RFC 37 allows 255 bytes",
    },
    Difference {
        keys: &["null-handshake/lowercase-names"],
        connection: &[Connection, Reply, Events],
        socket: &[Connection, Reply, Events],
        why: "RFC 37 compares property names without regard to case, so this peer is a PUB; libzmq does not see its type, and takes it",
    },
    Difference {
        keys: &[
            "null-handshake/metadata-1-trailing-byte",
            "null-handshake/metadata-3-trailing-bytes",
            "null-handshake/name-truncated",
            "null-handshake/value-len-truncated",
            "null-handshake/value-len-too-big",
            "null-handshake/value-len-ffffffff",
        ],
        connection: &[Events],
        socket: &[Events],
        why: "a monitor is told why; libzmq tells so under PLAIN and CURVE only",
    },
    Difference {
        keys: &[
            "null-handshake/socket-type-lowercase-value",
            "null-handshake/socket-type-incompatible",
            "null-handshake/socket-type-unknown",
            "null-handshake/socket-type-empty",
            "null-handshake/socket-type-duplicate-2nd-bad",
        ],
        connection: &[Reply, Events],
        socket: &[Reply, Events],
        why: "RFC 37 has the peer told by ERROR, and a monitor is told as well; libzmq closes without a word",
    },
    Difference {
        keys: &["traffic/subscribe-to-non-pub"],
        connection: &[Delivered],
        socket: &[Delivered],
        why: "a command is never data: libzmq's ROUTER hands SUBSCRIBE to the application",
    },
    Difference {
        keys: &["traffic/user-message-to-pub"],
        connection: &[Delivered],
        socket: &[Delivered],
        why: "whether messages to a PUB mean anything is for the pattern to say, which neither of ours has here; libzmq's PUB discards this one",
    },
    Difference {
        keys: &["traffic/xpub-cancel-never-subscribed"],
        connection: &[Delivered],
        socket: &[],
        why: "a connection hands commands up; to a publisher's pattern they are messages, as to libzmq's. The pattern ignores this one",
    },
    Difference {
        keys: &["traffic/req-reply-without-delimiter"],
        connection: &[Connection, Delivered],
        socket: &[Connection],
        why: "a connection delivers every message; a REQ discards and counts what is no reply, and waits on. libzmq closes, and never connects again",
    },
    Difference {
        keys: &["traffic/rep-request-without-delimiter"],
        connection: &[Delivered],
        socket: &[],
        why: "a connection delivers every message; a REP discards and counts what is no request, as libzmq does",
    },
];

/// All differences that are explained.
pub(super) fn differences(column: Column) -> BTreeSet<(String, Vec<Aspect>)> {
    let mut all = BTreeSet::new();
    for difference in DIFFERENCES {
        let aspects = match column {
            Column::Connection => difference.connection,
            Column::Socket => difference.socket,
        };
        for key in difference.keys.iter().filter(|_| !aspects.is_empty()) {
            let is_new = all.insert((key.to_string(), aspects.to_vec()));
            assert!(is_new, "{key} is explained twice");
        }
    }
    all
}

/// Why ours differ from libzmq; empty if they do not.
pub(super) fn explain(key: &str) -> &'static str {
    let explained = DIFFERENCES
        .iter()
        .find(|difference| difference.keys.contains(&key));
    explained.map_or("", |difference| difference.why)
}
