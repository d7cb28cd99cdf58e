// The slopes of a cell's activations at x, where they are y. At a kink the slope is PyTorch's.

fn slope_of(kind: u32, alpha: f32, beta: f32, x: f32, y: f32) -> f32 {
    switch kind {
        case 0u: { return select(0.0, 1.0, x > 0.0); }  // relu
        case 1u: { return 1.0 - y * y; }  // tanh
        case 2u: { return y * (1.0 - y); }  // sigmoid
        case 3u: {  // softsign
            let d = 1.0 / (1.0 + abs(x));
            return d * d;
        }
        case 4u: { return -exp_m1_of_negative(min(-y, 0.0)); }  // softplus: 1 - exp(-y), the sigmoid of x
        case 5u: { return select(alpha, 1.0, x > 0.0); }  // leaky_relu
        case 6u: { return select(y + alpha, 1.0, x > 0.0); }  // elu
        case 7u: { return select(0.0, 1.0, x > alpha); }  // thresholded_relu
        case 8u: { return alpha; }  // affine
        case 9u: { return select(0.0, alpha, 0.0 < y && y < 1.0); }  // hard_sigmoid
        default: {  // scaled_tanh: y / alpha is tanh(beta x)
            if alpha == 0.0 {
                return 0.0;
            }
            return beta * (alpha - y * (y / alpha));
        }
    }
}

// A pre-activation that was clipped has no part in the result; nor has one at the bound.
fn is_clipped(x: f32) -> bool {
    return CLIPS_PREACTIVATION && abs(x) >= PREACTIVATION_CLIP;
}

// The gradient by x, from the one by y = F(x).
fn through_gate(x: f32, y: f32, gradient: f32) -> f32 {
    if is_clipped(x) {
        return 0.0;
    }
    return gradient * slope_of(F, F_ALPHA, F_BETA, x, y);
}

fn through_candidate(x: f32, y: f32, gradient: f32) -> f32 {
    if is_clipped(x) {
        return 0.0;
    }
    return gradient * slope_of(G, G_ALPHA, G_BETA, x, y);
}

fn output_slope(x: f32, y: f32) -> f32 {
    return slope_of(H, H_ALPHA, H_BETA, x, y);
}
