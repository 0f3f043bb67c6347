/**
 * Takes initializers out of a graph's inputs. Formats before version 4 listed them there, and ONNX Runtime
 * then treats weights as values a caller may replace: it folds, packs and fuses none of them.
 */
import type { Model } from "../onnx/model.ts";

/** A caller can no longer replace these weights, which Dawnlet's signatures do not offer anyway. */
export function freezeInitializers(model: Model): Model {
  const { graph } = model;
  const initialized = new Set(graph.initializer.map((tensor) => tensor.name));
  const input = graph.input.filter((value) => !initialized.has(value.name));
  if (input.length === graph.input.length) return model;
  const irVersion = model.irVersion ?? 0n;
  return { ...model, irVersion: irVersion > 4n ? irVersion : 4n, graph: { ...graph, input } };
}
