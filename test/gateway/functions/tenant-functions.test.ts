import { beforeEach, describe, expect, it } from "vitest";
import { type Caller, operator, ownerOf } from "../../../gateway/functions/caller.ts";
import type { Functions } from "../../../gateway/functions/functions.ts";
import { functionsFor } from "../../../gateway/functions/tenant-functions.ts";
import { toErrorRecord } from "../../../kernels/errors.ts";
import { FakeFunctions, floats } from "../fake-functions.ts";

let all: FakeFunctions;
let acme: Functions;
let beta: Functions;
const upload = (text = "bytes") => ({ body: new Blob([text]).stream() });
const tenant = (name: string): Caller => ({ type: "tenant", name });

beforeEach(async () => {
  all = new FakeFunctions();
  acme = functionsFor(all, tenant("acme"));
  beta = functionsFor(all, tenant("beta"));
  await acme.deploy("mine", upload());
});

describe("functionsFor()", () => {
  it("gives the operator the same object", () => {
    expect(functionsFor(all, operator)).toBe(all);
  });

  it("gives a tenant its own functions only", async () => {
    await beta.deploy("other", upload());
    expect(acme.list().map(({ name, tenant }) => [name, tenant])).toEqual([["mine", "acme"]]);
    expect(beta.list().map(({ name, tenant }) => [name, tenant])).toEqual([["other", "beta"]]);
    const everybodys = all.list().map(({ name }) => name);
    expect(everybodys).toEqual(expect.arrayContaining(["add", "mine", "other"]));
  });

  it("gives a function's owner, as whom it calls others", () => {
    expect(functionsFor(all, ownerOf(all.version("mine"))).get("mine").tenant).toBe("acme");
    expect(functionsFor(all, ownerOf(all.version("add")))).toBe(all);
  });
});

const signal = new AbortController().signal;
const call = (name: string) => ({ name, inputs: { x: floats([1], [7]) }, parameters: {}, signal });
const methods: ReadonlyArray<[string, (functions: Functions, name: string) => unknown]> = [
  ["get", (functions, name) => functions.get(name)],
  ["version", (functions, name) => functions.version(name)],
  ["version of a number", (functions, name) => functions.version(name, "1")],
  ["version that there is not", (functions, name) => functions.version(name, "9")],
  ["invoke", (functions, name) => functions.invoke(call(name))],
  [
    "invoke of a version that there is not",
    (functions, name) => functions.invoke({ ...call(name), version: "9" }),
  ],
  ["inspect", (functions, name) => functions.inspect(name)],
  ["configure", (functions, name) => functions.configure(name, { pin: true })],
  ["liftQuarantine", (functions, name) => functions.liftQuarantine(name)],
  ["remove", (functions, name) => functions.remove(name)],
];

describe("a tenant's functions", () => {
  it.each(methods)("answer %s of another's as of what is not there", async (_, method) => {
    // In quarantine, so that lifting it would work.
    all.quarantine("mine");
    all.quarantine("add");
    const outcome = async (functions: Functions, name: string) => {
      try {
        return { answer: await method(functions, name) };
      } catch (error) {
        const { message, ...rest } = toErrorRecord(error);
        return { ...rest, message: message.replaceAll(name, "NAME") };
      }
    };
    const unknown = await outcome(beta, "nothing");
    expect(unknown).toEqual({ code: "NOT_FOUND", message: "There is no function 'NAME'" });
    expect(await outcome(beta, "mine")).toEqual(unknown);
    expect(await outcome(beta, "add")).toEqual(unknown);
    for (const name of ["mine", "add"]) expect(all.get(name)).toMatchObject({ current: { quarantine: {} } });
    expect(await outcome(acme, "mine")).not.toEqual(unknown);
  });

  it("stay in quarantine until the operator lifts it", async () => {
    all.quarantine("mine");
    await expect(acme.liftQuarantine("mine")).rejects.toMatchObject({
      code: "FORBIDDEN",
      message: expect.stringContaining("it takes the operator's token"),
    });
    expect(acme.get("mine").current.quarantine).toBeDefined();
    await functionsFor(all, operator).liftQuarantine("mine");
    expect(acme.get("mine").current.quarantine).toBeUndefined();
  });

  it("are deployed where the name is free or their own, and not where it is another's", async () => {
    const taken = {
      code: "NAME_TAKEN",
      message: "Cannot deploy function 'mine' as the name is taken: use another",
    };
    await expect(beta.deploy("mine", upload())).rejects.toMatchObject(taken);
    await expect(beta.deploy("mine", upload("others"))).rejects.toMatchObject(taken);
    await expect(beta.deploy("add", upload())).rejects.toMatchObject({ code: "NAME_TAKEN" });
    expect(all.uploads.map(({ name }) => name)).toEqual(["mine"]);
    expect((await acme.deploy("mine", upload())).changed).toBe(false);
    expect((await acme.deploy("mine", upload("new"))).function).toMatchObject({
      tenant: "acme",
      current: { version: 2 },
    });
    // Bytes that another has deployed are new to who deploys them.
    expect((await beta.deploy("same", upload())).changed).toBe(true);
    await acme.remove("mine");
    expect((await beta.deploy("mine", upload())).function).toMatchObject({
      tenant: "beta",
      current: { version: 1 },
    });
  });

  it("stay theirs when the operator deploys them, and what the operator deploys is no tenant's", async () => {
    expect((await all.deploy("mine", upload("new"))).function.tenant).toBe("acme");
    expect(acme.version("mine")).toMatchObject({ version: 2, tenant: "acme" });
    expect((await all.deploy("ours", upload())).function).not.toHaveProperty("tenant");
    expect(acme.list().map(({ name }) => name)).toEqual(["mine"]);
  });

  it("are ready when all are", () => {
    expect(acme.ready).toBe(true);
    all.ready = false;
    expect(acme.ready).toBe(false);
  });
});
