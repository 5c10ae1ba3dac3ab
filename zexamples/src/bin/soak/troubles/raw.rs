//! ZMTP 3.1 by hand, as far as a hostile peer needs it.

use std::io::{self, Read, Write};

use super::stream::Stream;

pub(crate) const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// The bytes of a greeting.
pub(crate) const GREETING: usize = 64;

/// A greeting for the mechanism NULL.
pub(crate) fn greeting() -> [u8; GREETING] {
    let mut greeting = [0; GREETING];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[11] = 1;
    greeting[12..16].copy_from_slice(b"NULL");
    greeting
}

/// A frame with a body.
pub(crate) fn frame(flags: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = header(flags, body.len() as u64);
    frame.extend(body);
    frame
}

/// The header of a frame whose body has `size` bytes.
pub(crate) fn header(flags: u8, size: u64) -> Vec<u8> {
    match u8::try_from(size) {
        Ok(short) => vec![flags, short],
        Err(_) => {
            let mut header = vec![flags | LONG];
            header.extend(size.to_be_bytes());
            header
        }
    }
}

/// A command with its data.
pub(crate) fn command(name: &str, data: &[u8]) -> Vec<u8> {
    let mut body = vec![name.len() as u8];
    body.extend(name.as_bytes());
    body.extend(data);
    frame(COMMAND, &body)
}

/// The command READY of a socket of this type.
pub(crate) fn ready(socket_type: &str) -> Vec<u8> {
    const NAME: &[u8] = b"Socket-Type";
    let mut property = vec![NAME.len() as u8];
    property.extend(NAME);
    property.extend((socket_type.len() as u32).to_be_bytes());
    property.extend(socket_type.as_bytes());
    command("READY", &property)
}

/// Shakes hands as a peer of this type, from either end.
pub(crate) fn shake_hands(stream: &mut Stream, socket_type: &str) -> io::Result<()> {
    stream.write_all(&greeting())?;
    stream.write_all(&ready(socket_type))?;
    stream.read_exact(&mut [0; GREETING])?;
    read_frame(stream).map(drop)
}

/// Reads one frame: its flags and its body.
pub(crate) fn read_frame(stream: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut flags = [0];
    stream.read_exact(&mut flags)?;
    let size = if flags[0] & LONG == 0 {
        let mut size = [0];
        stream.read_exact(&mut size)?;
        u64::from(size[0])
    } else {
        let mut size = [0; 8];
        stream.read_exact(&mut size)?;
        u64::from_be_bytes(size)
    };
    let mut body = vec![0; size as usize];
    stream.read_exact(&mut body)?;
    Ok((flags[0], body))
}

/// Counts the whole messages in what one end of a connection sends.
#[derive(Debug, Default)]
pub(crate) struct MessageCounter {
    messages: u64,
    state: State,
}

#[derive(Debug)]
enum State {
    /// So many bytes of the greeting are yet to come.
    Greeting(usize),
    /// The bytes of a header that are there.
    Header(Vec<u8>),
    /// A body of which so many bytes are yet to come; whether it ends a message.
    Body(u64, bool),
}

impl Default for State {
    fn default() -> Self {
        Self::Greeting(GREETING)
    }
}

impl MessageCounter {
    pub(crate) fn messages(&self) -> u64 {
        self.messages
    }

    pub(crate) fn take(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.state {
                State::Greeting(left) => {
                    let taken = bytes.len().min(*left);
                    bytes = &bytes[taken..];
                    *left -= taken;
                    if *left == 0 {
                        self.state = State::Header(Vec::new());
                    }
                }
                State::Header(header) => {
                    header.push(bytes[0]);
                    bytes = &bytes[1..];
                    let long = header[0] & LONG != 0;
                    if header.len() == if long { 9 } else { 2 } {
                        let size = header[1..]
                            .iter()
                            .fold(0, |size, &byte| size << 8 | u64::from(byte));
                        let ends = header[0] & (MORE | COMMAND) == 0;
                        self.begin_body(size, ends);
                    }
                }
                State::Body(left, ends) => {
                    let taken = (*left).min(bytes.len() as u64);
                    bytes = &bytes[taken as usize..];
                    let (left, ends) = (*left - taken, *ends);
                    self.begin_body(left, ends);
                }
            }
        }
    }

    fn begin_body(&mut self, left: u64, ends: bool) {
        if left > 0 {
            self.state = State::Body(left, ends);
            return;
        }
        self.messages += u64::from(ends);
        self.state = State::Header(Vec::new());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_messages_are_counted_however_they_are_cut() {
        let mut sent = greeting().to_vec();
        sent.extend(ready("PUSH"));
        sent.extend(frame(0, b""));
        sent.extend(frame(MORE, b"two"));
        sent.extend(frame(0, &[7; 300]));
        sent.extend(command("PING", &[0, 0]));
        sent.extend(frame(0, b"three"));
        for step in [1, 2, 7, sent.len()] {
            let mut counter = MessageCounter::default();
            sent.chunks(step).for_each(|bytes| counter.take(bytes));
            assert_eq!(counter.messages(), 3);
        }
        let mut counter = MessageCounter::default();
        counter.take(&sent[..sent.len() - 1]);
        assert_eq!(counter.messages(), 2);
    }

    #[test]
    fn frames_are_read_as_they_are_written() {
        for size in [0, 5, 255, 256, 70_000] {
            let body = vec![3; size];
            let bytes = frame(0, &body);
            let (flags, read) = read_frame(&mut &bytes[..]).unwrap();
            assert_eq!((flags & MORE, read), (0, body));
        }
    }
}
