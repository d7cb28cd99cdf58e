//! The nonlinearities of cells: ONNX's list, with its names and parameters (onnx/docs/Operators.md, LSTM).
//!
//! The equations stand in `reference/activation.rs`, `cpu/activation.rs` and `shaders/activation.wgsl`.

use crate::{Error, Result};

/// A nonlinearity.
///
/// The text form is `relu`, `leaky_relu:0.01` or `hard_sigmoid:0.2:0.5`; ONNX's own spelling (`LeakyRelu`) is
/// read too.
///
/// ```
/// use wgpu_rnn::Activation;
///
/// let activation: Activation = "HardSigmoid:0.2:0.5".parse()?;
/// assert_eq!(activation, Activation::HardSigmoid { alpha: 0.2, beta: 0.5 });
/// assert_eq!(activation.to_string(), "hard_sigmoid:0.2:0.5");
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// tanh(x)
    Tanh,
    /// 1 / (1 + exp(-x))
    Sigmoid,
    /// x / (1 + |x|)
    Softsign,
    /// log(1 + exp(x))
    Softplus,
    /// x, or alpha x below 0
    LeakyRelu {
        /// The slope below 0.
        alpha: f32,
    },
    /// x, or alpha (exp(x) - 1) below 0
    Elu {
        /// The limit towards minus infinity, with its sign turned.
        alpha: f32,
    },
    /// x above alpha, or 0. At alpha onnxruntime and PyTorch give 0, the text of ONNX's RNN alpha.
    ThresholdedRelu {
        /// The threshold.
        alpha: f32,
    },
    /// alpha x + beta
    Affine {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// alpha x + beta, held between 0 and 1
    HardSigmoid {
        /// The slope.
        alpha: f32,
        /// The value at 0.
        beta: f32,
    },
    /// alpha tanh(beta x)
    ScaledTanh {
        /// The limit.
        alpha: f32,
        /// The scale of x.
        beta: f32,
    },
}

impl Activation {
    /// Every activation, with ONNX's default parameters (1 where ONNX names none).
    pub const ALL: [Activation; 11] = [
        Activation::Relu,
        Activation::Tanh,
        Activation::Sigmoid,
        Activation::Softsign,
        Activation::Softplus,
        Activation::LeakyRelu { alpha: 0.01 },
        Activation::Elu { alpha: 1.0 },
        Activation::ThresholdedRelu { alpha: 1.0 },
        Activation::Affine { alpha: 1.0, beta: 0.0 },
        Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
        Activation::ScaledTanh { alpha: 1.0, beta: 1.0 },
    ];

    /// The name, without parameters.
    pub const fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::Tanh => "tanh",
            Activation::Sigmoid => "sigmoid",
            Activation::Softsign => "softsign",
            Activation::Softplus => "softplus",
            Activation::LeakyRelu { .. } => "leaky_relu",
            Activation::Elu { .. } => "elu",
            Activation::ThresholdedRelu { .. } => "thresholded_relu",
            Activation::Affine { .. } => "affine",
            Activation::HardSigmoid { .. } => "hard_sigmoid",
            Activation::ScaledTanh { .. } => "scaled_tanh",
        }
    }

    /// The activation's parameters: none, alpha, or alpha and beta.
    pub fn parameters(mut self) -> Vec<f32> {
        self.parameters_mut().into_iter().map(|parameter| *parameter).collect()
    }

    fn parameters_mut(&mut self) -> Vec<&mut f32> {
        match self {
            Activation::LeakyRelu { alpha }
            | Activation::Elu { alpha }
            | Activation::ThresholdedRelu { alpha } => vec![alpha],
            Activation::Affine { alpha, beta }
            | Activation::HardSigmoid { alpha, beta }
            | Activation::ScaledTanh { alpha, beta } => vec![alpha, beta],
            _ => vec![],
        }
    }

    /// The case in `activate` of `shaders/activation.wgsl`, which is the place in [`ALL`](Self::ALL).
    pub(crate) fn index(self) -> usize {
        // `ALL` has every variant.
        Activation::ALL.iter().position(|other| other.name() == self.name()).expect("it is in the list")
    }
}

impl std::fmt::Display for Activation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())?;
        self.parameters().into_iter().try_for_each(|parameter| write!(f, ":{parameter}"))
    }
}

impl std::str::FromStr for Activation {
    type Err = Error;

    fn from_str(text: &str) -> Result<Activation> {
        let refuse = || {
            let names: Vec<_> = Activation::ALL.iter().map(|activation| activation.to_string()).collect();
            let expected = format!("one of {}, with as many finite parameters at most", names.join(", "));
            Error::Text { name: "activation", expected, found: text.into() }
        };
        let mut parts = text.split(':');
        let plain = |name: &str| name.replace(['_', '-'], "").to_lowercase();
        let name = plain(parts.next().unwrap_or_default());
        let found = Activation::ALL.into_iter().find(|activation| plain(activation.name()) == name);
        let mut activation = found.ok_or_else(refuse)?;
        for parameter in activation.parameters_mut() {
            if let Some(part) = parts.next() {
                *parameter =
                    part.parse().ok().filter(|number: &f32| number.is_finite()).ok_or_else(refuse)?;
            }
        }
        if parts.next().is_some() {
            return Err(refuse());
        }
        Ok(activation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_read_back() {
        for activation in Activation::ALL {
            assert_eq!(activation.to_string().parse::<Activation>().unwrap(), activation);
        }
        let scaled = Activation::ScaledTanh { alpha: 1.75, beta: -0.5 };
        assert_eq!("scaled_tanh:1.75:-0.5".parse::<Activation>().unwrap(), scaled);
        assert_eq!("ScaledTanh:1.75:-0.5".parse::<Activation>().unwrap(), scaled);
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "gelu", "relu:1", "leaky_relu:x", "leaky_relu:inf", "affine:1:2:3", "affine:"] {
            text.parse::<Activation>().unwrap_err();
        }
    }
}
