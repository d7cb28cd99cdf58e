//! A network of wgpu-rnn as an operation of candle's autodiff: its backward is the library's.

use candle_core::{CpuStorage, CustomOp2, Device, Error, Layout, Result, Shape, Tensor};
use std::sync::Mutex;
use wgpu_rnn::{Call, Config, Engine, Naming, OutputGradients, Rnn, Saved, Weights};

/// The layer: a configuration on an engine. Its weights are one flat tensor, in PyTorch's order.
pub struct Recurrent {
    engine: Engine,
    /// The names and shapes of the weights, and where they begin.
    template: Weights,
}

impl Recurrent {
    /// A layer like these weights, which are its first ones.
    pub fn new(engine: &Engine, weights: Weights) -> Recurrent {
        Recurrent { engine: engine.clone(), template: weights }
    }

    /// The first weights, flat.
    pub fn weights(&self) -> Vec<f32> {
        self.template
            .tensors(Naming::PyTorch)
            .flat_map(|(_, tensor)| tensor.iter().copied().collect::<Vec<_>>())
            .collect()
    }

    /// The output `[T, N, C]` of an input `[T, N, I]`.
    pub fn forward(&self, input: &Tensor, weights: &Tensor) -> Result<Tensor> {
        let operation = Operation {
            engine: self.engine.clone(),
            template: self.template.clone(),
            saved: Mutex::new(None),
        };
        input.apply_op2(weights, operation)
    }
}

/// One call: what it has kept waits here for candle's backward.
struct Operation {
    engine: Engine,
    template: Weights,
    saved: Mutex<Option<(Rnn, Saved)>>,
}

impl Operation {
    /// The network with other weights.
    fn network(&self, flat: &[f32]) -> Result<Rnn> {
        let mut rest = flat;
        let mut tensors = Vec::new();
        for (name, tensor) in self.template.tensors(Naming::PyTorch) {
            let (own, after) = rest.split_at(tensor.len());
            rest = after;
            let own = ndarray::ArrayD::from_shape_vec(tensor.shape(), own.to_vec()).map_err(Error::wrap)?;
            tensors.push((name, own));
        }
        let config: &Config = self.template.config();
        let weights = Weights::reader().config(config).from_tensors(tensors).map_err(Error::wrap)?;
        Ok(Rnn::new(&self.engine, weights))
    }
}

/// The numbers of a tensor that lies in one piece.
fn numbers<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) = layout
        .contiguous_offsets()
        .ok_or_else(|| Error::Msg("expected a tensor in one piece, found strides".into()))?;
    Ok(&storage.as_slice::<f32>()?[start..end])
}

impl CustomOp2 for Operation {
    fn name(&self) -> &'static str {
        "wgpu-rnn"
    }

    fn cpu_fwd(
        &self,
        input: &CpuStorage,
        input_layout: &Layout,
        weights: &CpuStorage,
        weights_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let shape = input_layout.shape().dims3()?;
        let input =
            ndarray::ArrayView3::from_shape(shape, numbers(input, input_layout)?).map_err(Error::wrap)?;
        let rnn = self.network(numbers(weights, weights_layout)?)?;
        let (answer, saved) = rnn.forward_saved(&Call::new(&input)).map_err(Error::wrap)?;
        *self.saved.lock().map_err(|_| Error::Msg("a poisoned lock".into()))? = Some((rnn, saved));
        let shape = Shape::from(answer.output.dim());
        Ok((CpuStorage::F32(answer.output.iter().copied().collect()), shape))
    }

    fn bwd(
        &self,
        input: &Tensor,
        weights: &Tensor,
        output: &Tensor,
        by_output: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let kept = self.saved.lock().map_err(|_| Error::Msg("a poisoned lock".into()))?.take();
        let (rnn, mut saved) = kept.ok_or_else(|| Error::Msg("a second backward of one call".into()))?;
        let shape = output.dims3()?;
        let by_output = by_output.flatten_all()?.to_vec1::<f32>()?;
        let by_output = ndarray::Array3::from_shape_vec(shape, by_output).map_err(Error::wrap)?;
        let given = OutputGradients::new().output(&by_output);
        let gradients = rnn.backward(&mut saved, &given).map_err(Error::wrap)?;
        let by_input: Vec<f32> = gradients.input.iter().copied().collect();
        let tensors = gradients.weights.tensors(Naming::PyTorch);
        let by_weights: Vec<f32> =
            tensors.flat_map(|(_, tensor)| tensor.iter().copied().collect::<Vec<_>>()).collect();
        let by_input = Tensor::from_vec(by_input, input.shape(), &Device::Cpu)?;
        let by_weights = Tensor::from_vec(by_weights, weights.shape(), &Device::Cpu)?;
        Ok((Some(by_input), Some(by_weights)))
    }
}
