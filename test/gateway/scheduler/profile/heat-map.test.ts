import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { colourAt, luminanceOf, textOn } from "../../../../gateway/scheduler/profile/colour-scale.ts";
import { type HeatMapQuantity, heatMap } from "../../../../gateway/scheduler/profile/heat-map.ts";
import { anyProfile, profileOf, saturating } from "./profiles.ts";

const quantities: readonly HeatMapQuantity[] = ["throughput", "p50Ms", "p98Ms", "efficiency"];

/** The texts of a document whose elements are closed in their order. @throws Error where they are not. */
function textsOf(svg: string): string[] {
  const texts: string[] = [];
  const open: string[] = [];
  const token = /<(\/?)([a-z]+)((?: [a-zA-Z0-9:-]+="[^"<]*")*)(\/?)>|([^<]+)/gy;
  let end = 0;
  for (const [whole, closes, name, , isEmpty, content] of svg.matchAll(token)) {
    end += whole.length;
    if (content !== undefined) {
      if (/&(?!(amp|lt|gt|quot);)/.test(content)) throw new Error(`a stray & in '${content}'`);
      texts.push(content);
    } else if (closes) {
      if (open.pop() !== name) throw new Error(`</${name}> closes something else`);
    } else if (!isEmpty) open.push(name!);
  }
  if (end !== svg.length || open.length > 0) throw new Error(`the document breaks off at ${end}`);
  return texts;
}

describe("heatMap()", () => {
  it("has title, axes with units, every value and a legend", () => {
    const texts = textsOf(heatMap(saturating()));
    for (const expected of [
      "resnet50",
      "Throughput in calls a second, on Test GPU",
      "quota (% of GPU time)",
      "share in space (% of lanes)",
      "batch 1",
      "batch 16",
      "6 %",
      "100 %",
      "calls a second; frame: best",
    ]) {
      expect(texts).toContain(expected);
    }
    // 20 % of the time and all of the space at batch 1: 400 × 0.2 × 1/1.1 × 1/2.
    expect(texts).toContain("36.4");
  });

  it("is a whole document for any profile and quantity, and the same each time", () => {
    fc.assert(
      fc.property(anyProfile, fc.constantFrom(...quantities), (profile, quantity) => {
        const svg = heatMap(profile, quantity);
        expect(() => textsOf(svg)).not.toThrow();
        expect(svg).not.toMatch(/NaN|undefined|Infinity/);
        expect(heatMap(profile, quantity)).toBe(svg);
      }),
    );
  });

  it("is a whole document whatever the names are, and shows them", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 60 }), (name) => {
        const profile = { ...saturating(), function: name, device: name };
        expect(() => textsOf(heatMap(profile))).not.toThrow();
      }),
    );
    const sharp = heatMap({ ...saturating(), function: `</title><script>alert("&")</script>` });
    expect(sharp).not.toContain("<script");
    expect(sharp).toContain("&lt;script&gt;alert(&quot;&amp;&quot;)");
  });

  it("goes by the logarithm where values differ by more than thirty times, and says so", () => {
    const axes = { quotas: [0.5, 1], shares: [1], batches: [1] };
    const spread = (times: number) =>
      heatMap(profileOf("f", (quota) => ({ throughput: quota === 1 ? times : 1, p50Ms: 1, p98Ms: 1 }), axes));
    expect(spread(29)).not.toContain("logarithmic");
    expect(spread(31)).toContain("calls a second, logarithmic");
  });

  it("has a short title beside a low grid, where the long one would run into others", () => {
    const low = heatMap(
      profileOf("f", () => ({ throughput: 1, p50Ms: 1, p98Ms: 1 }), { shares: [0.5, 1], batches: [1] }),
    );
    expect(textsOf(low)).toContain("space (%)");
    expect(textsOf(low)).not.toContain("share in space (% of lanes)");
    expect(textsOf(heatMap(saturating()))).not.toContain("space (%)");
  });

  it("draws where nothing was answered at all", () => {
    const nothing = profileOf("f", () => ({ throughput: 0, p50Ms: 0, p98Ms: 0 }));
    for (const quantity of quantities) expect(heatMap(nothing, quantity)).not.toMatch(/NaN|Infinity/);
  });

  it("frames the best cell: most throughput, least latency", () => {
    for (const quantity of quantities) {
      expect(heatMap(saturating(), quantity).match(/stroke-width/g)).toHaveLength(1);
    }
  });
});

describe("the scale of colours", () => {
  it("becomes lighter from its beginning to its end", () => {
    const luminances = Array.from({ length: 101 }, (_, i) => luminanceOf(colourAt(i / 100)));
    for (const [i, luminance] of luminances.slice(1).entries())
      expect(luminance).toBeGreaterThan(luminances[i]!);
  });

  it("stays at its ends outside of [0, 1]", () => {
    expect(colourAt(-3)).toBe(colourAt(0));
    expect(colourAt(7)).toBe(colourAt(1));
    expect(colourAt(0)).not.toBe(colourAt(1));
  });

  it("has texts with a contrast of at least 4.5 to 1 everywhere", () => {
    for (let i = 0; i <= 100; i++) {
      const ground = luminanceOf(colourAt(i / 100)) + 0.05;
      const ink = luminanceOf(textOn(colourAt(i / 100))) + 0.05;
      expect(Math.max(ground, ink) / Math.min(ground, ink)).toBeGreaterThanOrEqual(4.5);
    }
  });
});
