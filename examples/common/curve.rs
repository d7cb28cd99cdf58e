//! The curve of a training's losses.

/// Updates that a point of a curve is the mean of.
const POINT: usize = 10;

/// The points of a curve: each the mean of some losses, at the number of the last one, counted from 1.
pub fn points(losses: &[f64]) -> Vec<(f64, f64)> {
    let point = |(place, part): (usize, &[f64])| ((place * POINT + part.len()) as f64, mean(part));
    losses.chunks(POINT).enumerate().map(point).collect()
}

/// The mean of the newest losses.
pub fn newest(losses: &[f64]) -> f64 {
    mean(&losses[losses.len().saturating_sub(POINT)..])
}

fn mean(losses: &[f64]) -> f64 {
    losses.iter().sum::<f64>() / losses.len().max(1) as f64
}
