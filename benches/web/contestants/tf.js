// tfjs as one module: the core, layers, and both backends.
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import "@tensorflow/tfjs-backend-webgpu";
import "@tensorflow/tfjs-core/dist/public/chained_ops/register_all_chained_ops";

export * from "@tensorflow/tfjs-core";
export * as layers from "@tensorflow/tfjs-layers";
export { setThreadsCount, setWasmPaths };
