/** A page to wander about in the Mandelbrot set: a Hono app, whose pictures another function draws. */
import { type DawnletFunction, encodePng, tensorToImage } from "dawnlet";
import { Hono } from "hono";
import page from "./page.html";

interface Env {
  readonly mandelbrot: DawnletFunction<{ image: "uint8" }>;
}

/** What the query says: the middle of the picture, and how many times as large as the whole set it is. */
interface View {
  readonly x: number;
  readonly y: number;
  readonly zoom: number;
}

const app = new Hono<{ Bindings: Env }>();

app.get("/", (c) => {
  const view = viewOf(c.req.query());
  const { x, y, zoom } = view;
  const stride = 0.8 / zoom;
  const values: Readonly<Record<string, unknown>> = {
    ...view,
    // Where this function's paths begin for clients: links are to work without a slash at the end too.
    base: encodeURI(`${c.req.header("x-forwarded-prefix") ?? ""}/`),
    here: query(view),
    left: query({ ...view, x: x - stride }),
    right: query({ ...view, x: x + stride }),
    up: query({ ...view, y: y + stride }),
    down: query({ ...view, y: y - stride }),
    in: query({ ...view, zoom: zoom * 2 }),
    out: query({ ...view, zoom: zoom / 2 }),
  };
  return c.html(page.replaceAll(/{{(\w+)}}/g, (_, name) => String(values[name])));
});

app.get("/image.png", async (c) => {
  const { x, y, zoom } = viewOf(c.req.query());
  const place = { centerX: x, centerY: y, scale: 3.2 / zoom };
  const detail = Math.round(128 + 64 * Math.log2(Math.max(1, zoom)));
  const parameters = { ...place, width: 480, height: 320, iterations: detail };
  const { image } = await c.env.mandelbrot.run({}, { parameters });
  const png = encodePng(tensorToImage({ data: await image.data(), shape: image.shape }));
  return c.body(png, 200, { "content-type": "image/png", "cache-control": "max-age=3600" });
});

/** Of anything that a client may send: numbers, within what 32-bit floats can show. */
function viewOf({ x = "-0.65", y = "0", zoom = "1" }: Partial<Record<keyof View, string>>): View {
  const within = (text: string, least: number, most: number) =>
    Math.min(most, Math.max(least, Number(text) || 0));
  return { x: within(x, -3, 3), y: within(y, -3, 3), zoom: within(zoom, 0.25, 65_536) };
}

function query({ x, y, zoom }: View): string {
  return `x=${x}&amp;y=${y}&amp;zoom=${zoom}`;
}

export default app;
