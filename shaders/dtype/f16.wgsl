enable f16;

// The dtype of weights, input, states and outputs; sums, biases and cell states are f32.
alias Number = f16;
alias Vector = vec4<f16>;
