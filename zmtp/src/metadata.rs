//! Metadata: the properties that both ends exchange in the handshake.
//!
//! ```text
//! ┌──────┬──────────┬────────────────┬──────────┐
//! │ len  │ name     │ len, 4 bytes   │ value    │  and so on, to the end of the command
//! └──────┴──────────┴────────────────┴──────────┘
//! ```
//!
//! Sections followed: RFC 23 and RFC 37, "Connection Metadata".

use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;

use crate::Error;

/// The name of the property that announces the socket type.
pub const SOCKET_TYPE: &str = "Socket-Type";

/// The name of the property that announces the identity, which APIs call the routing id.
pub const IDENTITY: &str = "Identity";

/// The longest value, in bytes: 2^31 - 1.
pub const MAX_VALUE_LEN: usize = i32::MAX as usize;

/// An ordered list of properties, each a name and a value.
///
/// Names are looked up without regard to case. A name may occur more than once; the order is kept,
/// so decoding and encoding is the identity. What a peer sends here is its own claim and proves
/// nothing.
///
/// # Examples
///
/// ```
/// use zmtp::Metadata;
///
/// let mut metadata = Metadata::new();
/// metadata.push("Socket-Type", "DEALER")?;
/// metadata.push("X-app", "demo")?;
///
/// let mut wire = Vec::new();
/// metadata.encode(&mut wire);
/// let decoded = Metadata::decode(&wire, 16)?;
/// assert_eq!(decoded, metadata);
/// assert_eq!(decoded.get("x-APP"), Some(&b"demo"[..]));
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    properties: Vec<(Bytes, Bytes)>,
}

impl Metadata {
    /// Makes an empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            properties: Vec::new(),
        }
    }

    /// Appends a property.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLocalProperty`] unless the name has 1 to 255 characters, all of them
    /// letters, digits or one of `-_.+`, and the value is no longer than [`MAX_VALUE_LEN`].
    pub fn push(&mut self, name: &str, value: impl Into<Bytes>) -> Result<(), Error> {
        let value = value.into();
        if !is_valid_name(name) || value.len() > MAX_VALUE_LEN {
            return Err(Error::InvalidLocalProperty);
        }
        self.properties
            .push((Bytes::copy_from_slice(name.as_bytes()), value));
        Ok(())
    }

    /// The value of the first property of this name, in any case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.get_all(name).next()
    }

    /// The values of all properties of this name, in any case, in order.
    pub fn get_all(&self, name: &str) -> impl DoubleEndedIterator<Item = &[u8]> {
        self.iter()
            .filter(move |(own, _)| own.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| value)
    }

    /// All properties in order, as names and values. The names are those that the peer sent, which
    /// may be any bytes.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&[u8], &[u8])> {
        self.properties
            .iter()
            .map(|(name, value)| (&name[..], &value[..]))
    }

    /// The number of properties.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.properties.len()
    }

    /// Whether there is no property.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.properties.is_empty()
    }

    /// The length in bytes of what [`encode`](Self::encode) appends.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        self.properties
            .iter()
            .map(|(name, value)| 1 + name.len() + 4 + value.len())
            .sum()
    }

    /// Appends the properties as they travel.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(self.encoded_len());
        for (name, value) in self.iter() {
            encode_property(name, value, out);
        }
    }

    /// Reads properties up to the end of `input`.
    ///
    /// Names may be empty or hold any bytes, as in libzmq. The body is copied once; the properties
    /// share the copy.
    ///
    /// # Errors
    ///
    /// [`Error::MalformedMetadata`] when the input ends inside a property,
    /// [`Error::TooManyProperties`] when there are more than `max_properties`.
    pub fn decode(input: &[u8], max_properties: usize) -> Result<Self, Error> {
        let mut properties = Vec::new();
        let mut rest = Bytes::copy_from_slice(input);
        while !rest.is_empty() {
            if properties.len() == max_properties {
                return Err(Error::TooManyProperties {
                    limit: max_properties,
                });
            }
            let name_len = usize::from(rest.split_to(1)[0]);
            let name = take(&mut rest, name_len)?;
            let value_len = take(&mut rest, 4)?;
            let value_len = value_len
                .iter()
                .fold(0, |len, byte| len << 8 | usize::from(*byte));
            let value = take(&mut rest, value_len)?;
            properties.push((name, value));
        }
        // They are kept as long as the connection, and most peers send one or two.
        properties.shrink_to_fit();
        Ok(Self { properties })
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.properties.iter().map(|(name, value)| (name, value)))
            .finish()
    }
}

/// Whether `name` may be the name of a property.
fn is_valid_name(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte))
}

/// Appends one property; the caller vouches for the lengths.
pub(crate) fn encode_property(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    debug_assert!(name.len() <= 255 && value.len() <= MAX_VALUE_LEN);
    out.push(name.len() as u8);
    out.extend_from_slice(name);
    out.extend_from_slice(&(value.len() as u32).to_be_bytes());
    out.extend_from_slice(value);
}

fn take(input: &mut Bytes, len: usize) -> Result<Bytes, Error> {
    if len > input.len() {
        return Err(Error::MalformedMetadata);
    }
    Ok(input.split_to(len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Metadata {
        let mut metadata = Metadata::new();
        metadata.push(SOCKET_TYPE, "DEALER").unwrap();
        metadata.push(IDENTITY, "").unwrap();
        metadata.push("X-app", vec![7; 300]).unwrap();
        metadata
    }

    // spec: RFC37/metadata-layout: properties are name and value, each behind its length
    #[test]
    fn round_trips_and_measures_itself() {
        let metadata = sample();
        let mut wire = Vec::new();
        metadata.encode(&mut wire);
        assert_eq!(wire.len(), metadata.encoded_len());
        assert_eq!(Metadata::decode(&wire, 3).unwrap(), metadata);
    }

    // spec: WIRE-3.2/truncation: metadata that end inside a property are malformed
    #[test]
    fn every_truncation_inside_a_property_is_an_error() {
        let mut wire = Vec::new();
        sample().encode(&mut wire);
        let boundaries = [0, 1 + 11 + 4 + 6, 1 + 11 + 4 + 6 + 1 + 8 + 4, wire.len()];
        for cut in 0..=wire.len() {
            let decoded = Metadata::decode(&wire[..cut], 16);
            assert_eq!(decoded.is_ok(), boundaries.contains(&cut), "cut at {cut}");
        }
    }

    #[test]
    fn huge_lengths_are_errors() {
        let wire = [1, b'a', 0xFF, 0xFF, 0xFF, 0xFF, 0];
        assert_eq!(Metadata::decode(&wire, 16), Err(Error::MalformedMetadata));
    }

    #[test]
    fn looks_names_up_in_any_case_and_keeps_duplicates() {
        let mut metadata = Metadata::new();
        metadata.push("identity", "one").unwrap();
        metadata.push("IDENTITY", "two").unwrap();
        assert_eq!(metadata.get(IDENTITY), Some(&b"one"[..]));
        assert_eq!(metadata.get_all(IDENTITY).next_back(), Some(&b"two"[..]));
        assert_eq!(metadata.get("Resource"), None);
    }

    // spec: WIRE-3.2/nameless-property: five zero bytes are a property without name and value
    #[test]
    fn five_zero_bytes_are_one_nameless_property() {
        let metadata = Metadata::decode(&[0; 5], 16).unwrap();
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [(&b""[..], &b""[..])]);
    }

    #[test]
    fn limits_the_number_of_properties() {
        let wire = [0; 20];
        assert_eq!(Metadata::decode(&wire, 4).unwrap().len(), 4);
        assert_eq!(
            Metadata::decode(&wire, 3),
            Err(Error::TooManyProperties { limit: 3 })
        );
    }

    // spec: RFC37/metadata-names: names have 1 to 255 letters, digits and - _ . +
    #[test]
    fn refuses_local_names_that_are_not_allowed() {
        let mut metadata = Metadata::new();
        for name in ["", "a b", "é", &"n".repeat(256)] {
            assert_eq!(
                metadata.push(name, "v"),
                Err(Error::InvalidLocalProperty),
                "{name:?}"
            );
        }
        metadata.push(&"n".repeat(255), "v").unwrap();
        metadata.push("A-z_0.+", "v").unwrap();
    }
}
