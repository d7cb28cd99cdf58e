// The numbers of a step: `Coefficients::words`, then the factors of the loss and of its gradient.
struct Numbers {
    // 0 stochastic gradient descent, 1 Adam, 2 RMSprop.
    rule: u32,
    flags: u32,
    // The factor of every gradient.
    scale: f32,
    max_norm: f32,
    max_value: f32,
    step_size: f32,
    weight_decay: f32,
    keep: f32,
    momentum: f32,
    gradient_rate: f32,
    first_rate: f32,
    second_keep: f32,
    second_rate: f32,
    correction: f32,
    epsilon: f32,
    unused: u32,
    loss_factor: f32,
    gradient_factor: f32,
}

const HAS_MOMENTUM: u32 = 1u;
const IS_NESTEROV: u32 = 2u;
const IS_AMSGRAD: u32 = 4u;
const IS_CENTERED: u32 = 8u;
const CLIPS_NORM: u32 = 16u;
const CLIPS_VALUE: u32 = 32u;
