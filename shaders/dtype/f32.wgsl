// What weights, input, states and outputs are stored as.
alias Number = f32;
alias Vector = vec4<f32>;
