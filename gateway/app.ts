/**
 * The gateway's HTTP application: puts the protocols together over one `Functions`. It opens no socket;
 * `createApp(…).fetch` goes to whatever server the platform has.
 */
import { Hono } from "hono";
import packageManifest from "../package.json" with { type: "json" };
import { addContainmentMetrics, addTroubleMetrics } from "./api/containment-metrics.ts";
import { addCpuMetrics } from "./api/cpu-metrics.ts";
import { addDevices } from "./api/devices.ts";
import { addFunctionsApi } from "./api/functions.ts";
import { functionsByCaller } from "./api/functions-of.ts";
import { addHandlerMetrics } from "./api/handler-metrics.ts";
import { addHandlers } from "./api/handlers.ts";
import { addLogs } from "./api/logs.ts";
import { addMemoryMetrics } from "./api/memory-metrics.ts";
import { addMetrics, Metrics } from "./api/metrics.ts";
import { addOpenInference } from "./api/open-inference.ts";
import { addProfiles } from "./api/profiles.ts";
import { addRepository } from "./api/repository.ts";
import { addScaling, addScalingMetrics } from "./api/scaling.ts";
import { addSchedulerMetrics } from "./api/scheduler-metrics.ts";
import { addSecrets } from "./api/secrets.ts";
import { addShortForm } from "./api/short-form.ts";
import { Statistics } from "./api/statistics.ts";
import type { Autoscaler } from "./autoscale/autoscaler.ts";
import type { DeviceMember } from "./devices/device-member.ts";
import { reportDevice, reportLane } from "./devices/report.ts";
import type { CpuLane } from "./dispatch/cpu-lane.ts";
import type { Dispatcher } from "./dispatch/dispatcher.ts";
import type { Functions } from "./functions/functions.ts";
import type { Profiles } from "./functions/profile/profiles.ts";
import type { Secrets } from "./functions/secrets.ts";
import type { FunctionLogs } from "./handlers/function-logs.ts";
import type { InstanceStarts } from "./handlers/instance-starts.ts";
import { type AccessOptions, createAccessCheck } from "./http/access.ts";
import { BodyBudget } from "./http/body-budget.ts";
import { type BodyLimits, bodyLimits } from "./http/body-limits.ts";
import { createEndpoint } from "./http/endpoint.ts";
import type { CallObserver } from "./http/exchange.ts";
import { notFoundHandler } from "./http/not-found.ts";
import { StallWatch } from "./http/stall-watch.ts";

export interface AppOptions extends AccessOptions {
  readonly functions: Functions;
  /** Left out: as `bodyLimits` says. */
  readonly limits?: Partial<BodyLimits>;
  /** For `/v1/devices` and for metrics of what they hold. */
  readonly devices?: readonly DeviceMember[];
  /** CPU lanes, for the same. */
  readonly lanes?: readonly CpuLane[];
  /** For metrics of what waits and what was decided. */
  readonly scheduler?: Pick<Dispatcher, "waiting" | "counts">;
  /** For `/v1/scaling` and its metrics. Left out: nothing is scaled. */
  readonly scaling?: Pick<Autoscaler, "report" | "counts"> | undefined;
  /** Left out: functions have none. */
  readonly secrets?: Secrets;
  /** Left out: functions have none. */
  readonly profiles?: Pick<Profiles, "measure" | "stored">;
  /** Left out: functions have none. */
  readonly logs?: FunctionLogs;
  /** For metrics of handlers. */
  readonly starts?: InstanceStarts;
  /** Who calls a handler is who writes it: what it throws is answered with its stack. */
  readonly showsStacks?: boolean;
}

export function createApp(options: AppOptions): Hono {
  const { functions, devices, lanes = [], secrets, profiles, logs, showsStacks = false } = options;
  const { callBytes, deployBytes, heldBytes, stallMs } = bodyLimits(options.limits);
  const statistics = new Statistics();
  const metrics = new Metrics({ functions, statistics });
  const intake = { budget: new BodyBudget(heldBytes), stalls: new StallWatch(stallMs) };
  const endpoint = createEndpoint(createAccessCheck(options), bothObservers(statistics, metrics), intake);

  const functionsOf = functionsByCaller(functions);
  const app = new Hono();
  addOpenInference(app, endpoint, {
    functions,
    functionsOf,
    statistics,
    callBytes,
    serverVersion: packageManifest.version,
  });
  addRepository(app, endpoint, { functionsOf, callBytes });
  const takesTokens = options.token !== undefined || options.tenants !== undefined;
  addShortForm(app, endpoint, { functionsOf, callBytes, takesTokens, showsStacks });
  addHandlers(app, endpoint, { functionsOf, takesTokens, showsStacks });
  addFunctionsApi(app, endpoint, { functionsOf, deployBytes });
  if (secrets !== undefined) addSecrets(app, endpoint, { functionsOf, secrets });
  if (profiles !== undefined) addProfiles(app, endpoint, { functionsOf, profiles, callBytes });
  if (logs !== undefined) addLogs(app, endpoint, { functionsOf, logs });
  if (devices !== undefined) {
    addDevices(app, endpoint, async () => [
      ...(await Promise.all(devices.map(reportDevice))),
      ...lanes.map(reportLane),
    ]);
    const counted = devices.map(({ id, managed }) => ({ id, managed }));
    addMemoryMetrics(metrics.registry, counted);
    addContainmentMetrics(metrics.registry, counted);
    if (lanes.length > 0) addCpuMetrics(metrics.registry, lanes);
  }
  if (options.scheduler !== undefined) addSchedulerMetrics(metrics.registry, options.scheduler);
  if (options.scaling !== undefined) {
    addScaling(app, endpoint, options.scaling);
    addScalingMetrics(metrics.registry, options.scaling);
  }
  if (options.starts !== undefined) addHandlerMetrics(metrics.registry, options.starts);
  addTroubleMetrics(metrics.registry, functions);
  addMetrics(app, endpoint, metrics, functions);
  app.notFound(endpoint(notFoundHandler(app)));
  return app;
}

function bothObservers(first: CallObserver, second: CallObserver): CallObserver {
  return {
    callStarted(version) {
      first.callStarted(version);
      second.callStarted(version);
    },
    callFinished(call) {
      first.callFinished(call);
      second.callFinished(call);
    },
  };
}
