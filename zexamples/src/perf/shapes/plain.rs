//! The least that clients and a server can do: blocking sockets, one epoll, no library.
//!
//! What this reaches is what the machine allows. A request has as many bytes as a message of ZMTP with
//! the same body has on the wire; its first byte says whether it is the last one of its client.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::{Shape, Tally, expect, ready_then_go, stopped};
use crate::{Parent, Result};

const REQUEST: u8 = 0;
const GOODBYE: u8 = 1;

impl Shape {
    /// A request with the header that ZMTP would give it.
    fn plain_request(&self) -> Vec<u8> {
        let header = if self.size < 256 { 2 } else { 9 };
        vec![REQUEST; self.size as usize + header]
    }
}

pub(super) fn serve(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    match endpoint.split_once("://") {
        Some(("tcp", address)) => {
            let listener = TcpListener::bind(address.replace('*', "0"))?;
            parent.say("bound", &format!("tcp://{}", listener.local_addr()?))?;
            serve_streams(shape, parent, || {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                Ok(stream)
            })
        }
        Some(("ipc", path)) => {
            let listener = UnixListener::bind(path)?;
            parent.say("bound", endpoint)?;
            serve_streams(shape, parent, || Ok(listener.accept()?.0))
        }
        _ => Err(unknown(endpoint)),
    }
}

pub(super) fn ask(shape: Shape, endpoint: &str, parent: &Parent) -> Result<()> {
    match endpoint.split_once("://") {
        Some(("tcp", address)) => {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            ask_stream(shape, parent, stream)
        }
        Some(("ipc", path)) => ask_stream(shape, parent, UnixStream::connect(path)?),
        _ => Err(unknown(endpoint)),
    }
}

fn unknown(endpoint: &str) -> crate::Error {
    format!("no plain sockets for {endpoint}").into()
}

/// A client's stream, and how much of its present request is there.
struct Peer<S> {
    stream: S,
    request: Vec<u8>,
    filled: usize,
}

fn serve_streams<S: Read + Write + AsFd>(
    shape: Shape,
    parent: &Parent,
    accept: impl Fn() -> Result<S>,
) -> Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    let mut peers = Vec::new();
    for number in 0..shape.peers {
        let stream = accept()?;
        epoll::add(
            &epoll,
            &stream,
            EventData::new_u64(number.into()),
            EventFlags::IN,
        )?;
        peers.push(Peer {
            stream,
            request: shape.plain_request(),
            filled: 0,
        });
    }
    parent.say("ready", "")?;
    let mut tally = Tally::new(shape.count);
    let mut events = Vec::with_capacity(64);
    while tally.goodbyes < shape.peers {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let peer = &mut peers[event.data.u64() as usize];
            match peer.stream.read(&mut peer.request[peer.filled..])? {
                0 => return Err("a client has left without a goodbye".into()),
                read => peer.filled += read,
            }
            if peer.filled == peer.request.len() {
                peer.filled = 0;
                peer.stream.write_all(&peer.request)?;
                let goodbye = peer.request[0] == GOODBYE;
                if goodbye {
                    epoll::delete(&epoll, &peer.stream)?;
                }
                tally.count(goodbye, parent)?;
            }
        }
    }
    tally.finish(parent)?;
    expect(parent, "close")
}

fn ask_stream(shape: Shape, parent: &Parent, mut stream: impl Read + Write) -> Result<()> {
    ready_then_go(parent)?;
    let mut request = shape.plain_request();
    let mut asked = 0u64;
    while !stopped(parent)? {
        stream.write_all(&request)?;
        stream.read_exact(&mut request)?;
        asked += 1;
    }
    request[0] = GOODBYE;
    stream.write_all(&request)?;
    stream.read_exact(&mut request)?;
    parent.say("sent", &asked.to_string())?;
    expect(parent, "close")
}
