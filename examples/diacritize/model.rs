//! The network of arabic-diacritizer: an embedding, a bidirectional LSTM of three layers, attention over the
//! whole text, and a layer that gives each character a tag.

use crate::alphabet::{TAG_COUNT, row, rows};
use crate::ending::Failure;
use crate::shaped::shaped;
use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, Axis, s};
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
        let exponentials =
            |weight: &Array2<f32>| states.dot(&weight.t()).mapv(|x| (2.0 * f64::from(x)).exp());
        let (queries, keys) = (exponentials(&self.query), exponentials(&self.key));
        let value = self.value.mapv(|v| -2.0 * f64::from(v));
        let mut weights = Array2::zeros((states.nrows(), states.nrows()));
        for (query, mut weights) in queries.rows().into_iter().zip(weights.rows_mut()) {
            for (key, weight) in keys.rows().into_iter().zip(&mut weights) {
                let terms = query.iter().zip(key).zip(&value);
                *weight = terms.map(|((q, k), v)| v / (1.0 + q * k)).sum::<f64>();
            }
            let most = weights.fold(f64::NEG_INFINITY, |most, &score| most.max(score));
            weights.mapv_inplace(|score| (score - most).exp());
            let sum = weights.sum();
            weights /= sum;
        }
        weights.mapv(|weight| weight as f32).dot(&states)
    }
}
