//! burn on wgpu: a module a layer, weights by gate and transposed.

use crate::case::Case;
use crate::peer::{Failure, Prepared, timed};
use burn::module::Param;
use burn::nn::gru::{BiGru, BiGruConfig};
use burn::nn::{BiLstm, BiLstmConfig, GateController, Linear, Lstm, LstmConfig, LstmState};
use burn::tensor::{Device, DeviceKind, Tensor, TensorData};
use ndarray::{Array2, Array3, ArrayD, ArrayView3, Axis, Ix1, Ix2, concatenate, s};
use std::time::Duration;
use wgpu_rnn::{Cell, Directions};

enum Module {
    Lstm(Lstm),
    BiLstm(BiLstm),
    BiGru(BiGru),
}

struct Burn {
    layers: Vec<Module>,
    input: Array3<f32>,
    by_output: Option<Array3<f32>>,
    is_streamed: bool,
    device: Device,
}

pub fn prepare(case: &Case) -> Result<Box<dyn Prepared>, Failure> {
    if case.lengths.is_some() {
        return Err("takes no lengths".into());
    }
    let device = Device::wgpu(DeviceKind::DefaultDevice);
    let device = if case.by_output.is_some() { device.autodiff() } else { device };
    let configuration = &case.configuration;
    let hidden = configuration.size;
    let mut layers = Vec::new();
    for layer in 0..configuration.num_layers {
        let wide = if layer == 0 { hidden } else { configuration.directions.count() * hidden };
        layers.push(match (configuration.cell, configuration.directions) {
            (Cell::Lstm, Directions::Both) => {
                let mut module = BiLstmConfig::new(wide, hidden, true).with_batch_first(false).init(&device);
                set_lstm(&mut module.forward, case, layer, 0, &device);
                set_lstm(&mut module.reverse, case, layer, 1, &device);
                Module::BiLstm(module)
            }
            (Cell::Lstm, _) => {
                let mut module = LstmConfig::new(wide, hidden, true).with_batch_first(false).init(&device);
                set_lstm(&mut module, case, layer, 0, &device);
                Module::Lstm(module)
            }
            (Cell::Gru, Directions::Both) => {
                let mut module = BiGruConfig::new(wide, hidden, true).with_batch_first(false).init(&device);
                for (direction, gru) in [&mut module.forward, &mut module.reverse].into_iter().enumerate() {
                    let gates = [&mut gru.reset_gate, &mut gru.update_gate, &mut gru.new_gate];
                    for (index, gate) in gates.into_iter().enumerate() {
                        set_gate(gate, case, (layer, direction), index, &device);
                    }
                }
                Module::BiGru(module)
            }
            _ => return Err("not among the configurations".into()),
        });
    }
    let (input, by_output) = (case.input.clone(), case.by_output.clone());
    let is_streamed = configuration.is_streamed;
    Ok(Box::new(Burn { layers, input, by_output, is_streamed, device }))
}

fn set_lstm(lstm: &mut Lstm, case: &Case, layer: usize, direction: usize, device: &Device) {
    let forget = lstm.forget_gate.as_mut().into_iter().map(|gate| (1, gate));
    let others = [(0, &mut lstm.input_gate), (2, &mut lstm.cell_gate), (3, &mut lstm.output_gate)];
    for (index, gate) in others.into_iter().chain(forget) {
        set_gate(gate, case, (layer, direction), index, device);
    }
}

fn set_gate(
    gate: &mut GateController,
    case: &Case,
    (layer, direction): (usize, usize),
    index: usize,
    device: &Device,
) {
    let tensor = |kind: &str| case.tensor(kind, layer, direction);
    set_linear(&mut gate.input_transform, tensor("weight_ih"), tensor("bias_ih"), index, device);
    set_linear(&mut gate.hidden_transform, tensor("weight_hh"), tensor("bias_hh"), index, device);
}

/// The rows of one gate: `[H, in]`, which burn has as `[in, H]`.
fn set_linear(linear: &mut Linear, weight: ArrayD<f32>, bias: ArrayD<f32>, index: usize, device: &Device) {
    let weight: Array2<f32> = weight.into_dimensionality::<Ix2>().expect("a matrix");
    let bias = bias.into_dimensionality::<Ix1>().expect("a vector");
    let hidden = linear.weight.shape().dims::<2>()[1];
    let rows = index * hidden..(index + 1) * hidden;
    let weight = weight.slice(s![rows.clone(), ..]).t().as_standard_layout().into_owned();
    let shape = [weight.nrows(), weight.ncols()];
    let weight = TensorData::new(weight.into_raw_vec_and_offset().0, shape);
    linear.weight = Param::from_tensor(Tensor::<2>::from_data(weight, device));
    let bias = TensorData::new(bias.slice(s![rows]).to_vec(), [hidden]);
    linear.bias = Some(Param::from_tensor(Tensor::<1>::from_data(bias, device)));
}

impl Burn {
    fn to_device(&self, array: ArrayView3<'_, f32>) -> Tensor<3> {
        let (steps, batch, width) = array.dim();
        let data = TensorData::new(array.iter().copied().collect(), [steps, batch, width]);
        Tensor::<3>::from_data(data, &self.device)
    }

    fn to_host(sequence: Tensor<3>) -> Result<Array3<f32>, Failure> {
        let [steps, batch, width] = sequence.dims();
        let numbers = sequence.into_data().try_to_vec::<f32>().map_err(|error| format!("{error:?}"))?;
        Ok(Array3::from_shape_vec((steps, batch, width), numbers)?)
    }

    fn whole(&self) -> Result<Array3<f32>, Failure> {
        let input = self.to_device(self.input.view());
        let input = if self.by_output.is_some() { input.require_grad() } else { input };
        let mut sequence = input.clone();
        for layer in &self.layers {
            sequence = match layer {
                Module::Lstm(module) => module.forward(sequence, None).0,
                Module::BiLstm(module) => module.forward(sequence, None).0,
                Module::BiGru(module) => module.forward(sequence, None).0,
            };
        }
        if let Some(by_output) = &self.by_output {
            // The loss whose gradient by the output that is.
            let loss = (sequence * self.to_device(by_output.view())).sum();
            let gradients = loss.backward();
            sequence = input.grad(&gradients).ok_or("no gradient by the input")?;
        }
        Burn::to_host(sequence)
    }

    /// A step per call, with the state on the device.
    fn by_steps(&self) -> Result<Array3<f32>, Failure> {
        let [Module::Lstm(module)] = self.layers.as_slice() else {
            return Err("streams no such network".into());
        };
        let mut state: Option<LstmState<2>> = None;
        let mut outputs = Vec::new();
        for step in self.input.axis_chunks_iter(Axis(0), 1) {
            let (output, next) = module.forward(self.to_device(step), state);
            outputs.push(Burn::to_host(output)?);
            state = Some(next);
        }
        let views: Vec<_> = outputs.iter().map(|output| output.view()).collect();
        Ok(concatenate(Axis(0), &views)?)
    }
}

impl Prepared for Burn {
    fn run(&mut self, count: usize) -> Result<(Array3<f32>, Vec<Duration>), Failure> {
        timed(count, || if self.is_streamed { self.by_steps() } else { self.whole() })
    }
}
