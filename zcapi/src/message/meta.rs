//! What a message tells about the peer that it came from: `zmq_msg_gets`.

use std::ffi::{CStr, CString};

use zsocket::{Endpoint, PeerAddress, PeerInfo, ProcessCredentials};

/// Properties by name, first those that are certain. Shared by all messages of a connection.
#[derive(Debug, Default)]
pub(crate) struct Meta(Vec<(Vec<u8>, CString)>);

impl Meta {
    /// What is known about a peer; nothing over inproc, as with libzmq.
    pub(crate) fn of(peer: &PeerInfo) -> Option<Self> {
        if matches!(peer.endpoint, Endpoint::Inproc(_)) {
            return None;
        }
        let mut meta = Self::default();
        if let Some(address) = &peer.address {
            meta.push(b"Peer-Address", address_text(address).as_bytes());
        }
        if !peer.user_id.is_empty() {
            meta.push(b"User-Id", &peer.user_id);
        }
        for (name, value) in peer.trusted.iter().chain(peer.properties.iter()) {
            meta.push(name, value);
        }
        if let Some(socket_type) = peer.socket_type {
            meta.push(b"Socket-Type", socket_type.name().as_bytes());
        }
        // The name in the manual of what travels as `Identity`.
        if let Some(identity) = meta.get(b"Identity").map(CStr::to_owned) {
            meta.push(b"Routing-Id", identity.as_bytes());
        }
        Some(meta)
    }

    fn push(&mut self, name: &[u8], value: &[u8]) {
        // A C string ends at its first zero.
        let value = value.split(|byte| *byte == 0).next().unwrap_or_default();
        if let Ok(value) = CString::new(value) {
            self.0.push((name.to_vec(), value));
        }
    }

    /// The first of this name counts.
    pub(crate) fn get(&self, name: &[u8]) -> Option<&CStr> {
        let found = self.0.iter().find(|(other, _)| other == name);
        found.map(|(_, value)| value.as_c_str())
    }
}

fn address_text(address: &PeerAddress) -> String {
    match address {
        PeerAddress::Tcp(address) => address.ip().to_string(),
        PeerAddress::Ipc {
            credentials: Some(ProcessCredentials { pid, uid, gid }),
            ..
        } => format!("localhost:{uid}:{gid}:{}", pid.unwrap_or(0)),
        PeerAddress::Ipc { .. } => "localhost".to_owned(),
        _ => String::new(),
    }
}
