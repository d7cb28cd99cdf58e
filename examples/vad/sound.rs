//! A recording as the network hears it: one channel, 16,000 samples a second.

use crate::ending::Failure;
use crate::wav::Recording;
use rubato::audioadapter_buffers::owned::InterleavedOwned;
use rubato::{Async, FixedAsync, Resampler, SincInterpolationParameters};
use std::ops::RangeInclusive;
use std::path::Path;

/// Samples a second.
pub const RATE: usize = 16_000;

/// Rates that are converted.
const RATES: RangeInclusive<usize> = 4_000..=384_000;

/// Samples that are converted at a time.
const CHUNK: usize = 1024;

/// The mean of all channels, at the network's rate.
pub fn read(path: &Path) -> Result<Vec<f32>, Failure> {
    let recording = Recording::open(path)?;
    let channels = recording.channels as f32;
    let mono: Vec<f32> = recording.moments().map(|moment| moment.iter().sum::<f32>() / channels).collect();
    match recording.rate {
        RATE => Ok(mono),
        rate if RATES.contains(&rate) => Ok(resample(mono, rate)?),
        rate => {
            let expected = format!("{} to {} samples a second", RATES.start(), RATES.end());
            Err(format!("{}: expected {expected}, found {rate}", path.display()).into())
        }
    }
}

/// Band-limited: what the lower rate cannot have is filtered out.
fn resample(samples: Vec<f32>, rate: usize) -> Result<Vec<f32>, Failure> {
    let (ratio, sinc) = (RATE as f64 / rate as f64, SincInterpolationParameters::default());
    let mut resampler = Async::new_sinc(ratio, 1.0, &sinc, CHUNK, 1, FixedAsync::Input)?;
    let len = samples.len();
    let samples = InterleavedOwned::new_from(samples, 1, len)?;
    Ok(resampler.process_all(&samples, len, None)?.take_data())
}
