// sum + a b for four k, as a chain of fma: `a * b` and `dot` compile to a product and an addition more.
fn accumulate(sum: Gates, a: vec4<f32>, b: Weights) -> Gates {
    let w = by_k(b);
    return fma(Gates(a.w), w[3], fma(Gates(a.z), w[2], fma(Gates(a.y), w[1], fma(Gates(a.x), w[0], sum))));
}
