//! Options that are no options of `zsocket`, or look otherwise there.

use std::ffi::c_int;

use zsocket::{Interest, SocketType};

use super::form::{int, put, put_int, put_text};
use crate::{
    errno::Errno,
    poll::{POLLIN, POLLOUT},
    socket::{State, calls::type_number},
};

const SUBSCRIBE: c_int = 6;
const UNSUBSCRIBE: c_int = 7;
const RCVMORE: c_int = 13;
const FD: c_int = 14;
const EVENTS: c_int = 15;
const TYPE: c_int = 16;
const IPV4ONLY: c_int = 31;
const LAST_ENDPOINT: c_int = 32;
const MECHANISM: c_int = 43;
const PLAIN_PASSWORD: c_int = 46;
const ZAP_DOMAIN: c_int = 55;
const THREAD_SAFE: c_int = 81;
const USE_FD: c_int = 89;
const TOPICS_COUNT: c_int = 116;

/// Sets it, if it is one of these.
pub(super) fn set(
    state: &mut State,
    option: c_int,
    value: Option<&[u8]>,
) -> Option<Result<(), Errno>> {
    Some(match option {
        RCVMORE | FD | EVENTS | TYPE | LAST_ENDPOINT | MECHANISM | THREAD_SAFE | TOPICS_COUNT => {
            Err(Errno::INVAL)
        }
        // Of an XSUB that is a message.
        SUBSCRIBE | UNSUBSCRIBE if state.kind == SocketType::XSub => Err(Errno::INVAL),
        IPV4ONLY => int(value).and_then(|only| match only {
            0 | 1 => Ok(state.socket.set_ipv6(only == 0)?),
            _ => Err(Errno::INVAL),
        }),
        USE_FD => int(value).and_then(|descriptor| match descriptor {
            -1.. => {
                state
                    .said
                    .set_use_fd((descriptor >= 0).then_some(descriptor));
                Ok(())
            }
            _ => Err(Errno::INVAL),
        }),
        PLAIN_PASSWORD => {
            if let Some(password @ [_, ..]) = value {
                state.said.secrets.insert(option, password.to_vec().into());
            } else {
                state.said.secrets.remove(&option);
            }
            return None;
        }
        _ => return None,
    })
}

/// Reads it, if it is one of these.
pub(super) fn get(state: &mut State, option: c_int, to: &mut [u8]) -> Option<Result<usize, Errno>> {
    Some(match option {
        RCVMORE => put_at_least(state.is_more().into(), to),
        FD => state
            .descriptor()
            .and_then(|descriptor| put_at_least(descriptor, to)),
        EVENTS => {
            state.begin_look(true);
            state.events(Interest::BOTH).and_then(|ready| {
                let mut events = 0;
                if ready.can_recv() {
                    events |= c_int::from(POLLIN);
                }
                if ready.can_send() {
                    events |= c_int::from(POLLOUT);
                }
                put_at_least(events, to)
            })
        }
        TYPE => put_int(type_number(state.kind), to),
        IPV4ONLY => put_int((!state.socket.ipv6()).into(), to),
        LAST_ENDPOINT => {
            let endpoint = state.socket.last_endpoint();
            let text = endpoint
                .map(|endpoint| endpoint.to_string())
                .unwrap_or_default();
            put_text(text.as_bytes(), to)
        }
        MECHANISM => {
            let number = match state.socket.security().mechanism_name() {
                "PLAIN" => 1,
                "CURVE" => 2,
                _ => 0,
            };
            put_int(number, to)
        }
        ZAP_DOMAIN => {
            let security = state.socket.security();
            put_text(security.zap_domain(), to)
        }
        THREAD_SAFE => put_at_least(0, to),
        USE_FD => put_int(state.said.use_fd().unwrap_or(-1), to),
        TOPICS_COUNT => match state.socket.option("topics_count") {
            Ok(zsocket::Value::Integer(count)) => {
                put_at_least(c_int::try_from(count).unwrap_or(c_int::MAX), to)
            }
            Err(zsocket::Error::Terminated) => Err(Errno::TERM),
            _ => Err(Errno::INVAL),
        },
        _ => return None,
    })
}

/// Writes a number for which there may be more room than it takes.
fn put_at_least(value: c_int, to: &mut [u8]) -> Result<usize, Errno> {
    put(&value.to_ne_bytes(), to)
}
