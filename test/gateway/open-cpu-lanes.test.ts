import { expect, test } from "vitest";
import { defaultLanes } from "../../gateway/open-cpu-lanes.ts";

test.each([
  [1, 1],
  [2, 1],
  [4, 3],
  [5, 4],
  [128, 4],
])("a machine with %i cores has %i CPU lanes", (cores, lanes) => {
  expect(defaultLanes(cores)).toBe(lanes);
});
