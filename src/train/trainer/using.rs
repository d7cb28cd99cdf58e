//! The network of a trainer: predictions, losses, weights.

use super::{On, Trainer};
use crate::gpu::Wait;
use crate::train::{HeadWeights, LossValue, Targets};
use crate::{Call, Error, Output, Result, Weights};
use ndarray::Array3;

/// # Using the network
impl Trainer {
    /// The predictions of a call, `[T, N, C]`, without dropout.
    ///
    /// # Errors
    /// [`Error::Argument`] for a call with dropout, [`Error::Unsupported`] for lengths on the GPU, and the
    /// errors of [`Rnn::call`](crate::Rnn::call).
    pub async fn predict_async(&mut self, call: &Call<'_>) -> Result<Array3<f32>> {
        self.run_predict(call, Wait::Elsewhere).await
    }

    pub(crate) async fn run_predict(&mut self, call: &Call<'_>, wait: Wait) -> Result<Array3<f32>> {
        if let On::Device(training) = &mut self.on {
            training.read_head(&self.rnn, &mut self.head).await?;
        }
        let call = self.own_call(call)?;
        let checked = self.rnn.network().checked(&call)?;
        if checked.lengths_on_gpu.is_some() {
            let (expected, found) = ("lengths on the host".into(), "lengths on the GPU".into());
            return Err(Error::Unsupported { name: "lengths_on_gpu", expected, found });
        }
        let lengths = checked.lengths;
        let output: Output = self.rnn.run(&call, None, wait).await?;
        let features = self.head.features(&output, lengths.as_deref())?;
        self.head.predict(&features)
    }

    /// The loss of a batch, without dropout.
    ///
    /// # Errors
    /// The errors of [`predict_async`](Trainer::predict_async) and of
    /// [`Loss::evaluate`](crate::train::Loss::evaluate).
    pub async fn evaluate_async(&mut self, call: &Call<'_>, targets: &Targets) -> Result<LossValue> {
        self.run_evaluate(call, targets, Wait::Elsewhere).await
    }

    pub(crate) async fn run_evaluate(
        &mut self,
        call: &Call<'_>,
        targets: &Targets,
        wait: Wait,
    ) -> Result<LossValue> {
        let predictions = self.run_predict(call, wait).await?;
        let lengths = self.rnn.network().checked(call)?.lengths;
        self.loss.evaluate(&predictions, targets, lengths.as_deref())
    }

    /// The weights of the network and of the head as they are now.
    ///
    /// # Errors
    /// The errors of [`Rnn::call`](crate::Rnn::call) about memory and the device.
    pub async fn weights_async(&mut self) -> Result<(&Weights, &HeadWeights)> {
        if let On::Device(training) = &mut self.on {
            training.read_weights(&mut self.rnn, &mut self.head).await?;
        }
        Ok((self.rnn.known_weights()?, &self.head))
    }

    /// The weights of the network and of the head by PyTorch's names, as a safetensors file.
    /// [`Weights::load`] reads the file, and leaves the head out.
    ///
    /// # Errors
    /// The errors of [`weights_async`](Trainer::weights_async) and of [`Weights::to_safetensors`].
    pub async fn to_safetensors_async(&mut self) -> Result<Vec<u8>> {
        self.weights_async().await?;
        let made_by = serde_json::json!({ "step": self.progress.steps, "settings": self.settings_as_json() });
        let head = self.head.params().tensors();
        self.rnn.known_weights()?.to_safetensors_beside(head, &made_by.to_string())
    }

    /// Writes [`to_safetensors_async`](Trainer::to_safetensors_async) beside first and then into its place.
    ///
    /// # Errors
    /// The errors of [`to_safetensors_async`](Trainer::to_safetensors_async) and of
    /// [`file::replace`](crate::file::replace).
    pub async fn save_async(&mut self, path: impl AsRef<std::path::Path>) -> Result<()> {
        crate::io::replace(path, &self.to_safetensors_async().await?)
    }

    /// The engine.
    pub fn engine(&self) -> &crate::Engine {
        self.rnn.engine()
    }

    /// Updates of the parameters so far.
    pub fn steps(&self) -> u64 {
        self.progress.steps
    }

    /// The next step's learning rate.
    pub fn learning_rate(&self) -> f64 {
        let base = self.optimizer.learning_rate();
        self.settings.schedule.learning_rate(base, self.progress.steps, &self.progress.schedule)
    }
}
