//! ZPL: properties as lines of text, indented by what they belong to. Certificates of CURVE are kept this way, by
//! czmq and by those who read its files.
//!
//! Section followed: RFC 4.
//!
//! ```text
//! # who this is
//! metadata
//!     name = "Ada"
//! curve
//!     public-key = "Yne@$w-vo<fVvi]a<NY6T1ed:M$fCG*[IaLV{hID"
//! ```
//!
//! [`parse`] lends names and values from the text and copies nothing, so that a secret in it has only one place, which
//! is the caller's to overwrite. A [`Property`] writes itself as such a line.
//!
//! # Examples
//!
//! ```
//! use zmtp::zpl::{self, Property};
//!
//! let text = "curve  # a section\n    public-key = \"Yne@$w\"\n";
//! let properties = zpl::parse(text).collect::<Result<Vec<_>, _>>()?;
//! assert_eq!((properties[0].name(), properties[0].value()), ("curve", None));
//! assert_eq!((properties[1].depth(), properties[1].value()), (1, Some("Yne@$w")));
//! assert_eq!(properties[1].to_string(), "    public-key = \"Yne@$w\"\n");
//!
//! let error = zpl::parse("curve\n  key = 1\n").last().unwrap().unwrap_err();
//! assert_eq!(error.to_string(), "line 2: it begins with 2 spaces; each level takes 4");
//! # Ok::<(), zpl::Error>(())
//! ```

use core::fmt;

/// The spaces of each level.
const INDENT: usize = 4;

/// A line that says something: a name, maybe with a value, at a level.
///
/// `Display` writes the line, with its end. `Debug` does not show the value, which may be a secret.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Property<'a> {
    line: usize,
    depth: usize,
    name: &'a str,
    value: Option<&'a str>,
}

impl<'a> Property<'a> {
    /// A property to be written. Those at depth 0 belong to nobody; others belong to the last one above them whose depth is
    /// less by one, which has to be written before.
    ///
    /// # Errors
    ///
    /// [`Problem::Name`] and [`Problem::Value`] for what no line can say.
    pub fn new(depth: usize, name: &'a str, value: Option<&'a str>) -> Result<Self, Problem> {
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(Problem::Name);
        }
        let has_both_quotes = |value: &str| value.contains('"') && value.contains('\'');
        if value.is_some_and(|value| value.contains(is_forbidden) || has_both_quotes(value)) {
            return Err(Problem::Value);
        }
        Ok(Self {
            line: 0,
            depth,
            name,
            value,
        })
    }

    /// The number of its line, from 1 on; 0 if it was not read.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// How many others it lies in.
    #[must_use]
    pub const fn depth(&self) -> usize {
        self.depth
    }

    /// What it is called.
    #[must_use]
    pub const fn name(&self) -> &'a str {
        self.name
    }

    /// What it says, without quotes.
    #[must_use]
    pub const fn value(&self) -> Option<&'a str> {
        self.value
    }
}

impl fmt::Display for Property<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:indent$}{}",
            "",
            self.name,
            indent = self.depth * INDENT
        )?;
        if let Some(value) = self.value {
            let quote = if value.contains('"') { '\'' } else { '"' };
            write!(f, " = {quote}{value}{quote}")?;
        }
        f.write_str("\n")
    }
}

impl fmt::Debug for Property<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Property")
            .field("line", &self.line)
            .field("depth", &self.depth)
            .field("name", &self.name)
            .field("has_value", &self.value.is_some())
            .finish_non_exhaustive()
    }
}

/// What is wrong with a line, or with a property that was to become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Problem {
    /// A line begins with spaces that make no whole level.
    Indentation {
        /// How many there are.
        spaces: usize,
    },
    /// A line lies two levels or more below the one before it, so it belongs to nothing.
    Orphan {
        /// Its level.
        depth: usize,
    },
    /// A line, or a property, has no name, or one with other characters than letters, digits and `$-_@.&+/`.
    Name,
    /// After the name there is neither `=` nor a comment nor the end of the line.
    Separator,
    /// A value begins with a quote and has none at its end.
    OpenQuote,
    /// After the value in quotes there is something else than a comment.
    AfterQuote,
    /// A value has control characters, or, if it is to be written, quotes of both kinds, for which there is no escape.
    Value,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Indentation { spaces } => {
                write!(
                    f,
                    "it begins with {spaces} spaces; each level takes {INDENT}"
                )
            }
            Self::Orphan { depth } => write!(
                f,
                "it is at level {depth} and belongs to nothing; the line before it is higher than the level above"
            ),
            Self::Name => {
                f.write_str("a name has to be of letters, digits and the characters $-_@.&+/")
            }
            Self::Separator => f.write_str("a name is followed by =, by a comment, or by nothing"),
            Self::OpenQuote => f.write_str("the quote that begins the value does not end"),
            Self::AfterQuote => f.write_str("only a comment may follow a value in quotes"),
            Self::Value => {
                f.write_str("a value has no control characters, and quotes of one kind only")
            }
        }
    }
}

impl core::error::Error for Problem {}

/// Why a text is no ZPL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Error {
    line: usize,
    problem: Problem,
}

impl Error {
    /// The number of the line, from 1 on.
    #[must_use]
    pub const fn line(&self) -> usize {
        self.line
    }

    /// What is wrong with it.
    #[must_use]
    pub const fn problem(&self) -> Problem {
        self.problem
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.problem)
    }
}

impl core::error::Error for Error {}

/// Reads a text, property by property, in their order. After the first error nothing more comes.
///
/// Empty lines and comments are passed over. Lines may end as on Windows. Names may come again: what that means is up to the
/// reader.
pub fn parse(text: &str) -> Properties<'_> {
    Properties {
        rest: Some(text),
        line: 0,
        deepest: 0,
    }
}

/// The properties of a text. See [`parse`].
pub struct Properties<'a> {
    /// What was not read. `None` at the end, and after an error.
    rest: Option<&'a str>,
    line: usize,
    /// The deepest level that the next property may be at.
    deepest: usize,
}

impl fmt::Debug for Properties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Properties")
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

impl<'a> Properties<'a> {
    /// The next line, without its end.
    fn next_line(&mut self) -> Option<&'a str> {
        let text = self.rest?;
        let line = match text.split_once('\n') {
            Some((line, rest)) => {
                self.rest = Some(rest);
                line
            }
            None => {
                self.rest = None;
                text
            }
        };
        self.line += 1;
        Some(line.strip_suffix('\r').unwrap_or(line))
    }

    fn read(&self, line: &'a str) -> Result<Option<Property<'a>>, Problem> {
        let text = line.trim_start_matches(' ');
        if is_end(text) {
            return Ok(None);
        }
        let spaces = line.len() - text.len();
        if !spaces.is_multiple_of(INDENT) {
            return Err(Problem::Indentation { spaces });
        }
        let depth = spaces / INDENT;
        if depth > self.deepest {
            return Err(Problem::Orphan { depth });
        }
        let name_end = text.bytes().position(|byte| !is_name(byte));
        let (name, rest) = text.split_at(name_end.unwrap_or(text.len()));
        if name.is_empty() {
            return Err(Problem::Name);
        }
        let value = match rest.trim_start_matches(is_blank).strip_prefix('=') {
            Some(text) => Some(value_of(text.trim_start_matches(is_blank))?),
            None if is_end(rest) => None,
            None => return Err(Problem::Separator),
        };
        Ok(Some(Property {
            line: self.line,
            depth,
            name,
            value,
        }))
    }
}

impl<'a> Iterator for Properties<'a> {
    type Item = Result<Property<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let line = self.next_line()?;
            match self.read(line) {
                Ok(None) => {}
                Ok(Some(property)) => {
                    self.deepest = property.depth + 1;
                    return Some(Ok(property));
                }
                Err(problem) => {
                    self.rest = None;
                    return Some(Err(Error {
                        line: self.line,
                        problem,
                    }));
                }
            }
        }
    }
}

impl core::iter::FusedIterator for Properties<'_> {}

/// What stands after `=` and blanks.
fn value_of(text: &str) -> Result<&str, Problem> {
    let value = match text.chars().next() {
        Some(quote @ ('"' | '\'')) => {
            let (value, rest) = text[1..].split_once(quote).ok_or(Problem::OpenQuote)?;
            if !is_end(rest) {
                return Err(Problem::AfterQuote);
            }
            value
        }
        _ => {
            let value = text.split_once('#').map_or(text, |(value, _)| value);
            value.trim_end_matches(is_blank)
        }
    };
    if value.contains(is_forbidden) {
        return Err(Problem::Value);
    }
    Ok(value)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"$-_@.&+/".contains(&byte)
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

fn is_forbidden(character: char) -> bool {
    character.is_control() && character != '\t'
}

/// Whether nothing is left of a line but a comment.
fn is_end(text: &str) -> bool {
    let text = text.trim_start_matches(is_blank);
    text.is_empty() || text.starts_with('#')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Depth, name and value of a property.
    type Read<'a> = (usize, &'a str, Option<&'a str>);

    fn read(text: &str) -> Result<Vec<Read<'_>>, Error> {
        parse(text)
            .map(|property| property.map(|it| (it.depth(), it.name(), it.value())))
            .collect()
    }

    // spec: RFC4/example: sections by four spaces, values bare or in quotes, comments
    #[test]
    fn the_parts_of_a_text() {
        let text = "\
# a zdevice configuration
context
    iothreads = 1
    verbose = 1      # Ask for a trace
main
    type = zqueue
    frontend
        option
            hwm = 1000
            swap = 25000000
        bind = 'inproc://addr1'
        bind = \"ipc:///tmp/#2\" # not a comment in quotes
\t
    empty =
      # comments may stand anywhere
    backend  # bare
";
        let expected = [
            (0, "context", None),
            (1, "iothreads", Some("1")),
            (1, "verbose", Some("1")),
            (0, "main", None),
            (1, "type", Some("zqueue")),
            (1, "frontend", None),
            (2, "option", None),
            (3, "hwm", Some("1000")),
            (3, "swap", Some("25000000")),
            (2, "bind", Some("inproc://addr1")),
            (2, "bind", Some("ipc:///tmp/#2")),
            (1, "empty", Some("")),
            (1, "backend", None),
        ];
        assert_eq!(read(text).unwrap(), expected);
        assert_eq!(read(&text.replace('\n', "\r\n")).unwrap(), expected);
        assert_eq!(parse(text).last().unwrap().unwrap().line(), 16);
        assert_eq!(read(""), Ok(vec![]));
        assert_eq!(
            read("$-_@.&+/9Az=\t a b\t"),
            Ok(vec![(0, "$-_@.&+/9Az", Some("a b"))])
        );
    }

    #[test]
    fn lines_that_say_nothing() {
        for (line, problem) in [
            ("   a", Problem::Indentation { spaces: 3 }),
            ("     a", Problem::Indentation { spaces: 5 }),
            ("        a", Problem::Orphan { depth: 2 }),
            ("= 1", Problem::Name),
            ("ä = 1", Problem::Name),
            ("\ta = 1", Problem::Name),
            ("a b", Problem::Separator),
            ("a: 1", Problem::Separator),
            ("a = \"b", Problem::OpenQuote),
            ("a = 'b\"", Problem::OpenQuote),
            ("a = 'b' c", Problem::AfterQuote),
            ("a = \"b\"c", Problem::AfterQuote),
            ("a = b\u{1b}[1m", Problem::Value),
            ("a = 'b\rc'", Problem::Value),
        ] {
            let text = format!("# one\nfirst\n{line}\nlast");
            let error = read(&text).unwrap_err();
            assert_eq!((error.line(), error.problem()), (3, problem), "{line:?}");
            assert_eq!(error.to_string(), format!("line 3: {problem}"));
            // The one before, the error, and nothing after it.
            assert_eq!(parse(&text).count(), 2, "{line:?}");
        }
        assert_eq!(
            read("    a").unwrap_err().problem(),
            Problem::Orphan { depth: 1 }
        );
    }

    #[test]
    fn what_no_line_can_say() {
        for name in ["", " ", "a b", "ä", "a=", "a#"] {
            assert_eq!(Property::new(0, name, None), Err(Problem::Name), "{name:?}");
        }
        for value in ["a\nb", "\r", "\0", "'\""] {
            assert_eq!(Property::new(0, "a", Some(value)), Err(Problem::Value));
        }
        let property = Property::new(1, "a", Some("say \"#\"")).unwrap();
        assert_eq!(property.to_string(), "    a = 'say \"#\"'\n");
        assert_eq!(Property::new(0, "a", None).unwrap().to_string(), "a\n");
    }

    #[test]
    fn debug_shows_no_value() {
        let property = Property::new(0, "secret-key", Some("hunter2")).unwrap();
        assert!(!format!("{property:?} {:?}", parse("a = hunter2")).contains("hunter2"));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            properties in prop::collection::vec(
                (0_usize..4, "[a-zA-Z0-9$_@.&+/-]{1,9}", prop::option::of("([^\\p{Cc}\"]|\t){0,9}|[^\\p{Cc}']{0,9}")),
                0..20,
            )
        ) {
            let mut text = String::new();
            let mut expected = Vec::new();
            let mut deepest = 0;
            for (depth, name, value) in &properties {
                let depth = (*depth).min(deepest);
                deepest = depth + 1;
                let property = Property::new(depth, name, value.as_deref()).unwrap();
                text.push_str(&property.to_string());
                expected.push((depth, name.as_str(), value.as_deref()));
            }
            prop_assert_eq!(read(&text).unwrap(), expected);
        }

        #[test]
        fn no_text_is_a_panic(text in "([ =#'\"\t\r\na-c]|    |\\PC){0,60}") {
            for property in parse(&text).flatten() {
                prop_assert!(property.line() <= text.lines().count());
                prop_assert!(property.name().bytes().all(is_name));
            }
        }
    }
}
