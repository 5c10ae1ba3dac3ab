//! Bounds on everything whose size or number the peer decides.

/// Bounds on everything whose size or number the peer decides.
///
/// Sizes of frames, messages and commands are checked when the header arrives, before any of the body
/// is stored; under CURVE, where a header tells neither what is in the box nor to which message it
/// belongs, as far as its size tells, and the rest when the box is open. What is counted within a
/// command, such as properties, is checked before anything is made of it. A peer that exceeds a limit
/// loses its connection with an error of [`Blame::Limit`](crate::Blame::Limit). The defaults suit a
/// peer that is not trusted, except that frames and messages may have any size, as in libzmq.
///
/// # Examples
///
/// ```
/// use zmtp::Limits;
///
/// let limits = Limits::default().with_max_frame_size(Some(1 << 20));
/// assert_eq!(limits.max_frame_size, Some(1_048_576));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest body of any frame after the handshake, commands included, in bytes. Default: none.
    ///
    /// This is `ZMQ_MAXMSGSIZE` of libzmq, where a limit smaller than the peer's READY makes every
    /// handshake fail. Here the handshake has a limit of its own,
    /// [`max_handshake_command_size`](Self::max_handshake_command_size).
    pub max_frame_size: Option<u64>,
    /// The longest message, all its frames together and commands that come between them, in bytes.
    /// Default: none.
    pub max_message_size: Option<u64>,
    /// The largest number of frames in one message, commands that come between them included.
    /// Default: 65,536; 0 counts as 1.
    pub max_frames: u32,
    /// The longest command after the handshake, in bytes. Default: 1 MiB.
    pub max_command_size: u64,
    /// The longest command during the handshake, in bytes. Default: 16 KiB.
    pub max_handshake_command_size: u64,
    /// The longest topic of a subscription, in bytes, however it travels. Default: 1 MiB.
    pub max_subscription_len: u64,
    /// The longest HTTP request or response of a WebSocket upgrade, in bytes. Default: 8 KiB.
    pub max_http_head_size: usize,
    /// The largest number of header fields in an HTTP request or response. Default: 64.
    pub max_http_fields: usize,
    /// The largest number of properties in the metadata. Default: 128.
    pub max_properties: usize,
    /// The longest metadata, all properties together as they travel, in bytes. Default: 16 KiB.
    pub max_metadata_size: usize,
}

impl Limits {
    /// Replaces [`max_frame_size`](Self::max_frame_size).
    #[must_use]
    pub const fn with_max_frame_size(mut self, bytes: Option<u64>) -> Self {
        self.max_frame_size = bytes;
        self
    }

    /// Replaces [`max_message_size`](Self::max_message_size).
    #[must_use]
    pub const fn with_max_message_size(mut self, bytes: Option<u64>) -> Self {
        self.max_message_size = bytes;
        self
    }

    /// Replaces [`max_frames`](Self::max_frames).
    #[must_use]
    pub const fn with_max_frames(mut self, frames: u32) -> Self {
        self.max_frames = frames;
        self
    }

    /// Replaces [`max_command_size`](Self::max_command_size).
    #[must_use]
    pub const fn with_max_command_size(mut self, bytes: u64) -> Self {
        self.max_command_size = bytes;
        self
    }

    /// Replaces [`max_handshake_command_size`](Self::max_handshake_command_size).
    #[must_use]
    pub const fn with_max_handshake_command_size(mut self, bytes: u64) -> Self {
        self.max_handshake_command_size = bytes;
        self
    }

    /// Replaces [`max_subscription_len`](Self::max_subscription_len).
    #[must_use]
    pub const fn with_max_subscription_len(mut self, bytes: u64) -> Self {
        self.max_subscription_len = bytes;
        self
    }

    /// Replaces [`max_metadata_size`](Self::max_metadata_size).
    #[must_use]
    pub const fn with_max_metadata_size(mut self, bytes: usize) -> Self {
        self.max_metadata_size = bytes;
        self
    }

    /// Replaces [`max_http_head_size`](Self::max_http_head_size).
    #[must_use]
    pub const fn with_max_http_head_size(mut self, bytes: usize) -> Self {
        self.max_http_head_size = bytes;
        self
    }

    /// Replaces [`max_http_fields`](Self::max_http_fields).
    #[must_use]
    pub const fn with_max_http_fields(mut self, fields: usize) -> Self {
        self.max_http_fields = fields;
        self
    }

    /// Replaces [`max_properties`](Self::max_properties).
    #[must_use]
    pub const fn with_max_properties(mut self, properties: usize) -> Self {
        self.max_properties = properties;
        self
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_size: None,
            max_message_size: None,
            max_frames: 65_536,
            max_command_size: 1 << 20,
            max_handshake_command_size: 16 << 10,
            max_subscription_len: 1 << 20,
            max_http_head_size: 8 << 10,
            max_http_fields: 64,
            max_properties: 128,
            max_metadata_size: 16 << 10,
        }
    }
}
