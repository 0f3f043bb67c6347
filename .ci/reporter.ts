/**
 * A reporter for vitest that writes each result as it comes, a line of JSON, to the file that
 * DAWNLET_TEST_REPORT names: a run that is cut off has counts all the same.
 */
import { appendFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import type { Reporter, SerializedError, TestCase, TestModule } from "vitest/node";

/** A test, or a file or a run that failed beside its tests. */
export interface ReportLine {
  readonly state: "passed" | "failed" | "skipped";
  readonly name: string;
  readonly errors: readonly string[];
}

export default class LineReporter implements Reporter {
  readonly #path = process.env.DAWNLET_TEST_REPORT ?? "";

  onInit(): void {
    if (this.#path === "") throw new Error("DAWNLET_TEST_REPORT names no file");
    writeFileSync(this.#path, "");
  }

  onTestCaseResult(test: TestCase): void {
    const { state, errors } = test.result();
    if (state === "pending") return;
    this.#write({
      state,
      name: `${test.module.relativeModuleId}: ${test.fullName}`,
      errors: messages(errors),
    });
  }

  onTestModuleEnd(module: TestModule): void {
    const errors = module.errors();
    if (errors.length > 0)
      this.#write({ state: "failed", name: module.relativeModuleId, errors: messages(errors) });
  }

  onTestRunEnd(_modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
    if (unhandled.length > 0)
      this.#write({ state: "failed", name: "outside of any test", errors: messages(unhandled) });
  }

  #write(line: ReportLine): void {
    appendFileSync(this.#path, `${JSON.stringify(line)}\n`);
  }
}

/** What went wrong, and the innermost place; the run's log has the rest. */
function messages(errors: readonly (SerializedError & { readonly diff?: string })[] | undefined): string[] {
  return (errors ?? []).map(({ message, diff, stack }) => {
    const place = stack?.split("\n").find((line) => /^\s+at /.test(line));
    return [message, diff, place].filter(Boolean).join("\n");
  });
}
