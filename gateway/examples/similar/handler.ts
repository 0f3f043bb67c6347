/** How alike two pictures are: the angle between their embeddings. The model is deployed as `embedding`. */
import {
  cosineSimilarity,
  DawnletError,
  type DawnletFunction,
  decodeImage,
  type Handler,
  imageToTensor,
} from "dawnlet";

interface Env {
  readonly embed: DawnletFunction<{ embedding: "float32" }>;
}

export default {
  async fetch(request, env) {
    if (request.method !== "POST") return new Response("POST a form with two pictures\n", { status: 405 });
    const form = await request.formData();
    const files = [...form.values()].filter((value) => typeof value !== "string");
    const [first, second] = files;
    if (first === undefined || second === undefined || files.length > 2)
      throw new DawnletError(
        "INVALID_ARGUMENT",
        `Cannot compare ${files.length} pictures: expected two files`,
      );
    // Both run at once: the device takes them in one go.
    const [a, b] = await Promise.all([embed(env, first), embed(env, second)]);
    return Response.json({ similarity: cosineSimilarity(a, b) });
  },
} satisfies Handler<Env>;

async function embed(env: Env, file: Blob) {
  const image = await decodeImage(await file.arrayBuffer());
  const input = imageToTensor(image, { width: 64, height: 64, fit: "cover", mean: 0.5, std: 0.5 });
  const { embedding } = await env.embed.run({ image: input });
  return embedding.data();
}
