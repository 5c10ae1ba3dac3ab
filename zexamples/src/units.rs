//! Numbers for people: three significant digits and a unit.

use std::time::Duration;

/// A rate with a decimal multiplier: `31.2 M`, `870 k`, `12.0`.
#[must_use]
pub fn rate(per_second: f64) -> String {
    let (value, suffix) = match per_second {
        r if r >= 1e9 => (r / 1e9, " G"),
        r if r >= 1e6 => (r / 1e6, " M"),
        r if r >= 1e3 => (r / 1e3, " k"),
        r => (r, ""),
    };
    format!("{}{suffix}", three_digits(value))
}

/// A size in bytes with a binary multiplier, exact where it can be: `64 B`, `16 KiB`, `1.50 MiB`.
#[must_use]
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "KiB", "MiB", "GiB"];
    let mut unit = 0;
    let mut scale = 1;
    while unit + 1 < UNITS.len() && bytes >= scale * 1024 {
        unit += 1;
        scale *= 1024;
    }
    if bytes.is_multiple_of(scale) {
        format!("{} {}", bytes / scale, UNITS[unit])
    } else {
        format!(
            "{} {}",
            three_digits(bytes as f64 / scale as f64),
            UNITS[unit]
        )
    }
}

/// A difference of bytes, with its sign.
#[must_use]
pub fn signed_bytes(difference: i64) -> String {
    let sign = if difference < 0 { '-' } else { '+' };
    format!("{sign}{}", bytes(difference.unsigned_abs()))
}

/// A time in microseconds: `24.3 us`.
#[must_use]
pub fn micros(time: Duration) -> String {
    format!("{} us", three_digits(time.as_secs_f64() * 1e6))
}

/// Three significant digits, never in scientific notation.
#[must_use]
pub fn three_digits(value: f64) -> String {
    let decimals = match value.abs() {
        v if v >= 99.95 => 0,
        v if v >= 9.995 => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_keep_three_digits() {
        assert_eq!(rate(31_234_567.0), "31.2 M");
        assert_eq!(rate(870_400.0), "870 k");
        assert_eq!(rate(9.996), "10.0");
    }

    #[test]
    fn whole_multiples_are_printed_exactly() {
        assert_eq!(bytes(0), "0 B");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(65_536), "64 KiB");
        assert_eq!(bytes(1_572_864), "1.50 MiB");
        assert_eq!(signed_bytes(-2048), "-2 KiB");
    }

    #[test]
    fn times_are_in_microseconds() {
        assert_eq!(micros(Duration::from_nanos(24_320)), "24.3 us");
    }
}
