//! The other end made of a protocol machine and a stream of the standard library.

use std::{
    io::{ErrorKind, Read, Write},
    net::TcpStream,
    time::Instant,
};

use zmtp::{Connection, Error, Event as Protocol, HandshakeConfig, MechanismConfig, SocketType};

use super::{PATIENCE, SOON};

/// A scripted end: a protocol machine on a stream of the standard library.
pub(crate) struct Scripted {
    pub(crate) stream: TcpStream,
    pub(crate) machine: Connection,
}

impl Scripted {
    pub(crate) fn new(stream: TcpStream, mechanism: MechanismConfig) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        let config = HandshakeConfig::new(SocketType::Dealer).with_mechanism(mechanism);
        let machine = Connection::new(config, Instant::now());
        Self { stream, machine }
    }

    pub(crate) fn transmit(&mut self) {
        while let Some(bytes) = self.machine.poll_transmit() {
            self.stream.write_all(&bytes).unwrap();
        }
    }

    pub(crate) fn step(&mut self) -> Result<(), Error> {
        self.transmit();
        let mut buffer = [0; 4096];
        let read = self.stream.read(&mut buffer).unwrap();
        assert_ne!(read, 0, "closed");
        let used = self.machine.handle_input(&buffer[..read], Instant::now());
        self.transmit();
        used.map(|used| assert_eq!(used, read, "more events than may wait"))
    }

    pub(crate) fn event(&mut self, wanted: impl Fn(&Protocol) -> bool) -> Protocol {
        loop {
            match self.machine.poll_event() {
                Some(event) if wanted(&event) => return event,
                Some(_) => {}
                None => self.step().unwrap(),
            }
        }
    }
}

impl Scripted {
    /// As [`step`](Self::step), if anything comes within a moment.
    pub(crate) fn step_or_wait(&mut self) {
        self.transmit();
        self.stream.set_read_timeout(Some(SOON)).unwrap();
        let mut buffer = [0; 4096];
        match self.stream.read(&mut buffer) {
            Ok(0) => panic!("closed"),
            Ok(read) => {
                let input = &buffer[..read];
                let used = self.machine.handle_input(input, Instant::now()).unwrap();
                assert_eq!(used, read, "more events than may wait");
            }
            Err(error) => assert_eq!(error.kind(), ErrorKind::WouldBlock),
        }
        self.stream.set_read_timeout(Some(PATIENCE)).unwrap();
        self.transmit();
    }
}

pub(crate) fn tcp(endpoint: &ztransport::Endpoint) -> TcpStream {
    let stream = TcpStream::connect(endpoint.to_string().replace("tcp://", "")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}
