/** Follows requests and runs through the steps of a replay: by their numbers alone a step does not say whose they are. */
import type { SchedulerAction } from "../core/actions.ts";
import type { SchedulerEvent } from "../core/events.ts";
import type { ReplayedStep } from "../core/replay.ts";

export interface TrailedRequest {
  /** Id. */
  readonly function: string;
  readonly arrivedAt: number;
}

export interface OpenRequest extends TrailedRequest {
  readonly id: number;
  readonly isRunning: boolean;
}

/** A step with the ids of the functions that it is about. */
export interface TrailedStep extends ReplayedStep {
  /** Of all steps, from 1. */
  readonly number: number;
  /** Undefined where the event is about no function. */
  readonly eventFunction: string | undefined;
  readonly trailed: readonly TrailedAction[];
}

export interface TrailedAction {
  readonly action: SchedulerAction;
  readonly function: string | undefined;
  /** Of a run, as they came; of what was rejected. */
  readonly requests: readonly (TrailedRequest & { readonly id: number })[];
}

export class Trail {
  #steps = 0;
  readonly #requests = new Map<number, TrailedRequest>();
  readonly #runs = new Map<number, Extract<SchedulerAction, { readonly type: "run" }>>();

  /** @param step the next one. */
  follow(step: ReplayedStep): TrailedStep {
    const { event, now } = step;
    if (event.type === "arrival")
      this.#requests.set(event.request.id, { function: event.request.function, arrivedAt: now });
    const eventFunction = this.#functionOf(event);
    this.#end(event);
    const trailed = step.actions.map((action) => this.#trailed(action));
    return { ...step, number: ++this.#steps, eventFunction, trailed };
  }

  /** Requests without an end, as they came. */
  *open(): Generator<OpenRequest> {
    const running = new Set([...this.#runs.values()].flatMap(({ requests }) => requests));
    for (const [id, request] of this.#requests) yield { ...request, id, isRunning: running.has(id) };
  }

  #functionOf(event: SchedulerEvent): string | undefined {
    switch (event.type) {
      case "function":
        return event.function.id;
      case "arrival":
        return event.request.function;
      case "cancelled":
        return this.#requests.get(event.request)?.function;
      case "ended":
      case "failed":
        return this.#runs.get(event.run)?.function;
      default:
        return "function" in event ? event.function : undefined;
    }
  }

  /** What an event ends is of no use any more. */
  #end(event: SchedulerEvent): void {
    if (event.type === "cancelled") this.#requests.delete(event.request);
    if (event.type !== "ended" && event.type !== "failed") return;
    const waitsAgain = event.type === "failed" && event.isRetried;
    if (!waitsAgain) for (const id of this.#runs.get(event.run)?.requests ?? []) this.#requests.delete(id);
    this.#runs.delete(event.run);
  }

  #trailed(action: SchedulerAction): TrailedAction {
    switch (action.type) {
      case "run":
        this.#runs.set(action.run, action);
        return { action, function: action.function, requests: this.#known(action.requests) };
      case "reject": {
        const requests = this.#known([action.request]);
        this.#requests.delete(action.request);
        return { action, function: requests[0]?.function, requests };
      }
      case "load":
      case "evict":
        return { action, function: action.function, requests: [] };
      case "wake":
        return { action, function: undefined, requests: [] };
      default:
        return action satisfies never;
    }
  }

  #known(ids: readonly number[]): TrailedAction["requests"] {
    return ids.flatMap((id) => {
      const request = this.#requests.get(id);
      return request === undefined ? [] : [{ ...request, id }];
    });
  }
}

/**
 * Whether a function's id, `name@version/number` on a gateway, is meant.
 * @param wanted its name, its name and version, or all of it.
 */
export function isMeant(id: string | undefined, wanted: string): boolean {
  return id !== undefined && (id === wanted || id.startsWith(`${wanted}@`) || id.startsWith(`${wanted}/`));
}
