/**
 * Colours in the order of their lightness, from dark violet over blue and green to light yellow: evenly spaced to the
 * eye, readable in greys and with any kind of colour vision. Made in OKLCH (Ottosson, 2020). Texts on them are black or white.
 */

/** `#rrggbb` for a position in [0, 1]; what is outside counts as the nearest end. */
export function colourAt(position: number): string {
  const part = Math.min(1, Math.max(0, position));
  const lightness = 0.28 + 0.64 * part;
  const hue = 295 - 190 * part;
  // As much colour as a screen has at this lightness and hue, up to what looks calm.
  let chroma = 0.13;
  let linear = linearRgb(lightness, chroma, hue);
  while (chroma > 0 && linear.some((value) => value < 0 || value > 1)) {
    chroma -= 0.005;
    linear = linearRgb(lightness, Math.max(0, chroma), hue);
  }
  return `#${linear.map((value) => toByte(value).toString(16).padStart(2, "0")).join("")}`;
}

/** Black or white, whichever has more contrast (WCAG 2) on this colour. */
export function textOn(colour: string): "#000000" | "#ffffff" {
  const luminance = luminanceOf(colour);
  return (luminance + 0.05) / 0.05 > 1.05 / (luminance + 0.05) ? "#000000" : "#ffffff";
}

/** Relative luminance (WCAG 2) of `#rrggbb`, in [0, 1]. */
export function luminanceOf(colour: string): number {
  const [red, green, blue] = [1, 3, 5].map((at) => {
    const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red! + 0.7152 * green! + 0.0722 * blue!;
}

/** OKLCH to linear sRGB; outside of [0, 1] where screens do not have the colour. */
function linearRgb(lightness: number, chroma: number, hue: number): readonly number[] {
  const [a, b] = [chroma * Math.cos((hue * Math.PI) / 180), chroma * Math.sin((hue * Math.PI) / 180)];
  const long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const short = (lightness - 0.0894841775 * a - 1.291485548 * b) ** 3;
  return [
    4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short,
    -1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short,
    -0.0041960863 * long - 0.7034186147 * medium + 1.707614701 * short,
  ];
}

function toByte(linear: number): number {
  const value = linear <= 0.0031308 ? 12.92 * linear : 1.055 * linear ** (1 / 2.4) - 0.055;
  return Math.round(Math.min(1, Math.max(0, value)) * 255);
}
