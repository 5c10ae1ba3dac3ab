//! What a message looks like.
//!
//! ```text
//!   first frame:  magic 8 │ stream 4 │ number 8 │ frames 4 │ checksum 4 │ body …     further frames: body …
//! ```
//!
//! Numbers are little-endian. The checksum (CRC-32) covers what stands before it, and the length and
//! the body of every frame.
//!
//! What does not begin with the magic was sent by a stranger: to a socket that also serves the first version of
//! the protocol, garbage can be a message. If it was one of ours, then it is missing in the end.

use crc32fast::Hasher;
use fastrand::Rng;
use zsocket::{Bytes, Frame, Message};

const MAGIC: &[u8; 8] = b"zl soak\n";
const HEADER: usize = 28;
const CHECKED: usize = 24;
const LARGEST: usize = 4 << 20;
/// A frame that is larger is nobody's but a stranger's.
pub(crate) const LIMIT: u64 = 64 << 20;

/// Random bytes to cut bodies from.
#[derive(Clone)]
pub(crate) struct Pool(Bytes);

impl Pool {
    pub(crate) fn new(rng: &mut Rng) -> Self {
        let mut bytes = vec![0; LARGEST * 2];
        rng.fill(&mut bytes);
        Self(bytes.into())
    }

    fn cut(&self, size: usize, rng: &mut Rng) -> Bytes {
        let start = rng.usize(..=self.0.len() - size);
        self.0.slice(start..start + size)
    }
}

/// A random message.
pub(crate) fn message(stream: u32, seq: u64, pool: &Pool, rng: &mut Rng) -> Message {
    let frames = match rng.u32(..100) {
        0..70 => 1,
        70..95 => rng.usize(2..=5),
        _ => rng.usize(6..=40),
    };
    let bodies: Vec<Bytes> = (0..frames)
        .map(|_| {
            // Many frames are many large ones only by accident.
            let size = if frames > 5 {
                rng.usize(..=512)
            } else {
                random_size(rng)
            };
            pool.cut(size, rng)
        })
        .collect();
    let mut head = Vec::with_capacity(HEADER + bodies[0].len());
    head.extend(MAGIC);
    head.extend(stream.to_le_bytes());
    head.extend(seq.to_le_bytes());
    head.extend((bodies.len() as u32).to_le_bytes());
    let checksum = checksum(&head, bodies.iter().map(|body| &body[..]));
    head.extend(checksum.to_le_bytes());
    head.extend(&bodies[0]);
    let mut message = Message::single(head);
    for body in bodies.into_iter().skip(1) {
        // Both ways to make a frame: by copying, and by sharing the pool.
        message.push_back(if rng.bool() {
            Frame::from(&body[..])
        } else {
            Frame::from(body)
        });
    }
    message
}

/// Whether a stranger sent it.
pub(crate) fn is_strange(message: &Message) -> bool {
    message
        .first()
        .is_none_or(|frame| !frame.starts_with(MAGIC))
}

/// The stream and the number of a message, or `None` if anything in it is not as it was sent.
pub(crate) fn check(message: &Message) -> Option<(u32, u64)> {
    let first = message.first()?;
    let (header, body) = first.split_at_checked(HEADER)?;
    let rest = header.strip_prefix(MAGIC)?;
    let (stream, rest) = rest.split_first_chunk()?;
    let (seq, rest) = rest.split_first_chunk()?;
    let (frames, sum) = rest.split_first_chunk()?;
    let bodies = [body]
        .into_iter()
        .chain(message.iter().skip(1).map(|frame| &frame[..]));
    let intact = u32::from_le_bytes(*frames) as usize == message.len()
        && checksum(&header[..CHECKED], bodies).to_le_bytes() == *sum;
    intact.then(|| (u32::from_le_bytes(*stream), u64::from_le_bytes(*seq)))
}

fn checksum<'b>(header: &[u8], bodies: impl Iterator<Item = &'b [u8]>) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(header);
    for body in bodies {
        hasher.update(&(body.len() as u64).to_le_bytes());
        hasher.update(body);
    }
    hasher.finalize()
}

/// Nothing to 4 MiB, mostly little.
fn random_size(rng: &mut Rng) -> usize {
    let limit = match rng.u32(..1000) {
        0..100 => 0,
        100..500 => 64,
        500..750 => 1 << 10,
        750..900 => 16 << 10,
        900..970 => 64 << 10,
        970..995 => 512 << 10,
        995..999 => LARGEST,
        _ => return LARGEST,
    };
    rng.usize(..=limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_check_unless_anything_was_changed() {
        let mut rng = Rng::with_seed(1);
        let pool = Pool::new(&mut rng);
        for seq in 0..300 {
            let message = message(7, seq, &pool, &mut rng);
            assert_eq!(check(&message), Some((7, seq)));
            assert!(!is_strange(&message));

            let mut damaged = message.clone();
            let index = rng.usize(..damaged.len());
            let body = damaged.frames_mut()[index].make_mut();
            if let Some(byte) = body.last_mut() {
                *byte ^= 1;
                assert_eq!(check(&damaged), None);
            }

            let mut longer = message.clone();
            longer.push_back("");
            assert_eq!(check(&longer), None);
        }
        assert_eq!(check(&Message::from("short")), None);
        assert!(is_strange(&Message::from("short")));
    }

    #[test]
    fn sizes_reach_both_ends() {
        let mut rng = Rng::with_seed(1);
        let sizes: Vec<usize> = (0..10_000).map(|_| random_size(&mut rng)).collect();
        assert!(sizes.contains(&0) && sizes.contains(&LARGEST));
        assert!(sizes.iter().filter(|&&size| size <= 1024).count() > 7000);
    }
}
