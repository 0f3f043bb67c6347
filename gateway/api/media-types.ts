/**
 * The forms in which the short form takes and gives tensors, by media type.
 */

export type Form = "json" | "bytes" | "png" | "npy";

export const mediaTypes = {
  json: "application/json",
  bytes: "application/octet-stream",
  png: "image/png",
  npy: "application/x-npy",
} as const satisfies Record<Form, string>;

const forms: ReadonlyMap<string, Form> = new Map([
  [mediaTypes.json, "json"],
  [mediaTypes.bytes, "bytes"],
  [mediaTypes.png, "png"],
  [mediaTypes.npy, "npy"],
  // Wildcards of `Accept`. `image/*` is what an <img> asks for before anything else.
  ["*/*", "json"],
  ["application/*", "json"],
  ["image/*", "png"],
]);

/**
 * The form of a request's body; undefined for a type that is not taken. JSON is assumed where no type is
 * given, for forms (what `curl -d` calls everything) and for text (what `fetch` calls a string).
 */
export function requestForm(contentType: string | null): Form | undefined {
  if (contentType === null || contentType === mediaTypes.json) return "json";
  const type = bareType(contentType);
  return type === "application/x-www-form-urlencoded" || type === "text/plain" ? "json" : forms.get(type);
}

/** The first of the best forms that `Accept` names; undefined where it names none of ours. */
export function answerForm(accept: string | null): Form | undefined {
  if (accept === null || accept === "*/*" || accept === mediaTypes.json) return "json";
  let best: Form | undefined;
  let bestQuality = 0;
  for (const part of accept.split(",")) {
    const form = forms.get(bareType(part));
    const quality = qualityOf(part);
    if (form === undefined || quality <= bestQuality) continue;
    best = form;
    bestQuality = quality;
  }
  return best;
}

function bareType(text: string): string {
  const end = text.indexOf(";");
  return (end < 0 ? text : text.slice(0, end)).trim().toLowerCase();
}

function qualityOf(part: string): number {
  const stated = /;\s*q=([\d.]+)/i.exec(part)?.[1];
  return stated === undefined ? 1 : Number(stated);
}
