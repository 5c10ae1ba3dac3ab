//! Messages as lines, and lines as messages.

use std::fmt;

use clap::ValueEnum;
use zsocket::{Frame, Message};

/// How frames are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// As they are, a tab between them
    Text,
    /// In double quotes, a space between them; \n, \t, \", \\, \0 and \xNN are escapes
    Quoted,
    /// As pairs of hexadecimal digits, a space between frames; an empty frame is -
    Hex,
}

/// Writes and reads messages.
#[derive(Clone, Debug)]
pub(crate) struct Codec {
    format: Format,
    /// Between frames of text.
    separator: Vec<u8>,
}

/// Why a line is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FormatError {
    NoFrame(Format),
    NoQuote { column: usize },
    OpenQuote { column: usize },
    Escape { column: usize },
    Hex { column: usize },
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoFrame(Format::Hex) => {
                f.write_str("a message has a frame at least: write - for an empty one")
            }
            Self::NoFrame(_) => {
                f.write_str("a message has a frame at least: write \"\" for an empty one")
            }
            Self::NoQuote { column } => write!(
                f,
                "column {column}: a frame begins with a quote and ends with one: write \"like this\", or use --format text"
            ),
            Self::OpenQuote { column } => {
                write!(
                    f,
                    "column {column}: the quote that begins here does not end"
                )
            }
            Self::Escape { column } => write!(
                f,
                "column {column}: the escapes are \\n, \\r, \\t, \\0, \\\", \\\\ and \\xNN with two hexadecimal digits"
            ),
            Self::Hex { column } => write!(
                f,
                "column {column}: a frame is pairs of hexadecimal digits, or - if it is empty"
            ),
        }
    }
}

impl std::error::Error for FormatError {}

impl Codec {
    /// The format, and for text what stands between frames: with the escapes of quoted frames.
    pub(crate) fn new(format: Format, separator: Option<&str>) -> zexamples::Result<Self> {
        let separator = match separator {
            None => b"\t".to_vec(),
            Some(_) if format != Format::Text => {
                return Err("--separator is for the format text: add --format text".into());
            }
            Some("") => return Err("--separator must not be empty".into()),
            Some(text) => {
                unescape(text.as_bytes(), 0).map_err(|error| format!("--separator: {error}"))?
            }
        };
        if separator.contains(&b'\n') {
            return Err("--separator must not contain the end of a line".into());
        }
        Ok(Self { format, separator })
    }

    /// Appends a message without the end of the line.
    pub(crate) fn write(&self, message: &Message, out: &mut Vec<u8>) {
        for (at, frame) in message.iter().enumerate() {
            match self.format {
                Format::Text => {
                    if at > 0 {
                        out.extend_from_slice(&self.separator);
                    }
                    out.extend_from_slice(frame);
                }
                Format::Quoted => {
                    if at > 0 {
                        out.push(b' ');
                    }
                    quote(frame, out);
                }
                Format::Hex => {
                    if at > 0 {
                        out.push(b' ');
                    }
                    if frame.is_empty() {
                        out.push(b'-');
                    }
                    frame.iter().for_each(|&byte| hex(byte, out));
                }
            }
        }
    }

    /// Reads a message from a line without its end.
    pub(crate) fn read(&self, line: &[u8]) -> Result<Message, FormatError> {
        let message = match self.format {
            Format::Text => return Ok(split(line, &self.separator)),
            Format::Quoted => read_quoted(line)?,
            Format::Hex => read_hex(line)?,
        };
        if message.is_empty() {
            return Err(FormatError::NoFrame(self.format));
        }
        Ok(message)
    }
}

/// Frames of text. An empty line is one empty frame.
fn split(line: &[u8], separator: &[u8]) -> Message {
    let mut message = Message::new();
    let mut rest = line;
    let next = |rest: &[u8]| {
        rest.windows(separator.len())
            .position(|window| window == separator)
    };
    while let Some(at) = next(rest) {
        message.push_back(Frame::copy_from_slice(&rest[..at]));
        rest = &rest[at + separator.len()..];
    }
    message.push_back(Frame::copy_from_slice(rest));
    message
}

fn hex(byte: u8, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push(DIGITS[usize::from(byte >> 4)]);
    out.push(DIGITS[usize::from(byte & 15)]);
}

/// Text that can be read stays as it is.
fn quote(body: &[u8], out: &mut Vec<u8>) {
    let escape = |bytes: &[u8], out: &mut Vec<u8>| {
        for &byte in bytes {
            out.extend_from_slice(b"\\x");
            hex(byte, out);
        }
    };
    out.push(b'"');
    for chunk in body.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            match c {
                '"' | '\\' => out.extend_from_slice(&[b'\\', bytes[0]]),
                '\n' => out.extend_from_slice(b"\\n"),
                '\r' => out.extend_from_slice(b"\\r"),
                '\t' => out.extend_from_slice(b"\\t"),
                c if c.is_control() => escape(bytes, out),
                _ => out.extend_from_slice(bytes),
            }
        }
        escape(chunk.invalid(), out);
    }
    out.push(b'"');
}

fn read_quoted(line: &[u8]) -> Result<Message, FormatError> {
    let mut message = Message::new();
    let mut at = 0;
    loop {
        while line.get(at).is_some_and(u8::is_ascii_whitespace) {
            at += 1;
        }
        match line.get(at) {
            None => return Ok(message),
            Some(b'"') => {}
            Some(_) => return Err(FormatError::NoQuote { column: at + 1 }),
        }
        let start = at + 1;
        let len =
            length_in_quotes(&line[start..]).ok_or(FormatError::OpenQuote { column: start })?;
        message.push_back(unescape(&line[start..start + len], start)?);
        at = start + len + 1;
        if line.get(at).is_some_and(|next| !next.is_ascii_whitespace()) {
            return Err(FormatError::NoQuote { column: at + 1 });
        }
    }
}

/// How far the closing quote is.
fn length_in_quotes(text: &[u8]) -> Option<usize> {
    let mut is_escaped = false;
    text.iter().position(|&byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

/// The bytes that a text with escapes stands for; it begins behind so many bytes of its line.
fn unescape(text: &[u8], offset: usize) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, after)) = rest.split_first() {
        let column = offset + text.len() - rest.len() + 1;
        rest = after;
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        let (&escape, after) = rest.split_first().ok_or(FormatError::Escape { column })?;
        rest = after;
        bytes.push(match escape {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => 0,
            b'"' | b'\\' => escape,
            b'x' => {
                let (digits, after) = rest
                    .split_at_checked(2)
                    .ok_or(FormatError::Escape { column })?;
                rest = after;
                pair(digits).ok_or(FormatError::Escape { column })?
            }
            _ => return Err(FormatError::Escape { column }),
        });
    }
    Ok(bytes)
}

fn read_hex(line: &[u8]) -> Result<Message, FormatError> {
    let mut message = Message::new();
    let mut column = 1;
    for word in line.split(u8::is_ascii_whitespace) {
        let start = column;
        column += word.len() + 1;
        if word.is_empty() {
            continue;
        }
        let digits = if word == b"-" { b"" } else { word };
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
        message.push_back(bytes.ok_or(FormatError::Hex { column: start })?);
    }
    Ok(message)
}

fn pair(digits: &[u8]) -> Option<u8> {
    let [high, low] = digits else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16);
    u8::try_from(digit(*high)? << 4 | digit(*low)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codec(format: Format) -> Codec {
        Codec::new(format, None).unwrap()
    }

    fn message(frames: &[&[u8]]) -> Message {
        frames
            .iter()
            .map(|frame| Frame::copy_from_slice(frame))
            .collect()
    }

    fn written(format: Format, frames: &[&[u8]]) -> String {
        let mut out = Vec::new();
        codec(format).write(&message(frames), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn formats_look_as_they_should() {
        let frames: &[&[u8]] = &[
            b"a\"b\\",
            b"",
            "Zürich\n".as_bytes(),
            b"\x00\xff",
            "\u{85}".as_bytes(),
        ];
        assert_eq!(
            written(Format::Quoted, frames),
            r#""a\"b\\" "" "Zürich\n" "\x00\xff" "\xc2\x85""#
        );
        assert_eq!(
            written(Format::Hex, frames),
            "6122625c - 5ac3bc726963680a 00ff c285"
        );
        assert_eq!(written(Format::Text, &[b"a", b"", b"b c"]), "a\t\tb c");
    }

    #[test]
    fn what_is_written_is_read() {
        let all: Vec<u8> = (0..=255).collect();
        let messages: [&[&[u8]]; 5] = [
            &[b""],
            &[&all],
            &[b"", b"", &all, b""],
            &[b"\"\"", b"-"],
            &[b"\\"],
        ];
        for format in [Format::Quoted, Format::Hex] {
            for frames in messages {
                let line = written(format, frames);
                let read = codec(format).read(line.as_bytes()).unwrap();
                assert_eq!(read, message(frames), "{line}");
            }
        }
        let read = codec(Format::Text).read(b"\ta b\t").unwrap();
        assert_eq!(read, message(&[b"", b"a b", b""]));
        assert_eq!(codec(Format::Text).read(b"").unwrap(), message(&[b""]));
    }

    #[test]
    fn separators_may_be_anything_but_the_end_of_a_line() {
        let codec = Codec::new(Format::Text, Some(r"\x1f|")).unwrap();
        let read = codec.read(b"a\x1f|b|c").unwrap();
        assert_eq!(read, message(&[b"a", b"b|c"]));
        for (format, wrong) in [
            (Format::Text, ""),
            (Format::Text, r"\n"),
            (Format::Text, r"\q"),
            (Format::Hex, ","),
        ] {
            assert!(Codec::new(format, Some(wrong)).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn errors_tell_where_and_what() {
        use FormatError::{Escape, Hex, NoFrame, NoQuote, OpenQuote};
        for (format, line, error) in [
            (Format::Quoted, r#""a" b"#, NoQuote { column: 5 }),
            (Format::Quoted, r#""a""b""#, NoQuote { column: 4 }),
            (Format::Quoted, r#" "a\""#, OpenQuote { column: 2 }),
            (Format::Quoted, r#""ab\q""#, Escape { column: 4 }),
            (Format::Quoted, r#""\x1""#, Escape { column: 2 }),
            (Format::Quoted, r#""\x+1""#, Escape { column: 2 }),
            (Format::Quoted, " ", NoFrame(Format::Quoted)),
            (Format::Hex, "", NoFrame(Format::Hex)),
            (Format::Hex, "00 0", Hex { column: 4 }),
            (Format::Hex, "00  0g", Hex { column: 5 }),
        ] {
            assert_eq!(codec(format).read(line.as_bytes()), Err(error), "{line}");
        }
    }
}
