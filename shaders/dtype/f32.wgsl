// The dtype of weights, input, states and outputs.
alias Number = f32;
alias Vector = vec4<f32>;
