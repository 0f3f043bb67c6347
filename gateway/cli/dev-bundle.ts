/** One bundle that `dawnlet dev` keeps deployed: deploys it when it is told to, and says how that went. */
import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { DawnletError } from "../../kernels/errors.ts";
import type { FunctionVersion } from "../functions/functions.ts";
import type { Gateway } from "../gateway.ts";
import { openBundleSource } from "./bundle-source.ts";
import { problemText, renamer } from "./dev-text.ts";
import { printable } from "./log-text.ts";
import type { Terminal } from "./terminal.ts";

export interface DevBundleOptions {
  readonly gateway: Gateway;
  readonly terminal: Terminal;
  readonly path: string;
  /** Left out: that of the file or folder. */
  readonly name?: string | undefined;
  /** Given to handlers whose manifest names them. */
  readonly secrets: ReadonlyMap<string, string>;
}

export class DevBundle {
  readonly path: string;
  readonly name: string;
  /** Puts the name of a file that is deployed alone in place of that in its bundle. */
  readonly rename: (text: string) => string;
  readonly #options: DevBundleOptions;
  #isDeploying = false;
  #isChanged = false;

  /** @throws DawnletError NOT_FOUND, INVALID_BUNDLE, INVALID_ARGUMENT where it has no name. */
  static async open(options: DevBundleOptions): Promise<DevBundle> {
    const path = resolve(options.path);
    const name = options.name ?? (await openBundleSource(path)).defaultName;
    if (name === "")
      throw new DawnletError("INVALID_ARGUMENT", `Cannot make a function's name of '${path}': give one`);
    return new DevBundle(options, path, name, (await stat(path)).isDirectory());
  }

  private constructor(options: DevBundleOptions, path: string, name: string, isFolder: boolean) {
    this.#options = options;
    this.path = path;
    this.name = name;
    this.rename = renamer(path, isFolder);
  }

  /** The version that answers, if there is one. */
  get current(): FunctionVersion | undefined {
    return this.#options.gateway.functions.list().find(({ name }) => name === this.name)?.current;
  }

  /** Deploys it, and again where it has changed meanwhile. What is wrong is said, not thrown. */
  async deploy(): Promise<void> {
    this.#isChanged = true;
    if (this.#isDeploying) return;
    this.#isDeploying = true;
    while (this.#isChanged) {
      this.#isChanged = false;
      await this.#deployOnce();
    }
    this.#isDeploying = false;
  }

  async #deployOnce(): Promise<void> {
    const { gateway, terminal } = this.#options;
    const startedAtMs = performance.now();
    try {
      const source = await openBundleSource(this.path);
      const upload = { body: source.open(), contentType: source.contentType };
      const { function: deployed, changed } = await gateway.functions.deploy(
        this.name,
        upload,
        ({ message }) => {
          // What the bundler warns of has a position.
          if (/:\d+:\d+: /.test(message)) terminal.err(`warning ${printable(this.rename(message))}`);
        },
      );
      const { version } = deployed.current;
      const ms = Math.round(performance.now() - startedAtMs);
      if (changed) terminal.out(`Deployed '${this.name}' version ${version} in ${ms} ms`);
      else terminal.out(`'${this.name}' version ${version} has exactly these files`);
      await this.#provide(deployed.current);
    } catch (error) {
      terminal.err(this.rename(problemText(error)));
      const version = this.current?.version;
      terminal.err(
        version === undefined
          ? `'${this.name}' is not deployed yet: it will be when this is mended`
          : `'${this.name}' version ${version}, from before, keeps answering`,
      );
    }
  }

  /** Gives it its secrets, and says what it will miss. */
  async #provide({ handler }: FunctionVersion): Promise<void> {
    if (handler === undefined) return;
    const { gateway, terminal, secrets } = this.#options;
    const { functions } = gateway;
    for (const key of handler.secrets) {
      const value = secrets.get(key);
      if (value !== undefined) await functions.secrets.set(this.name, key, value);
    }
    const known = new Set((await functions.secrets.names(this.name)).map(({ name }) => name));
    const missing = handler.secrets.filter((key) => !known.has(key));
    if (missing.length > 0)
      terminal.err(
        `'${this.name}' needs secrets that are not given: ${missing.join(", ")} (--secret KEY=value)`,
      );
    const deployed = new Set(functions.list().map(({ name }) => name));
    const unknown = Object.values(handler.uses).filter(({ name }) => !deployed.has(name));
    for (const { name } of unknown)
      terminal.err(`'${this.name}' uses '${name}', which is not deployed (--use ${name}=path)`);
  }
}
