/** The work of the isolate benchmark, for all that do it: a small JSON route with some string work. */
import { Hono } from "hono";

const app = new Hono();

app.post("/words", async (c) => {
  const { text } = await c.req.json<{ text: string }>();
  const words = text.toLowerCase().match(/[a-z]+/g) ?? [];
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  const [frequent = ["", 0]] = [...counts].sort(([, a], [, b]) => b - a);
  return c.json({
    words: words.length,
    different: counts.size,
    frequent: frequent[0],
    title: words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join(" "),
  });
});

// biome-ignore lint/style/noDefaultExport: what a handler is
export default app;
