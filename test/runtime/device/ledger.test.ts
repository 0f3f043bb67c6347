/** What a budget refuses, and what it says about that, on a real device. */
import { expect, test } from "vitest";
import { Lane } from "../../../runtime/device/lane.ts";
import { Ledger } from "../../../runtime/device/ledger.ts";
import { testDevice } from "../../gpu.ts";

const budgetBytes = 1_000;

async function openLedger(): Promise<{ ledger: Ledger; relieved: number[] }> {
  const ledger = new Ledger(await testDevice(), budgetBytes);
  const relieved: number[] = [];
  ledger.onPressure((neededBytes) => relieved.push(neededBytes));
  return { ledger, relieved };
}

const describing = (ledger: Ledger, size: number) => () =>
  ledger.createBuffer("activation", { size, usage: 0x80 });

test("what has no room now is refused with the bytes that must go, once nobody could give any back", async () => {
  const { ledger, relieved } = await openLedger();
  const first = describing(ledger, 600)();
  expect(describing(ledger, 600)).toThrow(
    expect.objectContaining({ code: "OUT_OF_MEMORY", details: { neededBytes: 200 } }),
  );
  expect(relieved).toEqual([200]);
  first.destroy();
  describing(ledger, 600)().destroy();
  expect(ledger.totalBytes).toBe(0);
});

test("what has no room ever is refused at once, so that nobody goes for it", async () => {
  const { ledger, relieved } = await openLedger();
  const refused = expect.objectContaining({ code: "OUT_OF_MEMORY", details: undefined });
  expect(describing(ledger, budgetBytes + 4)).toThrow(refused);
  const lane = new Lane(0, ledger);
  lane.reserve([400, 400]);
  expect(() => lane.reserve([400, 400, 400])).toThrow(refused);
  expect(relieved).toEqual([]);
  // What was there is there still.
  expect(lane.holds([400, 400])).toBe(true);
  lane.clear();
  expect(ledger.totalBytes).toBe(0);
});
