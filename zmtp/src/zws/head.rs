//! The head of an HTTP request or response: found in a stream, and its fields.

use super::UpgradeError;
use crate::Limits;

/// Ends the head of a request or response.
pub(super) const HEAD_END: &[u8] = b"\r\n\r\n";

/// Collects the head of a request or response from input in pieces.
#[derive(Debug, Default)]
pub(super) struct HeadBuffer {
    head: Vec<u8>,
}

impl HeadBuffer {
    /// Consumes input up to the end of the head, and returns how much that was and whether the head
    /// is complete.
    pub(super) fn fill(
        &mut self,
        input: &[u8],
        limits: &Limits,
    ) -> Result<(usize, bool), UpgradeError> {
        let limit = limits.max_http_head_size;
        // The end may lie across the seam.
        let from = self.head.len().saturating_sub(HEAD_END.len() - 1);
        let old = self.head.len();
        let room = limit.saturating_sub(old);
        self.head.extend_from_slice(&input[..input.len().min(room)]);
        let end = self.head[from..]
            .windows(HEAD_END.len())
            .position(|window| window == HEAD_END)
            .map(|at| from + at + HEAD_END.len());
        match end {
            Some(end) => {
                self.head.truncate(end);
                Ok((end - old, true))
            }
            None if self.head.len() >= limit => Err(UpgradeError::HeadTooLong { limit }),
            None => Ok((input.len(), false)),
        }
    }

    pub(super) fn head(&self) -> &[u8] {
        &self.head
    }
}

/// The header fields of a message.
pub(super) struct Fields<'a, 'b>(pub(super) &'a [httparse::Header<'b>]);

impl<'a> Fields<'a, '_> {
    /// The values of all fields of this name, in any case. What is no text has no meaning in any of
    /// the fields that matter here, and so counts as empty.
    pub(super) fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |field| field.name.eq_ignore_ascii_case(name))
            .map(|field| str::from_utf8(field.value).unwrap_or_default().trim())
    }

    /// The value of a field that may be there only once.
    pub(super) fn only(&self, name: &str) -> Option<&'a str> {
        let mut all = self.all(name);
        all.next().filter(|_| all.next().is_none())
    }

    /// The elements of all comma-separated lists of this name.
    pub(super) fn tokens(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.all(name)
            .flat_map(|list| list.split(','))
            .map(str::trim)
            .filter(|token| !token.is_empty())
    }

    pub(super) fn owned(&self) -> Vec<(String, Vec<u8>)> {
        let owned = |field: &httparse::Header<'_>| (field.name.to_owned(), field.value.to_vec());
        self.0.iter().map(owned).collect()
    }

    pub(super) fn check_upgrade(&self) -> Result<(), UpgradeError> {
        let has = |name, token: &str| self.tokens(name).any(|own| own.eq_ignore_ascii_case(token));
        if has("Upgrade", "websocket") && has("Connection", "upgrade") {
            Ok(())
        } else {
            Err(UpgradeError::NotAnUpgrade)
        }
    }
}

/// How many fields to make room for: no more than there are lines, whatever the limit.
pub(super) fn field_room(head: &[u8], limits: &Limits) -> usize {
    let lines = head.iter().filter(|byte| **byte == b'\n').count();
    limits.max_http_fields.min(lines)
}

/// Checks a head that is there in one piece.
pub(super) const fn check_head_size(head: &[u8], limits: &Limits) -> Result<(), UpgradeError> {
    let limit = limits.max_http_head_size;
    if head.len() > limit {
        return Err(UpgradeError::HeadTooLong { limit });
    }
    Ok(())
}

/// Why a head is none.
pub(super) const fn not_http(error: httparse::Error, limits: &Limits) -> UpgradeError {
    match error {
        httparse::Error::TooManyHeaders => UpgradeError::TooManyHeaders {
            limit: limits.max_http_fields,
        },
        // What follows HTTP/ is not 1.0 or 1.1.
        httparse::Error::Version => UpgradeError::HttpVersion,
        _ => UpgradeError::Malformed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n";

    // spec: RFC6455/10.4-head: a request or response has a largest size, however it is cut
    #[test]
    fn the_head_is_found_at_any_seam_and_bounded() {
        let limits = Limits::default();
        let mut input = HEAD.to_vec();
        input.extend_from_slice(b"\x82\x81");
        for chunk in [1, 3, 64, input.len()] {
            let mut buffer = HeadBuffer::default();
            let mut used = 0;
            for piece in input.chunks(chunk) {
                let (taken, complete) = buffer.fill(piece, &limits).unwrap();
                used += taken;
                if complete {
                    break;
                }
                assert_eq!(taken, piece.len());
            }
            assert_eq!((used, buffer.head()), (HEAD.len(), HEAD));
        }
        let limit = limits.max_http_head_size;
        let error = UpgradeError::HeadTooLong { limit };
        let mut buffer = HeadBuffer::default();
        let most = vec![b'x'; limit - 1];
        assert_eq!(buffer.fill(&most, &limits), Ok((limit - 1, false)));
        assert_eq!(buffer.fill(b"xyz", &limits), Err(error));
        assert_eq!(check_head_size(&[b'x'; 8193], &limits), Err(error));
    }
}
