//! An encoded call with the numbers that its backward pass needs.

use crate::gpu::{GpuEncodedSaved, Wait};
use crate::identity::Identity;
use crate::interop::check;
use crate::network::Save;
use crate::{Buffers, Error, GradientBuffers, Result, Rnn};

/// An encoded call that was saved: the states and pre-activations that [`Rnn::encode_saved`] keeps on the GPU for
/// [`Rnn::encode_backward`].
#[derive(Debug)]
pub struct EncodedSaved {
    /// The network that made the saved call, and its weights.
    by: Identity,
    /// None once it was used.
    kept: Option<Box<GpuEncodedSaved>>,
}

/// # Gradients in a caller's buffers
impl Rnn {
    /// Records a call as [`encode`](Rnn::encode) does, and keeps the states and pre-activations that its backward
    /// pass needs.
    ///
    /// # Errors
    /// The errors of [`encode_async`](Rnn::encode_async).
    pub async fn encode_saved_async(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        buffers: &Buffers<'_>,
        save: Save,
    ) -> Result<EncodedSaved> {
        self.encode_saved_and_wait(encoder, buffers, save, Wait::Elsewhere).await
    }

    pub(crate) async fn encode_saved_and_wait(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        buffers: &Buffers<'_>,
        save: Save,
        wait: Wait,
    ) -> Result<EncodedSaved> {
        let weights = self.known_weights()?;
        let gpu = self.gpu("encode_saved")?;
        let arrays = check(weights.network(), buffers, gpu.limits().f16)?;
        let kept = gpu.encode_saved(weights, encoder, buffers, arrays, save, self.setup(), wait).await?;
        Ok(EncodedSaved { by: self.shared().identity, kept: Some(Box::new(kept)) })
    }

    /// Records the backward pass of a saved call, into the same encoder or a later one: from the gradients by the
    /// call's results to those by its arguments and weights. A saved call can be used once. The next saved call
    /// of the same shape takes its buffers, so that encoders are to be submitted in the order in which they were
    /// recorded.
    ///
    /// # Errors
    /// [`Error::SavedUsed`] for a saved call that was used before, [`Error::SavedElsewhere`] for a saved call of
    /// another network, [`Error::WeightsChanged`] after [`set_weights`](Rnn::set_weights), [`Error::Buffer`] and
    /// [`Error::Argument`] for arrays that do not fit the call, and the errors of
    /// [`encode_async`](Rnn::encode_async) about memory and the device. Nothing is recorded then, and the saved
    /// call can be used again.
    pub async fn encode_backward_async(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        saved: &mut EncodedSaved,
        buffers: &GradientBuffers<'_>,
    ) -> Result<()> {
        self.shared().identity.check(saved.by)?;
        let weights = self.known_weights()?;
        let gpu = self.gpu("encode_backward")?;
        let kept = saved.kept.as_ref().ok_or(Error::SavedUsed)?;
        let network = weights.network();
        let arrays = buffers.check(network, kept.outputs(), kept.size(), gpu.limits().f16)?;
        let wanted = buffers.wanted(network)?;
        let kept = saved.kept.take().ok_or(Error::SavedUsed)?;
        match gpu.encode_backward(network, encoder, *kept, arrays, &wanted, buffers.adds()).await {
            Ok(()) => Ok(()),
            Err((refused, kept)) => {
                saved.kept = Some(kept);
                Err(refused)
            }
        }
    }
}
