//! Strings of digits as the touch tones of a telephone, in noise.
//!
//! A digit is two tones at a time, one of four low frequencies and one of three high ones. A step has the
//! levels that a filter of each frequency would measure in white noise: the magnitude of the tone, or of
//! nothing, plus a complex Gaussian number. Tones and the gaps between them differ in length, and digits in
//! loudness.

use ndarray::Array3;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// The levels of a step: 697, 770, 852, 941, 1209, 1336 and 1477 Hz.
pub const FEATURES: usize = 7;

/// The digits, and the blank before them: digit d is class d + 1.
pub const CLASSES: usize = 11;

pub const BLANK: usize = 0;

/// Steps of a tone, of a gap between tones, and of the silence around all.
const TONE: std::ops::RangeInclusive<usize> = 4..=10;
const GAP: std::ops::RangeInclusive<usize> = 2..=6;

/// The loudness of a digit.
const LOUDNESS: std::ops::Range<f32> = 0.75..1.25;

/// Strings as sequences, and the strings.
#[derive(Debug, PartialEq)]
pub struct Strings {
    /// `[T, N, 7]`, zero past the end of a sequence.
    pub input: Array3<f32>,
    pub lengths: Vec<usize>,
    /// Classes of the digits.
    pub labels: Vec<Vec<i32>>,
}

/// The batch of a number, the same one for the same seed: strings of 1 to `digits` digits, and `noise`, the
/// standard deviation of both parts of the noise, where a tone's level is about 1.
pub fn strings(seed: u64, number: u64, batch: usize, digits: usize, noise: f32) -> Strings {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    let (mut steps, mut labels) = (Vec::new(), Vec::new());
    for _ in 0..batch {
        let count = rng.random_range(1..=digits);
        let string: Vec<usize> = (0..count).map(|_| rng.random_range(0..10)).collect();
        steps.push(sequence(&mut rng, &string, noise));
        labels.push(string.iter().map(|&digit| digit as i32 + 1).collect());
    }
    let lengths: Vec<usize> = steps.iter().map(Vec::len).collect();
    let longest = lengths.iter().copied().max().unwrap_or(0);
    let input = Array3::from_shape_fn((longest, batch, FEATURES), |(t, n, feature)| {
        steps[n].get(t).map_or(0.0, |levels| levels[feature])
    });
    Strings { input, lengths, labels }
}

/// The steps of a string.
fn sequence(rng: &mut ChaCha8Rng, string: &[usize], noise: f32) -> Vec<[f32; FEATURES]> {
    let mut steps = Vec::new();
    let mut hear = |rng: &mut ChaCha8Rng, count: usize, tones: [f32; FEATURES]| {
        for _ in 0..count {
            steps.push(tones.map(|tone| {
                let [real, imaginary] = gaussians(rng);
                (tone + noise * real).hypot(noise * imaginary)
            }));
        }
    };
    let silence = rng.random_range(GAP);
    hear(rng, silence, [0.0; FEATURES]);
    for &digit in string {
        let (loudness, count, gap) =
            (rng.random_range(LOUDNESS), rng.random_range(TONE), rng.random_range(GAP));
        let pair = tones(digit);
        let level = |feature| if pair.contains(&feature) { loudness } else { 0.0 };
        hear(rng, count, std::array::from_fn(level));
        hear(rng, gap, [0.0; FEATURES]);
    }
    steps
}

/// The features of a digit's low and high frequency, as on a telephone's keys: 0 is below 8.
fn tones(digit: usize) -> [usize; 2] {
    match digit {
        0 => [3, 5],
        digit => [(digit - 1) / 3, 4 + (digit - 1) % 3],
    }
}

/// Two numbers of a standard normal distribution (Box and Muller).
fn gaussians(rng: &mut ChaCha8Rng) -> [f32; 2] {
    let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
    let angle = std::f32::consts::TAU * rng.random::<f32>();
    [radius * angle.cos(), radius * angle.sin()]
}
