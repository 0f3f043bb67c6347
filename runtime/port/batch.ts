/**
 * Gathers the calls, or the replies, of one turn of the event loop into one message, with notes beside them
 * (cancels, progress). A turn that carries very many bytes leaves as several messages, so that the first can be
 * worked on while the others travel.
 */
import { DawnletError } from "../../kernels/errors.ts";
import type { Port } from "./port.ts";

/** Attachments beyond this begin another message. */
const messageBytes = 32 * 1024 * 1024;

interface Item<Entry> {
  readonly entry: Entry;
  readonly attachments: readonly Uint8Array[];
  readonly give: boolean;
}

export interface BatchOwner<Entry, Note> {
  /** The header of a message that carries these. */
  header(entries: readonly Entry[], notes: readonly Note[]): unknown;
  /** The entry could not be sent. */
  failed(entry: Entry, error: DawnletError): void;
}

export class Batch<Entry, Note> {
  readonly #port: Port;
  readonly #owner: BatchOwner<Entry, Note>;
  #items: Item<Entry>[] = [];
  #notes: Note[] = [];
  #isAwake = false;
  readonly #afterTurn: Port["afterTurn"];

  /** @param afterTurn when to send; left out: as soon as nobody adds any more. */
  constructor(port: Port, owner: BatchOwner<Entry, Note>, afterTurn?: Port["afterTurn"]) {
    this.#port = port;
    this.#owner = owner;
    this.#afterTurn = afterTurn;
  }

  add(entry: Entry, attachments: readonly Uint8Array[], give: boolean): void {
    this.#items.push({ entry, attachments, give });
    this.#wake();
  }

  /** Adds what travels before the entries of its turn. It must be JSON. */
  note(note: Note): void {
    this.#notes.push(note);
    this.#wake();
  }

  /** @returns false where the entry has left already. */
  remove(entry: Entry): boolean {
    const index = this.#items.findIndex((item) => item.entry === entry);
    if (index >= 0) this.#items.splice(index, 1);
    return index >= 0;
  }

  #wake(): void {
    if (this.#isAwake) return;
    this.#isAwake = true;
    if (this.#afterTurn === undefined) this.#flushSoon(this.#items.length);
    else this.#afterTurn(() => this.#flush());
  }

  /** Waits one microtask more for as long as others keep adding: promises that settle together do so in a row. */
  #flushSoon(seen: number): void {
    queueMicrotask(() => {
      if (this.#items.length !== seen) return this.#flushSoon(this.#items.length);
      this.#flush();
    });
  }

  #flush(): void {
    this.#isAwake = false;
    const items = this.#items;
    this.#items = [];
    for (const part of split(items)) this.#send(part);
  }

  #send(items: readonly Item<Entry>[]): void {
    if (items.length === 0 && this.#notes.length === 0) return;
    const entries = items.map((item) => item.entry);
    const attachments = items.flatMap((item) => item.attachments);
    const given = items.flatMap((item) => (item.give ? item.attachments : []));
    try {
      this.#port.send({ header: this.#owner.header(entries, this.#notes), attachments, given });
      this.#notes = [];
    } catch (error) {
      // One that does not fit, or has no JSON, must not take the others of its turn with it.
      if (items.length > 1) for (const item of items) this.#send([item]);
      for (const entry of items.length === 1 ? entries : []) this.#owner.failed(entry, toDawnletError(error));
      if (items.length === 1) this.#send([]);
    }
  }
}

/** @returns at least one part, also of no items. */
function split<Entry>(items: readonly Item<Entry>[]): readonly (readonly Item<Entry>[])[] {
  const parts: Item<Entry>[][] = [[]];
  let bytes = 0;
  for (const item of items) {
    const itemBytes = item.attachments.reduce((sum, attachment) => sum + attachment.byteLength, 0);
    if (bytes > 0 && bytes + itemBytes > messageBytes) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)!.push(item);
    bytes += itemBytes;
  }
  return parts;
}

function toDawnletError(error: unknown): DawnletError {
  if (error instanceof DawnletError) return error;
  const why = error instanceof Error ? error.message : String(error);
  return new DawnletError("INTERNAL", `Cannot send a message: ${why}`, { cause: error });
}
