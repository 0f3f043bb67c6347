/**
 * A headless Chromium with WebGPU, by puppeteer-core. Ends for sure: what does not close is killed.
 */
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { launch, type Page } from "puppeteer-core";

const installed = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/usr/bin/google-chrome-stable",
  "/snap/bin/chromium",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/** `--enable-unsafe-webgpu` alone brings SwiftShader where there is no GPU; the rest keeps it off the network. */
const flags = [
  "--no-sandbox",
  "--enable-unsafe-webgpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

const closeGraceMs = 5000;

export interface BrowserPage {
  readonly page: Page;
  /** What the page complained of: uncaught errors, errors on the console, requests that failed. */
  readonly errors: readonly string[];
  /** Calls an exported function of a module of the page's origin. Arguments and result are JSON. */
  call(module: string, name: string, ...args: readonly unknown[]): Promise<unknown>;
}

export interface Chromium {
  readonly version: string;
  openPage(url: string): Promise<BrowserPage>;
  close(): Promise<void>;
}

/** @throws Error that says what to install, where there is no Chromium. */
export async function startChromium(): Promise<Chromium> {
  const executablePath = await findChromium();
  const userDataDir = await mkdtemp(join(tmpdir(), "dawnlet-chromium-"));
  const removeData = (): Promise<void> => rm(userDataDir, { recursive: true, force: true, maxRetries: 5 });
  const browser = await launch({ executablePath, userDataDir, headless: true, args: flags }).catch(
    async (error) => {
      await removeData();
      throw error;
    },
  );
  const child = browser.process();
  const ended = new Promise<void>((resolve) => {
    if (!child || child.exitCode !== null) resolve();
    else child.once("exit", () => resolve());
  });
  return {
    version: await browser.version(),

    async openPage(url) {
      const page = await browser.newPage();
      const errors: string[] = [];
      page.on("pageerror", (error) => errors.push(error instanceof Error ? error.message : String(error)));
      page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
      page.on("requestfailed", (request) => {
        const why = request.failure()?.errorText;
        // What the page itself breaks off is no failure.
        if (why !== "net::ERR_ABORTED") errors.push(`${request.url()}: ${why}`);
      });
      await page.goto(url);
      return {
        page,
        errors,
        call: (module, name, ...args) => {
          const path = JSON.stringify(`/${module}`);
          // As text: test runners rewrite `import()` in functions.
          return page.evaluate(
            `import(${path}).then((m) => m[${JSON.stringify(name)}](...${JSON.stringify(args)}))`,
          );
        },
      };
    },

    async close() {
      const killTimer = setTimeout(() => child?.kill("SIGKILL"), closeGraceMs);
      await browser.close().catch(() => child?.kill("SIGKILL"));
      await ended;
      clearTimeout(killTimer);
      await removeData();
    },
  };
}

async function findChromium(): Promise<string> {
  const named = process.env.CHROMIUM_PATH;
  if (named && !existsSync(named)) throw new Error(`CHROMIUM_PATH names '${named}', which does not exist`);
  const found = named ?? installed.find((path) => existsSync(path));
  if (found) return found;
  if (process.platform === "linux" && process.arch === "x64") {
    // Unpacks itself into the folder for temporary files.
    const { default: packaged } = await import("@sparticuz/chromium");
    return packaged.executablePath();
  }
  throw new Error(
    "No Chromium for the browser tests: install one (Debian: apt-get install chromium) or name it in CHROMIUM_PATH",
  );
}
