//! The network of arabic-diacritizer: an embedding, a bidirectional LSTM of three layers, attention over the
//! whole text, and a layer that gives each character a tag.

use crate::alphabet::{TAG_COUNT, row, rows};
use crate::ending::Failure;
use crate::shaped::shaped;
use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, Axis, s};
use rayon::prelude::*;
use std::path::Path;
use wgpu_rnn::file::{Arrays, Limits};
use wgpu_rnn::{Call, Engine, Rnn, Weights};

pub struct Tagger {
    /// `[rows, I]`.
    embedding: Array2<f32>,
    lstm: Rnn,
    attention: Attention,
    /// `[tags, D*H]`, and a bias for each tag.
    classifier: (Array2<f32>, Array1<f32>),
}

impl Tagger {
    /// Reads the network. All sizes but those of the alphabet are told by the file.
    pub fn open(path: &Path, engine: &Engine) -> Result<Tagger, Failure> {
        let arrays = Arrays::open(path, Limits::default())?;
        let weights = Weights::load(path)?;
        let config = weights.config();
        let (input, width) = (config.input_size, config.directions.count() * config.hidden_size);
        let matrix = |name: &str, rows: usize, columns: usize| -> Result<Array2<f32>, Failure> {
            shaped(path, &arrays, name, &[rows, columns])
        };
        Ok(Tagger {
            embedding: matrix("embedding.weight", rows(), input)?,
            attention: Attention {
                query: matrix("attention.W.weight", width, width)?,
                key: matrix("attention.U.weight", width, width)?,
                value: matrix("attention.v.weight", 1, width)?.index_axis_move(Axis(0), 0),
            },
            classifier: (
                matrix("classifier.weight", TAG_COUNT, width)?,
                shaped(path, &arrays, "classifier.bias", &[TAG_COUNT])?,
            ),
            lstm: Rnn::new(engine, weights),
        })
    }

    /// The tags of each text's characters. All texts are one call of the LSTM, each with its length.
    pub fn tags(&self, texts: &[Vec<char>]) -> Result<Vec<Vec<usize>>, Failure> {
        let lengths: Vec<usize> = texts.iter().map(Vec::len).collect();
        let steps = lengths.iter().copied().max().unwrap_or(0);
        if steps == 0 {
            return Ok(vec![Vec::new(); texts.len()]);
        }
        let mut input = Array3::zeros((steps, texts.len(), self.embedding.ncols()));
        for (n, text) in texts.iter().enumerate() {
            for (t, &character) in text.iter().enumerate() {
                input.slice_mut(s![t, n, ..]).assign(&self.embedding.row(row(character)));
            }
        }
        let output = self.lstm.call(&Call::new(&input).lengths(&lengths))?.output;
        let (weight, bias) = &self.classifier;
        let of_text = |(n, &length): (usize, &usize)| {
            if length == 0 {
                return Vec::new();
            }
            let context = self.attention.apply(output.slice(s![..length, n, ..]));
            let logits = context.dot(&weight.t()) + bias;
            logits.rows().into_iter().map(best).collect()
        };
        Ok(lengths.iter().enumerate().map(of_text).collect())
    }
}

/// The tag with the highest logit.
fn best(logits: ArrayView1<'_, f32>) -> usize {
    let places = 0..logits.len();
    places.max_by(|&one, &other| logits[one].total_cmp(&logits[other]).then(other.cmp(&one))).unwrap_or(0)
}

/// Additive attention (Bahdanau): of two characters, the score is v tanh(W h + U g).
struct Attention {
    /// W, `[C, C]`.
    query: Array2<f32>,
    /// U, `[C, C]`.
    key: Array2<f32>,
    /// v, `[C]`.
    value: Array1<f32>,
}

impl Attention {
    /// `[T, C]` to `[T, C]`: for each character, the mean of all characters' states, by their scores.
    ///
    /// tanh(q + k) is 1 - 2 / (1 + e^2q e^2k). So the exponentials are T for each of q and k, not T for each
    /// pair. In double precision they hold sums up to 350. The 1 gives every score the same, which softmax
    /// does not see.
    fn apply(&self, states: ArrayView2<'_, f32>) -> Array2<f32> {
        let (steps, width) = states.dim();
        let exponentials = |weight: &Array2<f32>| -> Vec<f64> {
            states.dot(&weight.t()).iter().map(|&x| (2.0 * f64::from(x)).exp()).collect()
        };
        let (queries, keys) = (exponentials(&self.query), exponentials(&self.key));
        let value: Vec<f64> = self.value.iter().map(|&v| -2.0 * f64::from(v)).collect();
        let mut weights = vec![0.0; steps * steps];
        weights.par_chunks_mut(steps).zip(queries.par_chunks(width)).for_each(|(weights, query)| {
            for (weight, key) in weights.iter_mut().zip(keys.chunks(width)) {
                *weight = score(query, key, &value);
            }
            let most = weights.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            weights.iter_mut().for_each(|score| *score = (*score - most).exp());
            let sum: f64 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
        });
        let weights = weights.into_iter().map(|weight| weight as f32).collect();
        Array2::from_shape_vec((steps, steps), weights).expect("a weight for each pair").dot(&states)
    }
}

/// Sums that are added up side by side, so that a processor computes several terms at once.
const LANES: usize = 8;

/// The sum of v / (1 + q k).
fn score(query: &[f64], key: &[f64], value: &[f64]) -> f64 {
    let term = |q: f64, k: f64, v: f64| v / (1.0 + q * k);
    let [(query, queries), (key, keys), (value, values)] =
        [query, key, value].map(|row| row.as_chunks::<LANES>());
    let mut sums = [0.0; LANES];
    for ((query, key), value) in query.iter().zip(key).zip(value) {
        for lane in 0..LANES {
            sums[lane] += term(query[lane], key[lane], value[lane]);
        }
    }
    let rest = queries.iter().zip(keys).zip(values).map(|((&q, &k), &v)| term(q, k, v));
    sums.iter().sum::<f64>() + rest.sum::<f64>()
}
