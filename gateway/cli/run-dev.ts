/**
 * `dawnlet dev`: a gateway for who writes a function. It deploys a bundle, and again whenever a file of it changes; shows
 * what goes wrong, what the handler logs, and each request.
 */
import { join, relative, resolve, sep } from "node:path";
import { DawnletError } from "../../kernels/errors.ts";
import { type Gateway, openGateway } from "../gateway.ts";
import { curlLine } from "./curl-line.ts";
import { defaultDataFolder } from "./data-folder.ts";
import type { DevOptions } from "./dev.ts";
import { DevBundle } from "./dev-bundle.ts";
import { startDevLog } from "./dev-log.ts";
import { readDevSecrets } from "./dev-secrets.ts";
import { failureText } from "./dev-text.ts";
import { messageText } from "./log-text.ts";
import { announce, closeInTime, terminationOf } from "./running-gateway.ts";
import type { CliContext, Terminal } from "./terminal.ts";
import { BundleWatch } from "./watch-bundle.ts";

export async function dev(path: string, options: DevOptions, context: CliContext): Promise<void> {
  const { platform, terminal } = context;
  await startDevLog(terminal);
  const secrets = await readDevSecrets(options.secret, options.secrets);
  const dataFolder = resolve(options.data ?? join(defaultDataFolder(platform, resolve()), "dev"));
  const paths = [path, ...options.use.map((use) => usedBundle(use).path)];
  for (const one of paths) refuseInside(one, dataFolder);
  const ended = terminationOf(context);
  const { port, adapter, allowPrivateHosts } = options;
  const gateway = await openGateway({
    ...{ platform, dataFolder, port },
    ...(adapter && { adapter }),
    ...(allowPrivateHosts && { allowPrivateHosts }),
    showsStacks: true,
  });
  try {
    announce(gateway, dataFolder, context);
    const used = options.use.map(usedBundle);
    using _watches = await keepDeployed(gateway, { secrets, terminal }, [
      ...used,
      { path, name: options.name },
    ]);
    await ended;
  } finally {
    await closeInTime(gateway, context);
  }
}

interface NamedBundle {
  readonly path: string;
  readonly name?: string | undefined;
}

/** The last one is what is being written, the others are what it uses. */
async function keepDeployed(
  gateway: Gateway,
  options: { readonly secrets: ReadonlyMap<string, string>; readonly terminal: Terminal },
  named: readonly NamedBundle[],
): Promise<Disposable> {
  const { secrets, terminal } = options;
  const bundles: DevBundle[] = [];
  for (const one of named) bundles.push(await DevBundle.open({ ...one, ...options, gateway }));
  const main = bundles.at(-1)!;
  const twice = bundles.find(({ name }, index) => bundles.findIndex((one) => one.name === name) !== index);
  if (twice !== undefined)
    throw new DawnletError(
      "INVALID_ARGUMENT",
      `Cannot deploy two bundles as '${twice.name}': give names with --name and --use name=path`,
    );
  showLogs(gateway, bundles, terminal);
  using watches = new DisposableStack();
  for (const bundle of bundles) {
    // Watched first: what is saved while it is deployed counts.
    watches.use(await BundleWatch.start(bundle.path, () => void bundle.deploy()));
    await bundle.deploy();
  }
  for (const key of secrets.keys()) {
    const isTaken = bundles.some(({ current }) => current?.handler?.secrets.includes(key));
    if (isTaken || main.current === undefined) continue;
    terminal.err(`No handler gets secret '${key}': name it in "secrets" of function.json`);
  }
  const { current = { name: main.name, kind: "handler", signature: noSignature } } = main;
  terminal.out(`  call it  ${curlLine({ url: gateway.url, hasToken: false }, current)}`);
  terminal.out(`Watching ${bundles.map(({ path }) => path).join(", ")}`);
  return watches.move();
}

const noSignature = { inputs: [], outputs: [], parameters: [] };

/** Lines of functions that are used begin with their names. */
function showLogs(gateway: Gateway, bundles: readonly DevBundle[], terminal: Terminal): void {
  const byName = new Map(bundles.map((bundle) => [bundle.name, bundle]));
  const main = bundles.at(-1);
  gateway.backends.handlers.logs.watch(({ name }, line) => {
    const bundle = byName.get(name);
    const rename = bundle?.rename ?? ((text: string) => text);
    const text = messageText({ ...line, message: rename(failureText(line.message)) });
    terminal.out(bundle === main ? text : `${name}: ${text}`);
  });
}

/** `name=path`, where what is before the sign can be a name, else all of it is a path. */
function usedBundle(use: string): NamedBundle {
  const [, name, path] = /^([-\w][-\w.]{0,127})=(.+)$/.exec(use) ?? [];
  return name === undefined || path === undefined ? { path: use } : { name, path };
}

/** What is stored would be deployed, and each deploy would be a change. */
function refuseInside(path: string, dataFolder: string): void {
  const parts = relative(resolve(path), dataFolder).split(sep);
  if (parts.some((part) => part.startsWith(".") || /^[a-z]:$/i.test(part))) return;
  throw new DawnletError(
    "INVALID_ARGUMENT",
    `Cannot keep data in '${dataFolder}' as it lies in '${path}', which is deployed: choose another folder with --data`,
  );
}
