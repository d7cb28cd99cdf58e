// The result is f32, whatever the operands are.
alias Result = vec4<f32>;
