//! Sound from WAV files.

use crate::ending::Failure;
use std::path::Path;

/// A recording, from -1 to 1.
pub struct Recording {
    /// Samples a second.
    pub rate: usize,
    pub channels: usize,
    /// A sample of each channel after the other.
    samples: Vec<f32>,
}

impl Recording {
    /// Reads a file of 8, 16, 24 or 32 bits, or of 32-bit floats.
    pub fn open(path: &Path) -> Result<Recording, Failure> {
        let named = |error: hound::Error| format!("{}: {error}", path.display());
        let bytes = std::io::Cursor::new(wgpu_rnn::file::read(path)?);
        let mut reader = hound::WavReader::new(bytes).map_err(named)?;
        let spec = reader.spec();
        let samples: Result<Vec<f32>, _> = match spec.sample_format {
            hound::SampleFormat::Float => reader.samples::<f32>().collect(),
            hound::SampleFormat::Int => {
                let full = (1_u64 << (spec.bits_per_sample - 1)) as f32;
                reader.samples::<i32>().map(|sample| sample.map(|sample| sample as f32 / full)).collect()
            }
        };
        let samples = samples.map_err(named)?;
        if let Some(wrong) = samples.iter().find(|sample| !sample.is_finite()) {
            return Err(format!("{}: expected finite samples, found {wrong}", path.display()).into());
        }
        Ok(Recording { rate: spec.sample_rate as usize, channels: usize::from(spec.channels), samples })
    }

    /// The samples of each moment.
    pub fn moments(&self) -> impl Iterator<Item = &[f32]> {
        self.samples.chunks_exact(self.channels)
    }
}
