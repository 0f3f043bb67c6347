/** When somebody speaks in a recording. The model is Silero VAD for 16 kHz, deployed as `silero-vad`. */
import {
  type DawnletFunction,
  type DeviceTensor,
  decodeWav,
  type Handler,
  mixToMono,
  resample,
  tensor,
} from "dawnlet";

interface Env {
  readonly vad: DawnletFunction<{ output: "float32"; stateN: "float32" }>;
}

const rate = 16_000;
/** Samples a step, 32 ms, and how many of those before it the model looks at too. */
const step = 512;
const context = 64;
const silence = tensor(new Float32Array(2 * 128), [2, 1, 128]);

export default {
  async fetch(request, env, { signal }) {
    if (request.method !== "POST") return new Response("POST a WAV file\n", { status: 405 });
    const { sampleRate, samples } = decodeWav(await request.arrayBuffer());
    const sound = resample(mixToMono(samples), sampleRate, rate);
    const probabilities: number[] = [];
    // What the model remembers stays on the device from one step to the next.
    let state: DeviceTensor | undefined;
    for (let start = 0; start < sound.length; start += step) {
      const input = new Float32Array(context + step);
      const heard = sound.subarray(Math.max(0, start - context), start + step);
      input.set(heard, start === 0 ? context : 0);
      const inputs = { input: tensor(input, [1, input.length]), state: state ?? silence };
      const sr = tensor(BigInt64Array.of(BigInt(rate)), []);
      const { output, stateN } = await env.vad.run({ ...inputs, sr }, { signal });
      probabilities.push((await output.data())[0]!);
      output.dispose();
      state?.dispose();
      state = stateN;
    }
    return Response.json({ seconds: sound.length / rate, speech: stretches(probabilities) });
  },
} satisfies Handler<Env>;

/** Steps that are probably speech, as stretches in seconds; pauses of less than 0.3 s do not part them. */
function stretches(probabilities: readonly number[]) {
  const found: Array<{ start: number; end: number }> = [];
  for (const [index, probability] of probabilities.entries()) {
    if (probability < 0.5) continue;
    const [start, end] = [(index * step) / rate, ((index + 1) * step) / rate];
    const last = found.at(-1);
    if (last !== undefined && start - last.end < 0.3) last.end = end;
    else found.push({ start, end });
  }
  return found;
}
