enable f16;

// What weights, input, states and outputs are stored as; sums, biases and cell states are f32.
alias Number = f16;
alias Vector = vec4<f16>;
