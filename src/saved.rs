//! A forward call with the numbers that its backward pass needs.

use crate::call::Checked;
use crate::cpu::CpuSaved;
use crate::gpu::{GpuSaved, Wait};
use crate::identity::Identity;
use crate::network::{Outputs, Save};
use crate::rnn::OnEngine;
use crate::{
    Call, CallGradients, Dropout, Error, Output, OutputGradients, Result, Rnn, State, Wanted, reference,
};
use ndarray::{Array3, CowArray};

/// A saved call: the numbers that [`Rnn::forward_saved`] keeps for [`Rnn::backward`].
#[derive(Debug)]
pub struct Saved {
    /// The network that made the saved call, and its weights.
    by: Identity,
    /// None once it was used.
    kept: Option<Kept>,
}

#[derive(Debug)]
enum Kept {
    Cpu(CpuSaved),
    Gpu(Box<GpuSaved>),
    /// The reference keeps the call, and computes it again on its tape.
    Reference(Box<Again>),
}

/// A call's own copy.
#[derive(Debug)]
struct Again {
    input: Array3<f32>,
    state: Option<State>,
    lengths: Option<Vec<usize>>,
    outputs: Outputs,
    dropout: Option<Dropout>,
}

/// # Gradients
impl Rnn {
    /// Computes a call, and keeps all that its backward pass needs. There is no training mode: every call can
    /// be saved, and any number of saved calls may be there at once. Lengths that are on the GPU are read
    /// back first.
    ///
    /// # Errors
    /// The errors of [`call_async`](Rnn::call_async); [`Error::Memory`] and [`Error::OutOfMemory`] name the
    /// bytes of both savings.
    pub async fn forward_saved_async(&self, call: &Call<'_>) -> Result<(Output, Saved)> {
        self.run_saved(call, Save::Gates, Wait::Elsewhere).await
    }

    /// The same as [`forward_saved_async`](Rnn::forward_saved_async), with a choice of what is kept: less
    /// memory, or a faster backward pass.
    ///
    /// # Errors
    /// The errors of [`forward_saved_async`](Rnn::forward_saved_async).
    pub async fn forward_saving_async(&self, call: &Call<'_>, save: Save) -> Result<(Output, Saved)> {
        self.run_saved(call, save, Wait::Elsewhere).await
    }

    pub(crate) async fn run_saved(&self, call: &Call<'_>, save: Save, wait: Wait) -> Result<(Output, Saved)> {
        let checked = self.network().checked(call)?;
        let weights = self.weights_for(&checked)?;
        let (output, kept) = match &self.shared().on_engine {
            OnEngine::Gpu(gpu) => {
                let (output, saved) = gpu.forward_saved(weights, &checked, save, self.setup(), wait).await?;
                (output, Kept::Gpu(Box::new(saved)))
            }
            OnEngine::Cpu(cpu) => {
                let (output, saved) = cpu.call_saved(weights, &checked, save)?;
                (output, Kept::Cpu(saved))
            }
            OnEngine::Reference => {
                let output = reference::call(weights, call)?;
                (output, Kept::Reference(Box::new(Again::of(&checked))))
            }
        };
        Ok((output, Saved { by: self.shared().identity, kept: Some(kept) }))
    }

    /// Computes the gradients of a loss by input, initial states and weights of a saved call, from the
    /// gradients by the call's outputs. A saved call can be used once.
    ///
    /// All gradients are f32. With [`Dtype::F16`](crate::Dtype) those by pre-activations are stored as f16:
    /// small ones become zero, and from 65,520 on they become infinite, and all that follows from them NaN. A
    /// factor on the gradients that are given (loss scaling) keeps them between 6.1e-5 and 65,504; a gradient
    /// by weights that is not finite tells that the factor was too large.
    ///
    /// ```
    /// use ndarray::Array3;
    /// use wgpu_rnn::{Call, Config, Engine, Init, OutputGradients, Rnn};
    ///
    /// # fn main() -> wgpu_rnn::Result<()> {
    /// let rnn = Rnn::lazy(&Engine::cpu(), &Config::gru(13).bidirectional(), Init::pytorch())?;
    /// let input = Array3::ones((5, 3, 7)); // T 5, N 3, I 7
    /// let (answer, mut saved) = rnn.forward_saved(&Call::new(&input))?;
    /// // Of the loss that is half the sum of the output's squares, the gradient is the output.
    /// let given = OutputGradients::new().output(&answer.output);
    /// let gradients = rnn.backward(&mut saved, &given)?;
    /// assert_eq!(gradients.input.dim(), (5, 3, 7));
    /// assert_eq!(gradients.weights.tensor("weight_hh_l0_reverse").unwrap().shape(), [39, 13]);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::SavedUsed`] for a saved call that was used before, [`Error::SavedElsewhere`] for a saved call
    /// of another network, engine or dtype, [`Error::WeightsChanged`] after
    /// [`set_weights`](Rnn::set_weights), [`Error::Shape`] and [`Error::Argument`] for gradients that do not
    /// fit the call, [`Error::Memory`] and [`Error::TooLarge`] where memory is short, or where no tape of the
    /// reference holds the call. After these errors the saved call can be used again. A future that is
    /// dropped before its end uses the saved call up.
    pub async fn backward_async(
        &self,
        saved: &mut Saved,
        given: &OutputGradients<'_>,
    ) -> Result<CallGradients> {
        self.run_backward(saved, given, &Wanted::all(), Wait::Elsewhere).await
    }

    /// The same as [`backward_async`](Rnn::backward_async), of some of the gradients: those that are not
    /// wanted are not computed. (The reference, which judges, computes them all the same.)
    ///
    /// # Errors
    /// The errors of [`backward_async`](Rnn::backward_async), and [`Error::Argument`] for a layer that the
    /// network does not have.
    pub async fn backward_of_async(
        &self,
        saved: &mut Saved,
        given: &OutputGradients<'_>,
        wanted: &Wanted,
    ) -> Result<CallGradients> {
        self.run_backward(saved, given, wanted, Wait::Elsewhere).await
    }

    pub(crate) async fn run_backward(
        &self,
        saved: &mut Saved,
        given: &OutputGradients<'_>,
        wanted: &Wanted,
        wait: Wait,
    ) -> Result<CallGradients> {
        self.shared().identity.check(saved.by)?;
        let weights = self.known_weights()?;
        let (outputs, size) = match saved.kept.as_ref().ok_or(Error::SavedUsed)? {
            Kept::Cpu(kept) => (kept.outputs(), kept.size()),
            Kept::Gpu(kept) => (kept.outputs(), kept.size()),
            Kept::Reference(again) => (again.outputs, again.call().size()),
        };
        weights.network().check_gradients(given, outputs, size)?;
        wanted.check(weights.network())?;
        // The saved call is kept where memory is short.
        match (&self.shared().on_engine, saved.kept.as_ref()) {
            (OnEngine::Cpu(cpu), Some(Kept::Cpu(kept))) => cpu.check_backward(weights, kept.size())?,
            (OnEngine::Gpu(_), Some(Kept::Gpu(kept))) => kept.check_backward(weights.network())?,
            (_, Some(Kept::Reference(again))) => {
                let mut all = reference::differentiate(weights, &again.call(), given)?.1;
                if !wanted.has_input() {
                    all.input = Array3::zeros((0, 0, 0));
                }
                all.weights.clear_layers(|layer| !wanted.has_weights(layer));
                saved.kept = None;
                return Ok(all);
            }
            _ => {}
        }
        match (&self.shared().on_engine, saved.kept.take().ok_or(Error::SavedUsed)?) {
            (OnEngine::Cpu(cpu), Kept::Cpu(kept)) => cpu.backward(weights, kept, given, wanted),
            (OnEngine::Gpu(gpu), Kept::Gpu(kept)) => gpu.backward(weights, *kept, given, wanted, wait).await,
            // A network has one engine.
            _ => Err(Error::SavedElsewhere),
        }
    }
}

impl Again {
    fn of(call: &Checked<'_, f32>) -> Again {
        let (input, state) = (call.input.to_owned(), call.state.cloned());
        let (lengths, outputs, dropout) = (call.lengths.clone(), call.outputs, call.dropout);
        Again { input, state, lengths, outputs, dropout }
    }

    fn call(&self) -> Checked<'_, f32> {
        Checked {
            input: CowArray::from(self.input.view()),
            state: self.state.as_ref(),
            lengths: self.lengths.clone(),
            lengths_on_gpu: None,
            outputs: self.outputs,
            is_timed: false,
            dropout: self.dropout,
            batch_sizes: None,
        }
    }
}
