//! The proxy that tcp endpoints are connected to through.

use std::fmt;

use ztransport::{Endpoint, ProxyConfig};

use super::ALL_TYPES;
use super::macros::{common, given, zmq};

common! {
    /// Connecting through a proxy.
    PROXY for Pattern ALL_TYPES {
        /// The SOCKS5 proxy, as `host:port`, through which later tcp endpoints are connected to; `None`, the default, is none.
        /// Names of hosts are looked up by the proxy. What is bound is not concerned, nor is ipc. The event
        /// [`Connected`](crate::Event::Connected) tells the proxy's address; what the proxy refuses is an
        /// [`ConnectFailed`](crate::Event::ConnectFailed), after which it is tried again. `ZMQ_SOCKS_PROXY`.
        SOCKS_PROXY = socks_proxy / set_socks_proxy / socks_proxy: Option<String>,
        zmq "ZMQ_SOCKS_PROXY" 68,
        when LaterEndpoints,
        at |options| options.proxy.address,
        store |address| address.filter(|address| !address.is_empty()),
        check |value| value.as_ref().is_none_or(|address| address.is_empty() || is_host_and_port(address))
            => "none or a host and a port, as in proxy.example:1080";

        /// The user name for the proxy, which is told of it only if it asks; `None`, the default, is none. For later
        /// endpoints. `ZMQ_SOCKS_USERNAME`.
        SOCKS_USERNAME = socks_username / set_socks_username / socks_username: Option<String>,
        zmq "ZMQ_SOCKS_USERNAME" 99,
        when LaterEndpoints,
        at |options| options.proxy.username,
        store |name| name.filter(|name| !name.is_empty()),
        check |value| value.as_ref().is_none_or(|name| name.len() <= 255) => "none or at most 255 bytes";

        /// The password for the proxy, which travels in the clear; `None`, the default, is an empty one. Without a
        /// [user name](crate::Socket::set_socks_username) it does not matter. For later endpoints. `ZMQ_SOCKS_PASSWORD`.
        SOCKS_PASSWORD = socks_password / set_socks_password / socks_password: Option<String>,
        zmq "ZMQ_SOCKS_PASSWORD" 100,
        when LaterEndpoints,
        at |options| options.proxy.password,
        store |password| password.filter(|password| !password.is_empty()),
        check |value| value.as_ref().is_none_or(|password| password.len() <= 255)
            => "none or at most 255 bytes";
    }
}

/// What is known about the proxy.
#[derive(Clone, Default)]
pub(crate) struct Proxy {
    address: Option<String>,
    username: Option<String>,
    password: Option<String>,
}

impl Proxy {
    /// As connections know it.
    pub(super) fn config(&self) -> Option<ProxyConfig> {
        let proxy = proxy_at(self.address.as_deref()?)?;
        let Some(username) = &self.username else {
            return Some(proxy);
        };
        let password = self.password.as_deref().unwrap_or_default();
        // Both were checked when they were set.
        proxy.with_login(username.as_bytes(), password.as_bytes())
    }
}

impl fmt::Debug for Proxy {
    /// Without the user name and the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

fn is_host_and_port(text: &str) -> bool {
    proxy_at(text).is_some()
}

fn proxy_at(text: &str) -> Option<ProxyConfig> {
    let endpoint = Endpoint::parse(&format!("tcp://{text}")).ok()?;
    endpoint.for_connect().ok()?;
    match endpoint {
        Endpoint::Tcp(tcp) if tcp.source().is_none() => Some(ProxyConfig::new(tcp)),
        _ => None,
    }
}
