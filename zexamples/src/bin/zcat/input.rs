//! Where messages to be sent come from.

use std::io::{self, BufRead};
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::thread;

use zexamples::Result;
use zpoll::PollWaker;
use zsocket::Message;

use crate::format::Codec;

/// Lines that are read ahead.
const AHEAD: usize = 1024;

/// A source of messages.
pub(crate) enum Input {
    /// Those of the command line.
    Given {
        messages: Vec<Message>,
        next: usize,
        /// Whether they begin again at the end.
        repeats: bool,
    },
    /// Lines of standard input, which a thread reads: a read cannot be waited for together with a socket if standard input
    /// is a file, and cannot be interrupted.
    Lines {
        lines: Receiver<io::Result<Vec<u8>>>,
        codec: Codec,
        number: u64,
    },
    /// None at all.
    Nothing,
}

/// What a source has now.
pub(crate) enum Next {
    Message(Message),
    NotYet,
    End,
}

impl Input {
    pub(crate) fn given(messages: Vec<Message>, repeats: bool) -> Self {
        Self::Given {
            messages,
            next: 0,
            repeats,
        }
    }

    /// Reads standard input, and wakes whoever waits for it.
    pub(crate) fn lines(codec: Codec, waker: PollWaker) -> Result<Self> {
        let (sender, lines) = mpsc::sync_channel(AHEAD);
        thread::Builder::new()
            .name(String::from("standard input"))
            .spawn(move || {
                let mut stdin = io::stdin().lock();
                loop {
                    let mut line = Vec::new();
                    let read = match stdin.read_until(b'\n', &mut line) {
                        Ok(0) => break,
                        Ok(_) => Ok(line),
                        Err(error) => Err(error),
                    };
                    let is_over = read.is_err();
                    if sender.send(read).is_err() || is_over {
                        break;
                    }
                    waker.wake();
                }
                // First the end, then the wake that tells of it.
                drop(sender);
                waker.wake();
            })?;
        Ok(Self::Lines {
            lines,
            codec,
            number: 0,
        })
    }

    /// The next message, if it is there.
    pub(crate) fn next(&mut self) -> Result<Next> {
        match self {
            Self::Nothing => Ok(Next::End),
            Self::Given {
                messages,
                next,
                repeats,
            } => {
                if *repeats && *next == messages.len() {
                    *next = 0;
                }
                let message = messages.get(*next).cloned();
                *next += 1;
                Ok(message.map_or(Next::End, Next::Message))
            }
            Self::Lines {
                lines,
                codec,
                number,
            } => {
                let line = match lines.try_recv() {
                    Ok(line) => line,
                    Err(TryRecvError::Empty) => return Ok(Next::NotYet),
                    Err(TryRecvError::Disconnected) => return Ok(Next::End),
                };
                read(line, codec, number).map(Next::Message)
            }
        }
    }

    /// The next message, when it comes. `None` at the end.
    pub(crate) fn wait(&mut self) -> Result<Option<Message>> {
        if let Self::Lines {
            lines,
            codec,
            number,
        } = self
        {
            let line = lines.recv().ok();
            return line.map(|line| read(line, codec, number)).transpose();
        }
        Ok(match self.next()? {
            Next::Message(message) => Some(message),
            Next::NotYet | Next::End => None,
        })
    }
}

fn read(line: io::Result<Vec<u8>>, codec: &Codec, number: &mut u64) -> Result<Message> {
    let mut line = line.map_err(|error| format!("standard input cannot be read: {error}"))?;
    *number += 1;
    if line.last() == Some(&b'\n') {
        line.pop();
    }
    codec
        .read(&line)
        .map_err(|error| format!("line {number} of standard input: {error}").into())
}
