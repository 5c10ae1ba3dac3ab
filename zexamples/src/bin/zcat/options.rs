//! The options that a socket has.

use zexamples::say;
use zsocket::{Access, OptionId, SocketType};

/// Prints what there is to know about each option of a type in a line or two.
pub(crate) fn list(kind: SocketType) {
    let of_kind = |option: &OptionId| {
        option.socket_types().contains(&kind) && option.access() != Access::ReadOnly
    };
    for option in OptionId::all().filter(of_kind) {
        let default = option
            .default_value()
            .map_or_else(String::new, |value| format!(" [default: {value}]"));
        let zmq = option
            .zmq_name()
            .map_or_else(String::new, |name| format!(" ({name})"));
        say(format_args!(
            "{}={}{default}{zmq}",
            option.name(),
            option.kind()
        ));
        let summary = option.documentation().split("\n\n").next();
        let summary = summary.unwrap_or_default().replace('\n', " ");
        say(format_args!("    {}", summary.trim()));
    }
}
