//! Peers that mean no good, at the sockets that are at work.

use std::io::{self, Read, Write};
use std::thread;
use std::time::{Duration, Instant};

use fastrand::Rng;
use zexamples::Result;

use super::Target;
use super::raw::{MORE, command, frame, greeting, header, shake_hands};
use super::stream::{Stream, timed_out};
use crate::stage::Stage;
use crate::wire::LIMIT;

/// Hostile peers per transport at a time.
pub(super) const PEERS: usize = 2;
/// What a peer waits for until it takes the other end for hung.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a flood lasts.
const FLOOD: Duration = Duration::from_millis(300);

type Attack = fn(&str, &Target, &mut Rng) -> io::Result<()>;

/// The attacks, and how they are called in the log.
const ATTACKS: [(&str, Attack); 11] = [
    ("hostile: garbage", garbage),
    ("hostile: half a greeting", half_greeting),
    ("hostile: half a handshake", half_handshake),
    ("hostile: frame beyond the limit", oversize),
    ("hostile: frame that never ends", slow_frame),
    ("hostile: message without an end", unfinished_message),
    ("hostile: flood of messages", messages),
    ("hostile: flood of non-requests", non_requests),
    ("hostile: flood of PINGs", pings),
    ("hostile: reset", reset),
    ("hostile: silence", silence),
];

/// Attacks again and again, in random order.
pub(super) fn attack(stage: &Stage, target: &Target, mut rng: Rng) -> Result<()> {
    while !stage.stopping() {
        let (name, attack) = ATTACKS[rng.usize(..ATTACKS.len())];
        let pull = &target.pulls[rng.usize(..target.pulls.len())];
        match attack(pull, target, &mut rng) {
            Ok(()) => stage.log.count(name),
            Err(error) if error.kind() == io::ErrorKind::Other => {
                stage.log.violation(&format!("{name}: {error}"));
            }
            // The other end defends itself, or there are no descriptors.
            Err(_) => stage.log.count("hostile: ended by the other end"),
        }
        stage.pause(Duration::from_millis(rng.u64(..100)));
    }
    Ok(())
}

fn open(endpoint: &str) -> io::Result<Stream> {
    let stream = Stream::connect(endpoint)?;
    stream.set_timeout(PATIENCE)?;
    Ok(stream)
}

fn open_as(endpoint: &str, socket_type: &str) -> io::Result<Stream> {
    let mut stream = open(endpoint)?;
    shake_hands(&mut stream, socket_type)?;
    Ok(stream)
}

/// Reads until the other end closes, which it must.
fn expect_end(mut stream: Stream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // A process that is stopped and goes on finds its reads interrupted.
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if timed_out(&error) => {
                return Err(io::Error::other("the connection was not closed"));
            }
            Err(_) => return Ok(()),
        }
    }
}

/// Writes the same bytes as long as a flood lasts, and reads nothing.
fn flood(stream: &mut Stream, bytes: &[u8]) -> io::Result<()> {
    stream.set_timeout(FLOOD)?;
    let start = Instant::now();
    while start.elapsed() < FLOOD {
        match stream.write_all(bytes) {
            Err(error) if timed_out(&error) => break,
            result => result?,
        }
    }
    Ok(())
}

fn garbage(pull: &str, _: &Target, rng: &mut Rng) -> io::Result<()> {
    let mut stream = open(pull)?;
    if rng.bool() {
        stream.write_all(&greeting())?;
    }
    let mut bytes = vec![0; rng.usize(1..64 << 10)];
    rng.fill(&mut bytes);
    // What looks like a very old peer gets further.
    if rng.u32(..4) == 0 {
        bytes[0] = 0xff;
    }
    stream.write_all(&bytes)?;
    stream.end();
    expect_end(stream)
}

fn half_greeting(pull: &str, _: &Target, rng: &mut Rng) -> io::Result<()> {
    let mut stream = open(pull)?;
    stream.write_all(&greeting()[..rng.usize(..64)])?;
    thread::sleep(Duration::from_millis(rng.u64(..200)));
    Ok(())
}

fn half_handshake(pull: &str, _: &Target, rng: &mut Rng) -> io::Result<()> {
    let mut stream = open(pull)?;
    let ready = super::raw::ready("PUSH");
    stream.write_all(&greeting())?;
    stream.write_all(&ready[..rng.usize(..ready.len())])?;
    thread::sleep(Duration::from_millis(rng.u64(..200)));
    Ok(())
}

fn oversize(pull: &str, _: &Target, rng: &mut Rng) -> io::Result<()> {
    let mut stream = open_as(pull, "PUSH")?;
    stream.write_all(&header(0, LIMIT + 1 + rng.u64(..1 << 40)))?;
    expect_end(stream)
}

fn slow_frame(pull: &str, _: &Target, rng: &mut Rng) -> io::Result<()> {
    let mut stream = open_as(pull, "PUSH")?;
    stream.write_all(&header(0, 1 << 20))?;
    for _ in 0..rng.u32(..100) {
        stream.write_all(&[0])?;
        thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn unfinished_message(pull: &str, _: &Target, rng: &mut Rng) -> io::Result<()> {
    let mut stream = open_as(pull, "PUSH")?;
    for _ in 0..rng.u32(1..200) {
        stream.write_all(&frame(MORE, &vec![0; rng.usize(..4096)]))?;
    }
    Ok(())
}

fn messages(pull: &str, _: &Target, rng: &mut Rng) -> io::Result<()> {
    let mut stream = open_as(pull, "PUSH")?;
    let mut message = frame(MORE, b"stranger");
    message.extend(frame(0, &vec![0; rng.usize(..4096)]));
    // Few, since a socket whose application is slower than all its peers together has to keep them waiting.
    for _ in 0..rng.u32(1..100) {
        stream.write_all(&message)?;
    }
    if rng.bool() { stream.reset() } else { Ok(()) }
}

fn non_requests(_: &str, target: &Target, _: &mut Rng) -> io::Result<()> {
    let mut stream = open_as(&target.rep, "DEALER")?;
    flood(&mut stream, &frame(0, b"no delimiter").repeat(100))
}

fn pings(pull: &str, target: &Target, rng: &mut Rng) -> io::Result<()> {
    let (endpoint, socket_type) = if rng.bool() {
        (pull, "PUSH")
    } else {
        (target.rep.as_str(), "REQ")
    };
    let mut stream = open_as(endpoint, socket_type)?;
    let ping = command("PING", b"\0\0sixteen bytes!!!");
    flood(&mut stream, &ping.repeat(100))
}

fn reset(pull: &str, _: &Target, rng: &mut Rng) -> io::Result<()> {
    let mut stream = if rng.bool() {
        open_as(pull, "PUSH")?
    } else {
        open(pull)?
    };
    let bytes = frame(MORE, &[0; 1000]);
    stream.write_all(&bytes[..rng.usize(..bytes.len())])?;
    stream.reset()
}

fn silence(_: &str, target: &Target, rng: &mut Rng) -> io::Result<()> {
    // It asks, and never reads the answers.
    let mut stream = open_as(&target.rep, "REQ")?;
    let mut request = frame(MORE, b"");
    request.extend(frame(0, &[0; 1000]));
    for _ in 0..rng.u32(1..200) {
        stream.write_all(&request)?;
    }
    thread::sleep(Duration::from_millis(rng.u64(..500)));
    Ok(())
}
