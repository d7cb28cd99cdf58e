use ndarray::Array3;
use wgpu_rnn::*;
use std::time::Instant;
fn main() {
    env_logger::init();
    let engine = Engine::gpu().unwrap();
    println!("{}", engine.name());
    for config in [Config::lstm(13), Config::gru(13), Config::rnn(13), Config::rnn_tanh(13)] {
        let config = config.num_layers(2).bidirectional().input_size(7);
        let w = Weights::init(&config, &Init::pytorch().seed(3)).unwrap();
        let x = mxnet::Random::new(1).uniform(-1., 1., (5, 3, 7));
        let mut layer = Layer::new(&engine, w.clone());
        let out = layer.forward(&x, None).unwrap();
        let r = cpu::forward(&w.cast::<f64>(), &x.mapv(f64::from), None).unwrap();
        let d = (out.output.mapv(f64::from) - &r.output).mapv(f64::abs).fold(0., |a: f64, &b| a.max(b));
        println!("{config:?} {d:e}");
    }
    let config = Config::lstm(128).bidirectional().input_size(128);
    let w = Weights::init(&config, &Init::pytorch().seed(3)).unwrap();
    let x = mxnet::Random::new(1).uniform(-1., 1., (100, 16, 128));
    let mut layer = Layer::new(&engine, w.clone());
    let plan = Plan::new(&config, 100, 16, &engine.limits().unwrap()).unwrap();
    println!("{plan}");
    let mut t = vec![];
    for _ in 0..30 { let s = Instant::now(); layer.forward(&x, None).unwrap(); t.push(s.elapsed().as_secs_f64()*1e3); }
    println!("first {:.1}", t[0]); t.remove(0); t.sort_by(f64::total_cmp); println!("min {:.1} median {:.1}", t[0], t[t.len()/2]);
    let _: Array3<f32> = x;
}
