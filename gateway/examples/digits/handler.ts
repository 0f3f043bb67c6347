/** Which digit a picture shows. The model is MNIST-12 of the ONNX model zoo, deployed as `mnist`. */
import { argmax, type DawnletFunction, decodeImage, type Handler, imageToTensor, softmax } from "dawnlet";

interface Env {
  readonly mnist: DawnletFunction<{ Plus214_Output_0: "float32" }>;
}

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response("POST a PNG or JPEG of a digit\n", { status: 405 });
    const image = await decodeImage(await request.arrayBuffer());
    // The model knows bytes, not values from 0 to 1.
    const size = { width: 28, height: 28, fit: "contain" } as const;
    const input = imageToTensor(image, { ...size, channels: 1, scale: 1 });
    const { Plus214_Output_0: scores } = await env.mnist.run({ Input3: input });
    const probabilities = softmax(await scores.data());
    return Response.json({ digit: argmax(probabilities), probabilities: [...probabilities] });
  },
} satisfies Handler<Env>;
