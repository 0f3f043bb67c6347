/**
 * What it costs to use a GPU through somebody else: one submit of a hundred small dispatches in the process that owns
 * the device; in a handler, whose `navigator.gpu` reaches the device by way of the gateway; from a process beside the
 * owner's, without a gateway between them; and so with each command as a message of its own.
 *
 *   npm run bench -- remoting [--null | --adapter] [--rounds N]
 */
import { platform } from "#platform";
import { findAdapter } from "../runtime/adapter/find-adapter.ts";
import { deviceProcessOptions } from "../runtime/device/entry.ts";
import type { ChildProcess } from "../runtime/platform/platform.ts";
import type { Message } from "../runtime/port/port.ts";
import { RemoteDevice } from "../runtime/remote-gpu/client/device.ts";
import { installConstants } from "../runtime/remote-gpu/client/globals.ts";
import type { RemoteAdapterDescription } from "../runtime/remote-gpu/protocol.ts";
import { writeResult } from "./harness/result.ts";
import { median } from "./harness/statistics.ts";
import { printTable } from "./harness/table.ts";
import { openHandler } from "./remoting/handler.ts";
import {
  checkGrowth,
  dispatchesASubmit,
  type Measured,
  measureProgram,
  prepareProgram,
} from "./remoting/program.ts";

const ways = ["local", "handler", "remote", "unbatched"] as const;
type Way = (typeof ways)[number];

interface Result {
  readonly samples: Readonly<Record<Way, readonly Measured[]>>;
  readonly callsPerMessage: number;
}

export async function run(args: readonly string[]): Promise<void> {
  const found = await findAdapter(platform);
  installConstants(globalThis);
  const backends = args.includes("--null")
    ? ["null"]
    : args.includes("--adapter")
      ? ["adapter"]
      : ["null", "adapter"];
  const rounds = Number(args[args.indexOf("--rounds") + 1] ?? Number.NaN) || 60;
  const figures: Record<string, number> = {};
  const details: Record<string, Result> = {};
  for (const backend of backends) {
    const result = await measure(backend, backend === "null" ? {} : found.environment, rounds);
    details[backend] = result;
    const suffix = backend === "null" ? "Null" : "";
    figures[`ratio${suffix}`] = ratio(result, "handler", "runMs");
    figures[`ratioQueued${suffix}`] = ratio(result, "handler", "submitMs");
    figures[`ratioDirect${suffix}`] = ratio(result, "remote", "runMs");
    figures.callsPerMessage = result.callsPerMessage;
    report(backend, result);
  }
  await writeResult("remoting", found.description.adapter, figures, details);
}

async function measure(
  backend: string,
  environment: Readonly<Record<string, string>>,
  rounds: number,
): Promise<Result> {
  const child = await platform.spawnProcess(new URL("./remoting/owner-main.ts", import.meta.url), {
    ...deviceProcessOptions,
    environment,
    args: [backend],
  });
  await using handler = await openHandler(backend);
  try {
    const owner = new Owner(child);
    const isReal = backend !== "null";
    const adapter = (await owner.next()).adapter as RemoteAdapterDescription;
    const samples: Record<Way, Measured[]> = { local: [], handler: [], remote: [], unbatched: [] };
    const batched = await owner.client(adapter, true, isReal);
    for (let round = 0; round < rounds; round++) {
      samples.local.push(await owner.measure());
      samples.handler.push(await handler.measure(isReal));
      samples.remote.push(await batched.measure());
    }
    const callsPerMessage = batched.callsPerMessage();
    const unbatched = await owner.client(adapter, false, isReal);
    for (let round = 0; round < Math.ceil(rounds / 5); round++)
      samples.unbatched.push(await unbatched.measure());
    return { samples, callsPerMessage };
  } finally {
    await child.stop();
  }
}

/** The process that owns the device. */
class Owner {
  readonly #child: ChildProcess;
  #next = Promise.withResolvers<Record<string, unknown>>();
  #client: RemoteDevice | undefined;

  constructor(child: ChildProcess) {
    this.#child = child;
    child.port.receive((message) => {
      const header = message.header as Record<string, unknown>;
      if ("adapter" in header || "measured" in header) this.#next.resolve(header);
      else this.#client?.connection.receive(message);
    });
  }

  async next(): Promise<Record<string, unknown>> {
    const header = await this.#next.promise;
    this.#next = Promise.withResolvers();
    return header;
  }

  async measure(): Promise<Measured> {
    this.#send({ header: { measure: true }, attachments: [] });
    return (await this.next()).measured as Measured;
  }

  /** @param isReal it computes something: what it computes is checked. */
  async client(adapter: RemoteAdapterDescription, isBatched: boolean, isReal: boolean) {
    this.#send({ header: { open: true }, attachments: [] });
    const device = new RemoteDevice({ adapter, isBatched, send: (message) => this.#send(message) });
    this.#client = device;
    const program = await prepareProgram(device);
    const { connection } = device;
    const before = { messages: connection.messages, calls: connection.calls };
    return {
      async measure(): Promise<Measured> {
        const from = isReal ? await program.check() : 0;
        const measured = await measureProgram(program);
        const grown = isReal ? (await program.check()) - from : checkGrowth;
        if (grown !== checkGrowth) throw new Error(`${grown} dispatches of ${checkGrowth} were done`);
        return measured;
      },
      callsPerMessage: () => (connection.calls - before.calls) / (connection.messages - before.messages),
    };
  }

  #send(message: Message): void {
    this.#child.port.send(message);
  }
}

function ratio({ samples }: Result, way: Way, key: keyof Measured): number {
  return median(
    samples.local.slice(0, samples[way].length).map((local, i) => samples[way][i]![key] / local[key]),
  );
}

function report(backend: string, result: Result): void {
  const { samples, callsPerMessage } = result;
  console.log(
    `\na submit of ${dispatchesASubmit} dispatches on ${backend === "null" ? "Dawn's null backend" : "the adapter"}`,
  );
  const ms = (way: Way, key: keyof Measured) => median(samples[way].map((one) => one[key]));
  printTable(
    ["", "alone ms", "ratio", "of 20 behind each other, ms", "ratio"],
    ways.map((way) => [
      way,
      ms(way, "runMs"),
      ratio(result, way, "runMs"),
      ms(way, "submitMs"),
      ratio(result, way, "submitMs"),
    ]),
  );
  const extraUs = (1000 * (ms("handler", "submitMs") - ms("local", "submitMs"))) / dispatchesASubmit;
  console.log(`${callsPerMessage.toFixed(0)} calls a message; ${extraUs.toFixed(2)} us more a dispatch`);
}
