//! The HTTP upgrade: a request and a response, which make a WebSocket of a stream.
//!
//! Sections followed: RFC 6455, 4.1 "Client Requirements" and 4.2 "Server-Side Requirements";
//! RFC 45, "WebSocket handshake".

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest, Sha1};

use super::UpgradeError;
use super::head::{Fields, check_head_size, field_room, not_http};
use crate::{Error, Limits, MechanismConfig, Random};

/// What a server mixes into the key to prove that it speaks WebSocket.
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A WebSocket subprotocol: ØMQ with one of its security mechanisms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// `ZWS2.0`: without a mechanism. The first frame each way is the identity.
    Bare,
    /// `ZWS2.0/NULL`.
    Null,
    /// `ZWS2.0/PLAIN`.
    Plain,
    /// `ZWS2.0/CURVE`, which libzmq has and RFC 45 has not.
    Curve,
    /// `ZWS2.0.NULL`, as [`Null`](Self::Null) for browsers, which send no name with a slash.
    NullToken,
    /// `ZWS2.0.PLAIN`, as [`Plain`](Self::Plain) for browsers.
    PlainToken,
    /// `ZWS2.0.CURVE`, as [`Curve`](Self::Curve) for browsers.
    CurveToken,
}

impl Protocol {
    const ALL: [Self; 7] = [
        Self::Bare,
        Self::Null,
        Self::Plain,
        Self::Curve,
        Self::NullToken,
        Self::PlainToken,
        Self::CurveToken,
    ];

    /// The name as it travels.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bare => "ZWS2.0",
            Self::Null => "ZWS2.0/NULL",
            Self::Plain => "ZWS2.0/PLAIN",
            Self::Curve => "ZWS2.0/CURVE",
            Self::NullToken => "ZWS2.0.NULL",
            Self::PlainToken => "ZWS2.0.PLAIN",
            Self::CurveToken => "ZWS2.0.CURVE",
        }
    }

    /// Reads a name. Case matters.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|protocol| protocol.as_str() == name)
    }

    /// The protocols that a server with this mechanism takes: those that a client offers, and the ones
    /// with names that a browser can send.
    #[must_use]
    pub const fn accepted_for(mechanism: &MechanismConfig) -> &'static [Self] {
        match mechanism {
            MechanismConfig::Null => &[Self::Null, Self::NullToken, Self::Bare],
            #[cfg(feature = "plain")]
            MechanismConfig::PlainClient(_) | MechanismConfig::PlainServer(_) => {
                &[Self::Plain, Self::PlainToken]
            }
            #[cfg(feature = "curve")]
            MechanismConfig::CurveClient(_) | MechanismConfig::CurveServer(_) => {
                &[Self::Curve, Self::CurveToken]
            }
        }
    }

    /// The protocols that a client with this mechanism offers, the best one first.
    #[must_use]
    pub const fn for_mechanism(mechanism: &MechanismConfig) -> &'static [Self] {
        match mechanism {
            MechanismConfig::Null => &[Self::Null, Self::Bare],
            #[cfg(feature = "plain")]
            MechanismConfig::PlainClient(_) | MechanismConfig::PlainServer(_) => &[Self::Plain],
            #[cfg(feature = "curve")]
            MechanismConfig::CurveClient(_) | MechanismConfig::CurveServer(_) => &[Self::Curve],
        }
    }
}

/// Where a client wants to go: the parts of a `ws://` URL that a server gets to see.
///
/// # Examples
///
/// ```
/// use zmtp::zws::Target;
///
/// let target = Target::new("example.com:8080", "/queue")?;
/// assert_eq!(target.path(), "/queue");
/// # Ok::<(), zmtp::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    path: String,
}

impl Target {
    /// The longest host and the longest path, in bytes.
    pub const MAX_LEN: usize = 1024;

    /// Takes the host, with the port unless it is the usual one, and the path.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidLocalTarget`] when host or path are longer than 1,024 bytes or hold anything
    /// but visible ASCII characters, the host is empty, or the path does not begin with a slash.
    pub fn new(host: impl Into<String>, path: impl Into<String>) -> Result<Self, Error> {
        let (host, path) = (host.into(), path.into());
        // Anything else could smuggle header fields into the request.
        let is_visible = |text: &str| {
            text.len() <= Self::MAX_LEN && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if host.is_empty() || !is_visible(&host) || !path.starts_with('/') || !is_visible(&path) {
            return Err(Error::InvalidLocalTarget);
        }
        Ok(Self { host, path })
    }

    /// The host, for the `Host` field.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The path, for the first line of the request.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// The request with which a client asks for the upgrade.
///
/// # Examples
///
/// ```
/// use zmtp::zws::{Protocol, Request, Response, Target};
/// use zmtp::{Limits, Random};
///
/// let limits = Limits::default();
/// let target = Target::new("example.com", "/")?;
/// let offered = [Protocol::Null, Protocol::Bare];
/// let request = Request::new(&target, &offered, &mut Random::system())?;
///
/// // At the server:
/// let heard = Request::decode(&request.encode(), &limits)?;
/// assert_eq!((&heard.protocols, &heard.path), (&request.protocols, &request.path));
/// let response = Response::new(&heard, heard.choose(&[Protocol::Null])?);
///
/// // And back at the client:
/// let response = Response::decode(&response.encode(), &limits)?;
/// assert_eq!(response.check(&request)?, Protocol::Null);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Request {
    /// The server's name as the client knows it.
    pub host: String,
    /// The path. ØMQ servers take any.
    pub path: String,
    /// The nonce that the server has to answer.
    pub key: [u8; 16],
    /// The known ones among the offered protocols, in the client's order.
    pub protocols: Vec<Protocol>,
    /// The web page that asks, if a browser sent the request: scheme, host and port, or `null`.
    pub origin: Option<String>,
    /// All fields as they came, with their names in the case that the client chose.
    pub fields: Vec<(String, Vec<u8>)>,
}

impl Request {
    /// Makes a request with a fresh key.
    ///
    /// # Errors
    ///
    /// [`Error::RandomUnavailable`] when there is no randomness for the key.
    pub fn new(
        target: &Target,
        protocols: &[Protocol],
        random: &mut Random,
    ) -> Result<Self, Error> {
        let mut key = [0; 16];
        random.fill(&mut key)?;
        Ok(Self {
            host: target.host.clone(),
            path: target.path.clone(),
            key,
            protocols: protocols.to_vec(),
            origin: None,
            fields: Vec::new(),
        })
    }

    /// The value of the first field of this name, in any case, such as `Cookie` or `Authorization`.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        let is = |(own, _): &&(String, Vec<u8>)| own.eq_ignore_ascii_case(name);
        self.fields.iter().find(is).map(|(_, value)| &value[..])
    }

    /// The request as libzmq sends it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let names: Vec<_> = self.protocols.iter().map(|name| name.as_str()).collect();
        format!(
            "GET {} HTTP/1.1\r\n\
             Host: {}\r\n\
             Upgrade: websocket\r\n\
             Connection: Upgrade\r\n\
             Sec-WebSocket-Key: {}\r\n\
             Sec-WebSocket-Protocol: {}\r\n\
             Sec-WebSocket-Version: 13\r\n\r\n",
            self.path,
            self.host,
            BASE64_STANDARD.encode(self.key),
            names.join(",")
        )
        .into_bytes()
    }

    /// Reads a whole head, up to and including the empty line.
    ///
    /// # Errors
    ///
    /// What is wrong with it. A server answers with [`UpgradeError::response`] and closes.
    pub fn decode(head: &[u8], limits: &Limits) -> Result<Self, UpgradeError> {
        check_head_size(head, limits)?;
        let mut fields = vec![httparse::EMPTY_HEADER; field_room(head, limits)];
        let mut request = httparse::Request::new(&mut fields);
        let status = request
            .parse(head)
            .map_err(|error| not_http(error, limits))?;
        if status != httparse::Status::Complete(head.len()) {
            return Err(UpgradeError::Malformed);
        }
        if request.method != Some("GET") {
            return Err(UpgradeError::Method);
        }
        if request.version != Some(1) {
            return Err(UpgradeError::HttpVersion);
        }
        let fields = Fields(request.headers);
        // What follows the head of a GET is a WebSocket. Whoever took it for a body, such as a proxy,
        // and whoever does not would see different requests.
        let is_empty = |length: &str| length == "0";
        if fields.all("Transfer-Encoding").next().is_some()
            || !fields.all("Content-Length").all(is_empty)
        {
            return Err(UpgradeError::Body);
        }
        let origin = match fields.all("Origin").count() {
            0 => None,
            1 => fields.only("Origin").map(str::to_owned),
            _ => return Err(UpgradeError::Origin),
        };
        let host = fields.only("Host").ok_or(UpgradeError::Host)?;
        fields.check_upgrade()?;
        if fields.only("Sec-WebSocket-Version") != Some("13") {
            return Err(UpgradeError::WebSocketVersion);
        }
        let key = fields
            .only("Sec-WebSocket-Key")
            .and_then(|text| BASE64_STANDARD.decode(text).ok())
            .and_then(|key| key.try_into().ok())
            .ok_or(UpgradeError::Key)?;
        Ok(Self {
            host: host.to_owned(),
            path: request.path.unwrap_or_default().to_owned(),
            key,
            protocols: fields
                .tokens("Sec-WebSocket-Protocol")
                .filter_map(Protocol::from_name)
                .collect(),
            origin,
            fields: fields.owned(),
        })
    }

    /// The first offered protocol that is among the accepted ones.
    ///
    /// # Errors
    ///
    /// [`UpgradeError::NoProtocol`] when there is none.
    pub fn choose(&self, accepted: &[Protocol]) -> Result<Protocol, UpgradeError> {
        self.protocols
            .iter()
            .copied()
            .find(|protocol| accepted.contains(protocol))
            .ok_or(UpgradeError::NoProtocol)
    }

    /// What the server has to answer: a hash of the key.
    fn accept(&self) -> String {
        accept_value(&BASE64_STANDARD.encode(self.key))
    }
}

/// What a server has to answer in `Sec-WebSocket-Accept` to this `Sec-WebSocket-Key`, for those who
/// leave the upgrade to an HTTP library.
///
/// # Examples
///
/// ```
/// assert_eq!(zmtp::zws::accept_value("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[must_use]
pub fn accept_value(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.trim());
    hash.update(GUID);
    BASE64_STANDARD.encode(hash.finalize())
}

/// The response with which a server grants the upgrade.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Response {
    /// The proof that the server has read the key.
    pub accept: String,
    /// The protocol that the server chose.
    pub protocol: Protocol,
}

impl Response {
    /// Grants a request.
    #[must_use]
    pub fn new(request: &Request, protocol: Protocol) -> Self {
        Self {
            accept: request.accept(),
            protocol,
        }
    }

    /// The response as libzmq sends it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        format!(
            "HTTP/1.1 101 Switching Protocols\r\n\
             Upgrade: websocket\r\n\
             Connection: Upgrade\r\n\
             Sec-WebSocket-Accept: {}\r\n\
             Sec-WebSocket-Protocol: {}\r\n\r\n",
            self.accept,
            self.protocol.as_str()
        )
        .into_bytes()
    }

    /// Reads a whole head, up to and including the empty line.
    ///
    /// # Errors
    ///
    /// What is wrong with it; [`UpgradeError::Protocol`] unless the server names one known protocol.
    pub fn decode(head: &[u8], limits: &Limits) -> Result<Self, UpgradeError> {
        check_head_size(head, limits)?;
        let mut fields = vec![httparse::EMPTY_HEADER; field_room(head, limits)];
        let mut response = httparse::Response::new(&mut fields);
        let status = response
            .parse(head)
            .map_err(|error| not_http(error, limits))?;
        if status != httparse::Status::Complete(head.len()) {
            return Err(UpgradeError::Malformed);
        }
        if response.version != Some(1) {
            return Err(UpgradeError::HttpVersion);
        }
        match response.code {
            Some(101) => {}
            Some(code) => return Err(UpgradeError::Status { code }),
            None => return Err(UpgradeError::Malformed),
        }
        let fields = Fields(response.headers);
        fields.check_upgrade()?;
        if fields.all("Sec-WebSocket-Extensions").next().is_some() {
            return Err(UpgradeError::Extension);
        }
        let accept = fields
            .only("Sec-WebSocket-Accept")
            .ok_or(UpgradeError::Accept)?;
        let mut chosen = fields.tokens("Sec-WebSocket-Protocol");
        let protocol = chosen
            .next()
            .filter(|_| chosen.next().is_none())
            .and_then(Protocol::from_name)
            .ok_or(UpgradeError::Protocol)?;
        Ok(Self {
            accept: accept.to_owned(),
            protocol,
        })
    }

    /// Makes sure that this answers the request, and tells which protocol the server chose.
    ///
    /// # Errors
    ///
    /// [`UpgradeError::Accept`] when the proof does not fit the key, [`UpgradeError::Protocol`] when
    /// the server chose a protocol that was not offered.
    pub fn check(&self, request: &Request) -> Result<Protocol, UpgradeError> {
        if self.accept != request.accept() {
            return Err(UpgradeError::Accept);
        }
        if request.protocols.contains(&self.protocol) {
            Ok(self.protocol)
        } else {
            Err(UpgradeError::Protocol)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::head::HEAD_END;
    use super::*;

    /// The request of RFC 6455, 1.3, but for the protocol.
    const REQUEST: &str = "GET /chat HTTP/1.1\r\n\
        Host: server.example.com\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
        Origin: http://example.com\r\n\
        Sec-WebSocket-Protocol: chat, ZWS2.0/NULL,ZWS2.0\r\n\
        Sec-WebSocket-Version: 13\r\n\r\n";

    fn decode(text: &str) -> Result<Request, UpgradeError> {
        Request::decode(text.as_bytes(), &Limits::default())
    }

    fn request() -> Request {
        decode(REQUEST).unwrap()
    }

    fn response() -> String {
        let response = Response::new(&request(), Protocol::Null).encode();
        String::from_utf8(response).unwrap()
    }

    // spec: RFC6455/4.2.2-accept: the accept value is the base64 of the SHA-1 of key and GUID
    #[test]
    fn answers_the_key_of_the_rfc() {
        let request = request();
        assert_eq!(&request.key, b"the sample nonce");
        assert_eq!(request.accept(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(
            (&*request.host, &*request.path),
            ("server.example.com", "/chat")
        );
    }

    // spec: RFC45/protocol: the server takes the client's first acceptable protocol
    #[test]
    fn the_client_s_order_of_protocols_counts() {
        let choose = |list: &str, accepted: &[Protocol]| {
            let text = REQUEST.replace("chat, ZWS2.0/NULL,ZWS2.0", list);
            decode(&text).unwrap().choose(accepted)
        };
        let both = [Protocol::Null, Protocol::Bare];
        assert_eq!(choose("ZWS2.0/NULL,ZWS2.0", &both), Ok(Protocol::Null));
        assert_eq!(choose("ZWS2.0 ,\tZWS2.0/NULL", &both), Ok(Protocol::Bare));
        let repeated = "soap\r\nSec-WebSocket-Protocol: ZWS2.0/PLAIN";
        assert_eq!(choose(repeated, &[Protocol::Plain]), Ok(Protocol::Plain));
        for none in ["zws2.0/null", "ZWS2.0/CURVE", "ZWS2.0NULL", ","] {
            assert_eq!(choose(none, &both), Err(UpgradeError::NoProtocol));
        }
    }

    // spec: RFC6455/4.2.1-request: a request has to be a GET of HTTP/1.1 with Host, Upgrade, Connection, key and version
    #[test]
    fn says_what_is_wrong_with_a_request() {
        let cases = [
            ("GET", "POST", UpgradeError::Method),
            ("HTTP/1.1", "HTTP/1.0", UpgradeError::HttpVersion),
            ("HTTP/1.1", "HTTP/2.0", UpgradeError::HttpVersion),
            ("Host", "Hostess", UpgradeError::Host),
            (
                "Upgrade: websocket",
                "Upgrade: h2c",
                UpgradeError::NotAnUpgrade,
            ),
            (
                "Connection: Upgrade",
                "Connection: close",
                UpgradeError::NotAnUpgrade,
            ),
            ("dGhl", "dGhl!", UpgradeError::Key),
            ("dGhlIHNhbXBsZSBub25jZQ==", "dGhl", UpgradeError::Key),
            // The same 16 bytes, encoded as nobody should.
            ("ZQ==", "ZR==", UpgradeError::Key),
            ("Sec-WebSocket-Key", "X-Key", UpgradeError::Key),
            (
                "Origin: http://example.com",
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
                UpgradeError::Key,
            ),
            ("Version: 13", "Version: 8", UpgradeError::WebSocketVersion),
            ("Origin:", "Origin", UpgradeError::Malformed),
            ("GET /chat", "\x01\x02", UpgradeError::Malformed),
            ("Origin:", "\r\n\r\n", UpgradeError::Malformed),
        ];
        for (from, to, expected) in cases {
            let text = REQUEST.replacen(from, to, 1);
            assert_ne!(text, REQUEST);
            assert_eq!(decode(&text), Err(expected), "{text}");
            let answer = expected.response();
            assert!(answer.starts_with(b"HTTP/1.1 ") && answer.ends_with(HEAD_END));
        }
        let cut = &REQUEST[..REQUEST.len() - 1];
        assert_eq!(decode(cut), Err(UpgradeError::Malformed));
        let limit = Limits::default().max_http_head_size;
        let long = decode(&"x".repeat(limit + 1));
        assert_eq!(long, Err(UpgradeError::HeadTooLong { limit }));
    }

    // spec: RFC6455/4.1-connection: field names and tokens are compared without case, lists may hold more
    #[test]
    fn takes_what_browsers_send() {
        let text = REQUEST
            .replace("Connection: Upgrade", "connection: keep-alive, upgrade")
            .replace("Upgrade: websocket", "UPGRADE: WebSocket");
        let heard = decode(&text).unwrap();
        assert_eq!(heard.protocols, request().protocols);
        assert_eq!(heard.origin.as_deref(), Some("http://example.com"));
        assert_eq!(heard.field("ORIGIN"), Some(&b"http://example.com"[..]));
    }

    // spec: RFC6455/4.2.1-body: our own rule: a request with a body or a transfer encoding is refused
    #[test]
    fn a_request_has_no_body() {
        for (field, expected) in [
            ("Content-Length: 5", Err(UpgradeError::Body)),
            ("Content-Length: 0", Ok(())),
            (
                "Content-Length: 0\r\nContent-Length: 1",
                Err(UpgradeError::Body),
            ),
            ("Transfer-Encoding: chunked", Err(UpgradeError::Body)),
            ("transfer-encoding: identity", Err(UpgradeError::Body)),
        ] {
            let text = REQUEST.replace("Origin:", &format!("{field}\r\nOrigin:"));
            assert_eq!(decode(&text).map(drop), expected, "{field}");
        }
        let twice = REQUEST.replace("Origin:", "Origin: null\r\nOrigin:");
        assert_eq!(decode(&twice), Err(UpgradeError::Origin));
    }

    /// Browsers throw at names with a slash, which no token has.
    // spec: RFC6455/4.1-token: the name of a subprotocol is a token; those of RFC 45 with a mechanism are none, so there are others
    // spec: RFC6455/4.2.2-protocol: the response names exactly one protocol, of those that the client offered
    #[test]
    fn there_are_names_that_a_browser_can_send() {
        let is_token = |name: &str| {
            name.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        };
        for protocol in Protocol::ALL {
            assert_eq!(Protocol::from_name(protocol.as_str()), Some(protocol));
        }
        let null = MechanismConfig::Null;
        let offered = Protocol::for_mechanism(&null);
        let accepted = Protocol::accepted_for(&null);
        assert!(offered.iter().all(|protocol| accepted.contains(protocol)));
        assert!(accepted.iter().any(|protocol| is_token(protocol.as_str())));
        let text = REQUEST.replace("chat, ZWS2.0/NULL,ZWS2.0", "ZWS2.0.NULL");
        let request = decode(&text).unwrap();
        let response = Response::new(&request, request.choose(accepted).unwrap()).encode();
        let text = String::from_utf8(response).unwrap();
        assert!(text.contains("Sec-WebSocket-Protocol: ZWS2.0.NULL\r\n"));
    }

    // spec: RFC6455/4.4-version: a client of another version is told by status 426 that this one is 13
    #[test]
    fn a_client_of_another_version_learns_which_one_to_speak() {
        let old = REQUEST.replace("Version: 13", "Version: 8");
        let answer = decode(&old).unwrap_err().response();
        let answer = str::from_utf8(answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 426 "), "{answer}");
        assert!(
            answer.contains("\r\nSec-WebSocket-Version: 13\r\n"),
            "{answer}"
        );
    }

    // spec: RFC6455/9.1-extensions: a server answers no extension, so that none is in use
    #[test]
    fn an_offered_extension_is_not_taken_up() {
        let offer = "Sec-WebSocket-Extensions: permessage-deflate\r\nOrigin:";
        let request = decode(&REQUEST.replace("Origin:", offer)).unwrap();
        let response = Response::new(&request, Protocol::Null).encode();
        let response = String::from_utf8(response).unwrap().to_lowercase();
        assert!(!response.contains("extension"), "{response}");
    }

    // spec: RFC6455/4.1-response: the client checks status, upgrade, accept value, protocol and extensions
    // spec: RFC6455/9.1-unasked-extension: a server that uses an extension which the client has not offered fails the connection
    #[test]
    fn a_client_checks_all_of_the_response() {
        let check =
            |text: &str| Response::decode(text.as_bytes(), &Limits::default())?.check(&request());
        assert_eq!(check(&response()), Ok(Protocol::Null));
        assert_eq!(
            check(&response().replace("Switching Protocols", "OK")),
            Ok(Protocol::Null)
        );
        let cases = [
            ("101", "200", UpgradeError::Status { code: 200 }),
            ("HTTP/1.1", "HTTP/1.0", UpgradeError::HttpVersion),
            ("Upgrade: websocket", "X: y", UpgradeError::NotAnUpgrade),
            ("Connection: Upgrade", "X: y", UpgradeError::NotAnUpgrade),
            ("s3pP", "S3pP", UpgradeError::Accept),
            ("Sec-WebSocket-Accept", "X", UpgradeError::Accept),
            ("ZWS2.0/NULL", "ZWS2.0/PLAIN", UpgradeError::Protocol),
            ("ZWS2.0/NULL", "soap", UpgradeError::Protocol),
            ("ZWS2.0/NULL", "ZWS2.0/NULL, ZWS2.0", UpgradeError::Protocol),
            ("Sec-WebSocket-Protocol", "X", UpgradeError::Protocol),
            (
                "Connection:",
                "Sec-WebSocket-Extensions: x\r\nConnection:",
                UpgradeError::Extension,
            ),
        ];
        for (from, to, expected) in cases {
            let text = response().replacen(from, to, 1);
            assert_eq!(check(&text), Err(expected), "{text}");
        }
    }

    #[test]
    fn the_number_of_fields_is_bounded() {
        let limit = Limits::default().max_http_fields;
        // The request has seven fields of its own.
        let with = |count: usize| {
            let more = "X: y\r\n".repeat(count - 7) + "Origin";
            decode(&REQUEST.replacen("Origin", &more, 1))
        };
        assert_eq!(with(limit).map(|request| request.fields.len()), Ok(limit));
        // The limit itself takes no memory.
        let limits = Limits::default().with_max_http_fields(usize::MAX);
        assert_eq!(Request::decode(REQUEST.as_bytes(), &limits), Ok(request()));
        assert_eq!(with(limit + 1), Err(UpgradeError::TooManyHeaders { limit }));
    }

    // spec: RFC6455/3-resource: what a client asks for is a host and a path of the characters that these may have
    #[test]
    fn host_and_path_cannot_smuggle() {
        assert!(Target::new("[::1]:80", "/a?b=c").is_ok());
        let long = "/".repeat(1025);
        for (host, path) in [
            ("", "/"),
            ("h", ""),
            ("h", "x"),
            ("h\r\nX: y", "/"),
            ("h", "/ HTTP/1.1\r\n"),
            ("h h", "/"),
            ("h", "/ä"),
            ("h", &*long),
        ] {
            assert_eq!(Target::new(host, path), Err(Error::InvalidLocalTarget));
        }
    }
}
