//! Many measurements as a few numbers.

use std::time::Duration;

/// The middle of repeated measurements, and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The smallest.
    pub min: f64,
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Sums up measurements; `None` if there are none.
    #[must_use]
    pub fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        Some(Self { min, median, max })
    }
}

/// What half, and what nearly all of many durations stay below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Percentiles {
    /// Half took at most this.
    pub p50: Duration,
    /// 99 of 100 took at most this.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

impl Percentiles {
    /// Sums up durations, in any order; `None` if there are none.
    #[must_use]
    pub fn of(mut samples: Vec<Duration>) -> Option<Self> {
        samples.sort_unstable();
        let max = *samples.last()?;
        let at = |percent: usize| samples[(samples.len() * percent).div_ceil(100) - 1];
        Some(Self {
            p50: at(50),
            p99: at(99),
            max,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_or_between_the_middle_two() {
        let spread = Spread::of(&[3.0, 1.0, 2.0]).unwrap();
        assert_eq!(
            spread,
            Spread {
                min: 1.0,
                median: 2.0,
                max: 3.0
            }
        );
        assert_eq!(Spread::of(&[4.0, 1.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(&[]), None);
    }

    #[test]
    fn percentiles_are_samples() {
        let us = Duration::from_micros;
        let all = Percentiles::of((1..=200).rev().map(us).collect()).unwrap();
        assert_eq!(
            all,
            Percentiles {
                p50: us(100),
                p99: us(198),
                max: us(200)
            }
        );
        let one = Percentiles::of(vec![us(7)]).unwrap();
        assert_eq!(
            one,
            Percentiles {
                p50: us(7),
                p99: us(7),
                max: us(7)
            }
        );
        assert_eq!(Percentiles::of(Vec::new()), None);
    }
}
