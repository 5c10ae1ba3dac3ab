//! ZPL: what is read lies in the text, and is read again as the same when it is written.

use zmtp::zpl::{self, Problem, Property};

/// The bytes are the text, if they are any.
///
/// # Panics
///
/// If a property does not hold.
pub fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else {
        return;
    };
    let mut written = String::new();
    let mut read = Vec::new();
    let (mut line, mut deepest) = (0, 0);
    let mut properties = zpl::parse(text);
    for result in &mut properties {
        match result {
            Ok(property) => {
                assert!(property.line() > line, "lines go on");
                assert!(property.depth() <= deepest, "it belongs to something");
                (line, deepest) = (property.line(), property.depth() + 1);
                assert!(text.contains(property.name()));
                assert!(property.value().is_none_or(|value| text.contains(value)));
                let again = Property::new(property.depth(), property.name(), property.value());
                match again {
                    Ok(again) => {
                        written.push_str(&again.to_string());
                        read.push((property.depth(), property.name(), property.value()));
                    }
                    // Without quotes around it a value may have both kinds.
                    Err(problem) => {
                        assert_eq!(problem, Problem::Value);
                        let value = property.value().unwrap_or_default();
                        assert!(value.contains('"') && value.contains('\''));
                        return;
                    }
                }
            }
            Err(error) => assert!(error.line() > line && error.line() <= text.split('\n').count()),
        }
    }
    assert!(properties.next().is_none());
    let again: Result<Vec<_>, _> = zpl::parse(&written)
        .map(|it| it.map(|it| (it.depth(), it.name(), it.value())))
        .collect();
    assert_eq!(again, Ok(read));
}
