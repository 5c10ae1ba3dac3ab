//! STREAM, and a ROUTER that is raw: every byte, in order, between the notices of its connection.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use fastrand::Rng;
use zexamples::{Result, Transport};
use zsocket::{Blocked, CanReceive, CanSend, Error, Frame, Message, Router, Socket, Stream};

use super::kit::{Explain, Part, Quiet, Scene, WAIT, glance, part};
use crate::sender::pause;
use crate::stage::lock;
use crate::troubles::PlainStream;

/// Bytes before a client waits for what it has sent to come back.
const WINDOW: usize = 16 << 10;
/// How many bytes say whose stream it is.
const HEAD: usize = 4;

struct Set<'s> {
    scene: &'s Scene,
    place: String,
    /// Whether the server ends connections.
    closes: bool,
    next: AtomicU32,
    clients: AtomicUsize,
    /// What clients have sent that left when all was sent.
    complete: Mutex<HashMap<u32, u64>>,
}

pub(super) fn play(scene: &Scene, rng: &mut Rng) -> Result<()> {
    let transport = match scene.transport {
        Transport::Inproc => Transport::Tcp,
        other => other,
    };
    let mut set = Set {
        scene,
        place: String::new(),
        closes: rng.bool(),
        next: AtomicU32::new(0),
        clients: AtomicUsize::new(0),
        complete: Mutex::default(),
    };
    let place = scene.place_over(transport);
    let raw_router = rng.u32(..3) == 0;
    let own = Rng::with_seed(rng.u64(..));
    let played = if raw_router {
        let server = scene.socket::<Router>(rng)?;
        server.set_router_raw(true)?;
        // Otherwise what finds no room is dropped.
        server.set_mandatory(true)?;
        set.place = scene.bind(&server, &place)?;
        set.run(rng, move |set| set.serve(&server, own))
    } else {
        let server = scene.socket::<Stream>(rng)?;
        set.place = scene.bind(&server, &place)?;
        set.run(rng, move |set| set.serve(&server, own))
    };
    played.map_err(|error| {
        let closes = set.closes;
        format!("{transport}, raw ROUTER: {raw_router}, the server closes: {closes}: {error}")
            .into()
    })
}

impl Set<'_> {
    fn run(&self, rng: &mut Rng, serve: impl FnOnce(&Self) -> Result<()> + Send) -> Result<()> {
        let clients = rng.usize(1..=4);
        self.clients.store(clients, Ordering::Release);
        let mut parts: Vec<Part<'_>> = vec![part("server", move || serve(self))];
        for number in 0..clients {
            let mut rng = Rng::with_seed(rng.u64(..));
            parts.push(part(format!("client {number}"), move || {
                while !self.scene.over() {
                    if rng.bool() {
                        self.talk_plainly(&mut rng)?;
                    } else {
                        self.talk(&mut rng)?;
                    }
                    self.scene.came_back();
                    self.scene.pause(&mut rng, Duration::from_millis(30));
                }
                self.clients.fetch_sub(1, Ordering::AcqRel);
                Ok(())
            }));
        }
        self.scene.play(parts)
    }

    /// Sends everything back, until all clients have gone and their connections have ended.
    fn serve<P: CanSend + CanReceive>(&self, server: &Socket<P>, mut rng: Rng) -> Result<()> {
        let mut open: HashMap<Frame, Incoming> = HashMap::new();
        let mut quiet = Quiet::now();
        loop {
            let Some(message) = glance(server)? else {
                let all_gone = self.clients.load(Ordering::Acquire) == 0;
                if self.scene.failed() || all_gone && open.is_empty() {
                    return Ok(());
                }
                if quiet.too_long() {
                    return Err(Error::WouldBlock(Blocked::TimeOut))
                        .explain(&format!("{} connections do not end", open.len()), server);
                }
                continue;
            };
            quiet = Quiet::now();
            let [id, bytes] = &Vec::from(message)[..] else {
                return Err("a message that is not of two frames".into());
            };
            if bytes.is_empty() {
                if let Some(incoming) = open.remove(id) {
                    self.check_end(&incoming)?;
                } else {
                    open.insert(id.clone(), Incoming::default());
                }
                continue;
            }
            let incoming = open
                .get_mut(id)
                .ok_or_else(|| format!("{} bytes from {id:?}, which is not there", bytes.len()))?;
            incoming.take_in(bytes)?;
            pause(&mut rng);
            match server
                .send(Message::from([id.clone(), bytes.clone()]))
                .map_err(Error::from)
            {
                // It has left, which will be heard.
                Ok(()) | Err(Error::Unroutable) => {}
                Err(error) => return Err(error).explain("sending back", server),
            }
            if self.closes && rng.u32(..100) == 0 {
                match server
                    .send(Message::from([id.clone(), Frame::new()]))
                    .map_err(Error::from)
                {
                    // Of this end nothing is heard.
                    Ok(()) => drop(open.remove(id)),
                    // It has ended by itself, which will be heard.
                    Err(Error::Unroutable) => {}
                    Err(error) => return Err(error).explain("closing a connection", server),
                }
            }
        }
    }

    fn check_end(&self, incoming: &Incoming) -> Result<()> {
        let complete = lock(&self.complete);
        let Some((number, sent)) = incoming.number.and_then(|n| Some((n, *complete.get(&n)?)))
        else {
            return Ok(());
        };
        if sent == incoming.bytes {
            return Ok(());
        }
        let bytes = incoming.bytes;
        Err(format!("{bytes} of {sent} bytes of stream {number} came before its end").into())
    }

    /// A client of the standard library.
    fn talk_plainly(&self, rng: &mut Rng) -> Result<()> {
        let mut stream = {
            // Before anything takes the descriptors away.
            let _enough = self.scene.stage.enough_descriptors();
            PlainStream::connect(&self.place)?
        };
        stream.set_timeout(WAIT)?;
        let mut outgoing = Outgoing::begin(self, rng);
        let hasty = rng.u32(..4) == 0;
        let mut echo = Echo::default();
        while let Some(chunk) = outgoing.chunk(self, rng) {
            if let Err(error) = stream.write_all(&chunk) {
                return self.may_end(&error);
            }
            let mut missing = if hasty { 0 } else { chunk.len() };
            let mut buffer = vec![0; missing.min(8192)];
            while missing > 0 {
                let room = missing.min(buffer.len());
                match stream.read(&mut buffer[..room]) {
                    Ok(0) if self.closes => return Ok(()),
                    Ok(0) => return Err("the server has closed a connection".into()),
                    Ok(count) => {
                        echo.take_in(&outgoing, &buffer[..count])?;
                        missing -= count;
                    }
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    Err(error) => return self.may_end(&error),
                }
            }
            if hasty && outgoing.sent > WINDOW {
                break;
            }
        }
        if outgoing.is_complete || hasty {
            lock(&self.complete).insert(outgoing.number, outgoing.sent as u64);
            stream.end();
            // What comes back until then; a reset would overtake what was sent.
            let mut rest = Vec::new();
            if let Err(error) = stream.read_to_end(&mut rest) {
                return self.may_end(&error);
            }
        }
        Ok(())
    }

    /// A connection that the server closes may end with a reset.
    fn may_end(&self, error: &io::Error) -> Result<()> {
        let ended = matches!(
            error.kind(),
            ErrorKind::BrokenPipe | ErrorKind::ConnectionReset
        );
        if self.closes && ended {
            return Ok(());
        }
        Err(format!("a plain client: {error}").into())
    }

    /// A client that is a STREAM.
    fn talk(&self, rng: &mut Rng) -> Result<()> {
        let client = self.scene.socket::<Stream>(rng)?;
        if self.closes {
            // What is queued would be sent on the next connection, where it would be a beginning without a head.
            client.set_reconnect_interval(None)?;
        }
        // It gives up when the first attempt fails.
        let enough = self.scene.stage.enough_descriptors();
        self.scene.connect(&client, &[&self.place])?;
        let id = client.connected_id()?.ok_or("a connection without id")?;
        let mut outgoing = Outgoing::begin(self, rng);
        let mut echo = Echo::default();
        let hello = client
            .recv()
            .explain("waiting for the connection", &client)?;
        if hello.len() != 2 || hello[0] != id || !hello[1].is_empty() {
            return Err(format!("this is no notice: {hello:?}").into());
        }
        drop(enough);
        while let Some(chunk) = outgoing.chunk(self, rng) {
            let mut missing = chunk.len();
            match client.send([&id[..], &chunk]).map_err(Error::from) {
                Err(Error::Unroutable) if self.closes => return Ok(()),
                sent => sent.explain("sending", &client)?,
            }
            while missing > 0 {
                let message = client.recv().explain("waiting for the echo", &client)?;
                if message.len() != 2 || message[0] != id {
                    return Err(format!("this is no echo: {message:?}").into());
                }
                if message[1].is_empty() {
                    return if self.closes {
                        Ok(())
                    } else {
                        Err("the server has closed a connection".into())
                    };
                }
                echo.take_in(&outgoing, &message[1])?;
                missing = missing
                    .checked_sub(message[1].len())
                    .ok_or("more comes back than was sent")?;
            }
        }
        if outgoing.is_complete {
            lock(&self.complete).insert(outgoing.number, outgoing.sent as u64);
        }
        if rng.bool() {
            // With an empty message or without.
            match client.send([&id[..], b""]).map_err(Error::from) {
                Err(Error::Unroutable) if self.closes => {}
                sent => sent.explain("closing", &client)?,
            }
        }
        Ok(())
    }
}

/// What a byte is at its place in its stream.
fn byte(number: u32, at: usize) -> u8 {
    let mixed = (at as u64 ^ u64::from(number) << 40).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    (mixed >> 56) as u8
}

fn expected(number: u32, at: usize) -> u8 {
    match number.to_le_bytes().get(at) {
        Some(&byte) => byte,
        None => byte(number, at),
    }
}

/// What comes from one client.
#[derive(Debug, Default)]
struct Incoming {
    head: Vec<u8>,
    number: Option<u32>,
    bytes: u64,
}

impl Incoming {
    fn take_in(&mut self, mut bytes: &[u8]) -> Result<()> {
        while self.number.is_none()
            && let Some((first, rest)) = bytes.split_first()
        {
            self.head.push(*first);
            self.bytes += 1;
            bytes = rest;
            if let Ok(head) = <[u8; HEAD]>::try_from(&self.head[..]) {
                self.number = Some(u32::from_le_bytes(head));
            }
        }
        let Some(number) = self.number else {
            return Ok(());
        };
        for (&is, at) in bytes.iter().zip(self.bytes as usize..) {
            if is != byte(number, at) {
                return Err(format!("byte {at} of stream {number} is not what was sent").into());
            }
        }
        self.bytes += bytes.len() as u64;
        Ok(())
    }
}

/// What a client sends.
struct Outgoing {
    number: u32,
    sent: usize,
    limit: usize,
    is_complete: bool,
}

impl Outgoing {
    fn begin(set: &Set<'_>, rng: &mut Rng) -> Self {
        Self {
            number: set.next.fetch_add(1, Ordering::Relaxed),
            sent: 0,
            limit: rng.usize(HEAD..1 << 20),
            is_complete: false,
        }
    }

    /// The next bytes. None when all are sent, or when the client leaves in the midst of it.
    fn chunk(&mut self, set: &Set<'_>, rng: &mut Rng) -> Option<Vec<u8>> {
        if self.sent == self.limit {
            self.is_complete = true;
            return None;
        }
        if set.scene.over() || rng.u32(..500) == 0 {
            return None;
        }
        let most = if rng.bool() { WINDOW } else { 100 };
        let end = self.limit.min(self.sent + rng.usize(1..=most));
        let chunk = (self.sent..end)
            .map(|at| expected(self.number, at))
            .collect();
        self.sent = end;
        set.scene.messages.fetch_add(1, Ordering::Relaxed);
        Some(chunk)
    }
}

/// What comes back.
#[derive(Default)]
struct Echo(usize);

impl Echo {
    fn take_in(&mut self, outgoing: &Outgoing, bytes: &[u8]) -> Result<()> {
        for &is in bytes {
            if is != expected(outgoing.number, self.0) {
                let (number, at) = (outgoing.number, self.0);
                return Err(format!("byte {at} of stream {number} came back as another").into());
            }
            self.0 += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(number: u32, range: std::ops::Range<usize>) -> Vec<u8> {
        range.map(|at| expected(number, at)).collect()
    }

    #[test]
    fn a_stream_is_recognised_however_it_is_cut() {
        for cut in [1, 2, 4, 5, 100] {
            let mut incoming = Incoming::default();
            for start in (0..1000).step_by(cut) {
                let chunk = bytes(7, start..1000.min(start + cut));
                incoming.take_in(&chunk).unwrap();
            }
            assert_eq!((incoming.number, incoming.bytes), (Some(7), 1000));
        }
    }

    #[test]
    fn a_byte_too_few_or_of_another_stream_is_noticed() {
        let mut incoming = Incoming::default();
        incoming.take_in(&bytes(7, 0..500)).unwrap();
        assert!(incoming.take_in(&bytes(7, 501..600)).is_err());
        let mut incoming = Incoming::default();
        incoming.take_in(&bytes(7, 0..500)).unwrap();
        assert!(incoming.take_in(&bytes(8, 500..600)).is_err());
    }
}
