/**
 * Function calls between a page (or a thread) and its worker, by Comlink over a MessagePort.
 *
 * Comlink by itself lets the other side walk every property of what is exposed, up to `constructor` and from
 * there to any code; sets properties; and takes wire values that run its handlers. Here only calls of the named
 * functions with plain arguments reach it. Errors keep their codes, results give their memory away, and calls
 * end when the port does.
 */
import { expose, transfer, transferHandlers, wrap } from "comlink";
import { DawnletError, type ErrorRecord, fromErrorRecord, toErrorRecord } from "../../kernels/errors.ts";
import { isErrorRecord } from "./rpc-messages.ts";

/** What can be exposed: functions by name. Their arguments come from the other side unchecked. */
export type Functions = Readonly<Record<string, (...args: never[]) => unknown>>;

/** How exposed functions look from the other side. Each throws DawnletError. */
export type Remote<T> = {
  readonly [Name in keyof T]: T[Name] extends (...args: infer Args) => infer Result
    ? (...args: Args) => Promise<Awaited<Result>>
    : never;
};

type Listener = (event: { readonly data: unknown }) => void;

/** Exposes functions (own properties only) to who holds the other end of the port. */
export function exposeFunctions(functions: Functions, port: MessagePort): void {
  const exposed: Record<string, unknown> = Object.create(null);
  for (const name of Object.keys(functions)) {
    const call = functions[name] as (...args: unknown[]) => unknown;
    exposed[name] = async (...args: unknown[]) => {
      const result = await call(...args);
      return isObject(result) ? transfer(result, [...buffersOf(result)]) : result;
    };
  }
  Object.freeze(exposed);
  expose(exposed, exposingEndpoint(port, exposed));
}

/** @returns the functions that the other end of the port exposes as `T`. */
export function wrapFunctions<T extends Functions>(port: MessagePort): Remote<T> {
  return wrap(callingEndpoint(port)) as unknown as Remote<T>;
}

/** Gives the memory of typed arrays in an argument away instead of copying it. */
export function give<T extends object>(argument: T): T {
  return transfer(argument, [...buffersOf(argument)]);
}

/** Comlink's own handler would send names and stacks. */
const comlinkThrow = transferHandlers.get("throw")!;
transferHandlers.set("throw", {
  canHandle: comlinkThrow.canHandle,
  serialize: (thrown) => [toErrorRecord((thrown as { value: unknown }).value), []],
  deserialize: (record) => {
    throw isErrorRecord(record)
      ? fromErrorRecord(record)
      : new DawnletError("INTERNAL", "Cannot read an error");
  },
});

function throwMessage(id: unknown, error: ErrorRecord): object {
  return { id, type: "HANDLER", name: "throw", value: error };
}

/** Lets through what calls one of the functions by its name; answers everything else with an error. */
function exposingEndpoint(port: MessagePort, exposed: object): Parameters<typeof expose>[1] & object {
  const filters = new Map<unknown, (event: MessageEvent) => void>();
  return {
    postMessage: (message: unknown, transfers: Transferable[] = []) => port.postMessage(message, transfers),
    addEventListener: (_type, listener) => {
      const filter = ({ data }: MessageEvent): void => {
        if (!isObject(data) || !("id" in data)) return;
        if (isCall(data, exposed) || ("type" in data && data.type === "RELEASE")) {
          (listener as unknown as Listener)({ data });
          return;
        }
        const refusal = new DawnletError(
          "NOT_FOUND",
          "Cannot do that over this port: only calls of its functions",
        );
        port.postMessage(throwMessage(data.id, toErrorRecord(refusal)));
      };
      filters.set(listener, filter);
      port.addEventListener("message", filter);
    },
    removeEventListener: (_type, listener) => {
      const filter = filters.get(listener);
      if (filter) port.removeEventListener("message", filter);
    },
    start: () => port.start(),
  };
}

function isCall(data: object, exposed: object): boolean {
  if (!("type" in data) || data.type !== "APPLY") return false;
  if (!("path" in data) || !Array.isArray(data.path) || data.path.length !== 1) return false;
  const name: unknown = data.path[0];
  if (typeof name !== "string" || !Object.hasOwn(exposed, name)) return false;
  if (!("argumentList" in data) || !Array.isArray(data.argumentList)) return false;
  return data.argumentList.every((argument: unknown) => {
    return isObject(argument) && "type" in argument && argument.type === "RAW";
  });
}

/** Comlink waits for ever when the other side is gone: here the port's end answers what is open. */
function callingEndpoint(port: MessagePort): Parameters<typeof wrap>[0] {
  const listeners = new Set<Listener>();
  const open = new Set<unknown>();
  let isOpen = true;
  let releaseId: unknown;
  const answer = (data: unknown): void => {
    for (const listener of listeners) listener({ data });
  };
  const end = (id: unknown): void => {
    answer(
      throwMessage(id, { code: "UNAVAILABLE", message: "Cannot finish the call as the worker has ended" }),
    );
  };
  port.addEventListener("message", ({ data }: MessageEvent) => {
    const id: unknown = isObject(data) && "id" in data ? data.id : undefined;
    open.delete(id);
    answer(data);
    if (releaseId !== undefined && id === releaseId) port.close();
  });
  port.addEventListener("close", () => {
    isOpen = false;
    for (const id of open) end(id);
    open.clear();
  });
  port.start();
  return {
    postMessage(message: unknown, transfers: Transferable[] = []) {
      const id: unknown = isObject(message) && "id" in message ? message.id : undefined;
      if (!isOpen) {
        queueMicrotask(() => end(id));
        return;
      }
      port.postMessage(message, transfers);
      open.add(id);
      if (isObject(message) && "type" in message && message.type === "RELEASE") releaseId = id;
    },
    addEventListener: (_type, listener) => listeners.add(listener as unknown as Listener),
    removeEventListener: (_type, listener) => listeners.delete(listener as unknown as Listener),
  };
}

/** Memory of the typed arrays in a plain value that cover all of theirs. */
function buffersOf(value: unknown, found = new Set<ArrayBuffer>()): Set<ArrayBuffer> {
  if (ArrayBuffer.isView(value)) {
    const { buffer } = value;
    if (buffer instanceof ArrayBuffer && buffer.byteLength === value.byteLength) found.add(buffer);
  } else if (isObject(value)) {
    for (const each of Object.values(value)) buffersOf(each, found);
  }
  return found;
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
